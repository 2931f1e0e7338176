package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"github.com/tokendrop/tokendrop/store"
)

// space is what Badger may take of its disk, in bytes, beside what a commit
// writes itself, until it has its memory in order and rests:
//
//	memtables written out, and level 0 merged   8 tables of 9 MiB, where it stalls,
//	                                            and the level below                82 MiB
//	merging another level                       1 table and the 10 it overlaps,
//	                                            4 MiB each                         44 MiB
//
// Measured was less than half of it.
const space = 128 << 20

// leastSpace is what Badger takes for an empty store, for its logs.
const leastSpace = 16 << 20

// spaceFor is what Badger may take where its files have that many bytes: it can
// write out no more than it has, and merge no more than that. So much has to be
// free before a commit, and so much has the reserve, with which a store is opened
// on a disk that is full.
func spaceFor(stored uint64) uint64 { return min(space, leastSpace+2*stored) }

// openSpace is what of that has to be free to open or to close a store, when
// Badger puts in order what it has, and nothing is written. It is less than the
// reserve has, which gives way a little each time it is needed.
func openSpace(bound uint64) uint64 { return bound * 3 / 4 }

// writes is what a batch of that size writes. A staged row is written twice, each
// time to a log and to a table.
func writes(size store.Size) uint64 { return 4 * uint64(size.Bytes) }

// SpareSpace is the number of bytes beside the store at path that others may
// fill without holding up its commits.
func SpareSpace(path string) (uint64, error) {
	stored, err := filesSize(path)
	if err != nil {
		return 0, err
	}
	free, err := freeSpace(filepath.Dir(path))
	kept := spaceFor(stored + measureEach)
	return free - min(free, kept), err
}

// ReplaceSpace is the number of bytes that it takes to make another store beside
// the one at path, of so many bytes or of as many as that one has: itself, what
// Badger may take for it, and its reserve. It also tells how many are free.
func ReplaceSpace(path string, bytes uint64) (needed, free uint64, err error) {
	stored, err := filesSize(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, 0, err
	}
	stored = max(stored, bytes)
	free, err = freeSpace(filepath.Dir(path))
	return stored + 2*spaceFor(stored), free, err
}

// keeper keeps space for Badger. It is used by the one who writes, and by
// itself after a start on a full disk.
type keeper struct {
	path string
	free func(dir string) (uint64, error)

	// measure tells how much the store's files have.
	measure func() (uint64, error)

	mu      sync.Mutex
	reserve *reserve
	stored  uint64 // what they have, or a little more
	grown   uint64 // of that, what was not measured
	lent    bool   // Badger may still be using what the reserve has given up
	refused error  // the disk has not taken what was written to it last
}

// measureEach is how much is written between two measurements, in bytes.
const measureEach = 4 << 20

// begin is admit for what writes that many bytes, half of which the store may
// then have more. What is refused leaves no trace: it is no bar for less.
func (k *keeper) begin(bytes uint64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.grown >= measureEach {
		stored, err := k.measure()
		if err != nil {
			return fmt.Errorf("%w: measuring the store: %w", store.ErrUnavailable, err)
		}
		k.stored, k.grown = stored, 0
	}
	more, size := bytes/2, k.reserve.size
	bound := spaceFor(k.stored + more)
	k.reserve.fit(bound)
	if err := k.admit(bound + bytes); err != nil {
		k.reserve.size = max(size, k.reserve.held)
		return err
	}
	k.stored += more
	k.grown += more
	return nil
}

// bound is what Badger may take.
func (k *keeper) bound() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return spaceFor(k.stored)
}

// check returns ErrUnavailable when less than need is left, with the reserve
// whole.
func (k *keeper) check(need uint64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.refused != nil {
		return k.refused
	}
	return k.has(need + k.reserve.missing())
}

// try writes something that does not matter, and remembers whether that went
// well: a disk that takes nothing any more ends Badger.
func (k *keeper) try(write func() error) error {
	err := write()
	if err != nil {
		err = fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refused = err
	return err
}

func (k *keeper) has(need uint64) error {
	free, err := k.free(k.path)
	if err != nil {
		return fmt.Errorf("%w: asking for the free space: %w", store.ErrUnavailable, err)
	}
	if free < need {
		return fmt.Errorf("%w: %d MiB are free on its disk, %d MiB are needed",
			store.ErrUnavailable, free>>20, (need+1<<20-1)>>20)
	}
	return nil
}

// admit is check, and makes the reserve whole. The caller has the lock.
func (k *keeper) admit(need uint64) error {
	if err := k.has(need + k.reserve.missing()); err != nil {
		return err
	}
	if err := k.reserve.take(); err != nil {
		return fmt.Errorf("%w: keeping space in reserve: %w", store.ErrUnavailable, err)
	}
	return nil
}

// lend gives the reserve up where less than need is left without it.
func (k *keeper) lend(need uint64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.has(need) == nil {
		return nil
	}
	k.lent = true
	if err := k.reserve.giveUp(); err != nil {
		return fmt.Errorf("%w: giving the reserve up: %w", store.ErrUnavailable, err)
	}
	return k.has(need)
}

// takeBack takes of what was given up as much as there is left.
func (k *keeper) takeBack() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.lent {
		_ = k.reserve.take() // whoever writes makes it whole, or says what is missing
		k.lent = false
	}
}

// takeBackOnce does when Badger rests, or not at all if ctx ends before.
func (k *keeper) takeBackOnce(ctx context.Context, rests func() bool) {
	for !rests() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(restPause):
		}
	}
	k.takeBack()
}

// restPause is how often Badger is looked at that was opened on a full disk.
const restPause = time.Second
