// Package badgerstore keeps a store in a directory, with Badger.
//
// Rows. The first byte of a key is the kind of row; other kinds may join.
//
//	m                            meta: format, last entry's number, number of tokens, of marks,
//	                             last revision, last entry that took something away,
//	                             the ledger's chain
//	t len(user) user name        token: store.AppendRecord
//	k kind key                   mark: store.AppendMark
//	u id                         uses of a token, if it has any: store.AppendUses
//	l patch                      ledger entry: number of parts to follow, store.AppendEntry
//	l patch part                 the rest of an entry that is long, part by part from 1
//	s row's key                  staged: 1 and the value of the row to be, or 0 to delete it
//	c                            the staged rows are committed
//
// Lengths, numbers and a token's id are unsigned varints, a mark's kind is one byte, a part
// has two bytes, big-endian. Every commit writes the meta row, so the numbers
// in it always belong to the rows around it, and a store that has lost rows is
// found damaged when it is opened. The ledger is found changed when it is read:
// the chain up to an entry is not stored, it is made again. An empty store has no
// row at all.
//
// A batch is one transaction of Badger where it fits, which is synced before
// it counts. Badger's transactions are limited to 15% of a memtable, and
// memtables are memory and have to be written out before a disk is full, so
// they are small; what is larger is staged:
//
//	step                                crash after it
//	stage every row, in transactions    the next start drops the staged rows
//	write c: the commit                 the next start takes the next steps
//	copy the staged rows to their keys  the same
//	delete c                            the next start drops the staged rows
//	delete the staged rows              nothing to do
//
// Invariants, beside those of package store:
//
//  1. The directory and all that is in it is for the daemon's user only.
//  2. One process has the directory open, by a lock on it.
//  3. Nothing is written while the disk has less space left than Badger needs
//     to put its memory in order: a full disk kills it, again at each start. As
//     much is held in a file beside the store, which is given up so that a store
//     can be opened, and closed, on a disk that others have filled. It is taken
//     again when Badger rests, and has to be whole before anything is written.
//  4. An error from before the first byte went to Badger says that nothing is
//     stored; any later one is ErrUnknown.
//  5. No value is large enough for Badger's value log, which stays empty and
//     is never in need of garbage collection.
//  6. What Open shows is synced, also where a killed process had not come to it.
//  7. The store is never behind its Anchor, a file beside it: whoever opens one
//     that has lost its end, which Badger would not notice, gets ErrDamaged.
//  8. Tables that are read whole are not kept resident for that, where the system
//     allows it, neither afterwards nor while it lasts.
package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/internal/serial"
)

// What Open may return beside errors of the system and store.ErrUnavailable.
var (
	// ErrLocked: the directory is open already, here or in another process.
	ErrLocked = errors.New("the store is in use by another process")
	// ErrFormat: another version of the program has written the store.
	ErrFormat = errors.New("the store has another format")
	// ErrDamaged: something in the store is missing, not as it was written, or
	// cannot be read, which Badger does not tell apart.
	ErrDamaged = errors.New("the store is damaged, or its files cannot be read")
	// ErrForeign: the directory holds other things than a store, and no anchor
	// beside it says that it was one.
	ErrForeign = errors.New("the directory is neither empty nor a store")
)

// limits admit the largest permitted patch: 10,000 entries that revoke a token
// of two credentials, whose first issue counts, which are four writes each, or
// rename records of 2 KiB, with a ledger entry of 4 MiB.
var limits = store.Limits{Writes: 48 << 10, Bytes: 32 << 20}

// closeWait bounds a Close: Badger tries for ever to write what its disk has
// refused. All that was committed is synced already.
const closeWait = 10 * time.Second

// Options are what Open needs to know.
type Options struct {
	Path string // of the directory, made if it is not there
	Log  zerolog.Logger
}

// Store is a store.Store in a directory.
type Store struct {
	serial.Committer

	disk  *disk
	lock  *dirLock
	views sync.WaitGroup // reads of the ledger under way
}

var _ store.Store = (*Store)(nil)

// Open opens the store in the directory, or starts one there. It holds all
// tokens and marks in memory when it returns.
func Open(ctx context.Context, o Options) (*Store, error) {
	return open(ctx, o, defaultHooks(o))
}

// hooks are what tests replace.
type hooks struct {
	badger badger.Options
	free   func(dir string) (uint64, error)
	sync   func(path string) error
	// allocate gives a file its first bytes.
	allocate func(f *os.File, bytes int64) error
	// fault is called before and after each write to Badger, and its error
	// taken for one of Badger's.
	fault func() error
}

func defaultHooks(o Options) hooks {
	return hooks{badgerOptions(o), freeSpace, syncFile, allocate, func() error { return nil }}
}

func open(ctx context.Context, o Options, h hooks) (*Store, error) {
	s, err := openLocked(ctx, o, h)
	if err != nil {
		return nil, fmt.Errorf("opening the store %s: %w", o.Path, err)
	}
	return s, nil
}

func openLocked(ctx context.Context, o Options, h hooks) (_ *Store, err error) {
	if err := finishReplace(o.Path, func() error { return nil }); err != nil {
		return nil, fmt.Errorf("ending a restore: %w", err)
	}
	if err := prepareDir(o.Path); err != nil {
		return nil, err
	}
	lock, err := lockDir(o.Path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = lock.release()
		}
	}()
	if err := removeLeft(o.Path); err != nil {
		return nil, err
	}
	d, err := openDisk(o, h)
	if err != nil {
		return nil, err
	}
	s := &Store{disk: d, lock: lock}
	if err := s.load(ctx); err != nil {
		return nil, errors.Join(err, d.close())
	}
	if err := d.moor(s.Count()); err != nil {
		return nil, errors.Join(err, d.close())
	}
	d.rest()
	return s, nil
}

// Close implements store.Store. It waits for reads of the ledger to end.
func (s *Store) Close() error {
	before := s.Stop()
	if errors.Is(before, serial.ErrClosed) {
		return nil
	}
	s.views.Wait()
	err := until(time.After(closeWait), func() error {
		return errors.Join(s.disk.close(), s.disk.anchor.close(), s.lock.release())
	})
	if err != nil {
		return fmt.Errorf("closing the store: %w", err)
	}
	return nil
}

// Writable implements store.Store.
func (s *Store) Writable() error { return s.disk.space.check(s.disk.need(store.Size{})) }

// until calls do, and leaves it to itself when it is late. A Badger that has
// not come to its end keeps the lock, because it may still write.
func until(late <-chan time.Time, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-late:
		return store.ErrUnknown
	}
}
