// Package memstore keeps a store in memory, for tests and for throw-away
// containers. It breaks invariant 2 of package store by design: what it holds
// survives a reopen in the same process, and nothing else.
//
// Invariants, beside the other ones of package store:
//
//  1. A Disk holds stored forms, not values, so that a reopen shows what a
//     real disk would have kept.
//  2. A fault before storing leaves the Disk as it was; one after storing
//     leaves the whole batch on it.
package memstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/internal/serial"
)

// limits admit the largest permitted patch: 10,000 entries that revoke a token
// of two credentials, whose first issue counts, which are four writes each, or
// rename records of 2 KiB.
var limits = store.Limits{Writes: 48 << 10, Bytes: 32 << 20}

// errTaken is what a Store answers whose Disk was opened again, as happens
// after a crash that a test has staged.
var errTaken = errors.New("the disk was opened by another store")

// Disk is what outlives a Store. The zero Disk is empty and ready.
type Disk struct {
	mu      sync.Mutex
	owner   *handle
	tokens  map[store.Name][]byte
	marks   map[store.MarkID][]byte
	uses    map[store.TokenID][]byte
	entries map[store.PatchID][]byte
	ledger  []store.PatchID // in the order of the entries' numbers

	revision store.Revision // of what was written last
}

// Faults are called with each batch that is about to be stored. A nil hook
// does nothing.
type Faults struct {
	// Before runs before anything is stored. Its error goes to the caller of
	// Commit, and nothing is stored: ErrUnavailable is a full disk, ErrUnknown
	// a commit that is lost without anybody knowing.
	Before func(*store.Batch) error
	// After runs when everything is stored. If it returns an error, the caller
	// of Commit is told ErrUnknown.
	After func(*store.Batch) error
	// Uses runs before uses are stored. Its error goes to the caller of
	// RecordUses, and nothing is stored.
	Uses func() error
}

// Store is a store.Store in memory.
type Store struct {
	serial.Committer

	handle *handle
}

var _ store.Store = (*Store)(nil)

// Open takes the disk over, also from a Store that was never closed; a nil
// disk is a new one.
func Open(disk *Disk, faults Faults) (*Store, error) {
	if disk == nil {
		disk = new(Disk)
	}
	disk.mu.Lock()
	defer disk.mu.Unlock()
	s := &Store{handle: &handle{disk, faults}}
	if err := disk.load(&s.Index); err != nil {
		return nil, err
	}
	head, err := disk.head()
	if err != nil {
		return nil, err
	}
	s.Start(s.handle, limits, serial.Count{Head: head, Revision: disk.revision})
	disk.owner = s.handle
	return s, nil
}

func (d *Disk) load(x *store.Index) error {
	for name, row := range d.tokens {
		if err := x.Load(name, row, nil); err != nil {
			return err
		}
	}
	marks := make([]store.Mark, 0, len(d.marks))
	for id, row := range d.marks {
		m, err := store.DecodeMark(id, row)
		if err != nil {
			return err
		}
		marks = append(marks, m)
	}
	x.LoadMarks(marks)
	return nil
}

// head is the end of the ledger.
func (d *Disk) head() (head store.Head, err error) {
	for _, patch := range d.ledger {
		n, err := store.DecodeEntry(patch, d.entries[patch])
		if err != nil {
			return head, err
		}
		head = head.Next(&n)
	}
	return head, nil
}

// handle is one Store's access to its disk, faults included.
type handle struct {
	disk   *Disk
	faults Faults
}

// Applied implements serial.Disk.
func (h *handle) Applied(patch store.PatchID) (bool, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	_, ok := h.disk.entries[patch]
	return ok, nil
}

// Write implements serial.Disk.
func (h *handle) Write(change serial.Change) error {
	if h.faults.Before != nil {
		if err := h.faults.Before(change.Batch); err != nil {
			return err
		}
	}
	if err := h.disk.put(h, change); err != nil {
		return err
	}
	if h.faults.After != nil {
		if err := h.faults.After(change.Batch); err != nil {
			return fmt.Errorf("%w: %w", store.ErrUnknown, err)
		}
	}
	return nil
}

func (d *Disk) put(writer *handle, batch serial.Change) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.owner != writer {
		return errTaken
	}
	if d.tokens == nil {
		d.tokens, d.marks = make(map[store.Name][]byte), make(map[store.MarkID][]byte)
		d.entries = make(map[store.PatchID][]byte)
	}
	for _, id := range batch.Gone {
		delete(d.uses, id)
	}
	for _, name := range batch.Delete {
		delete(d.tokens, name)
	}
	for i := range batch.Put {
		d.tokens[batch.Put[i].Name] = store.AppendRecord(nil, &batch.Put[i])
	}
	for i := range batch.Marks {
		d.marks[batch.Marks[i].MarkID] = store.AppendMark(nil, &batch.Marks[i])
	}
	for _, id := range batch.Unmark {
		delete(d.marks, id)
	}
	d.revision = batch.Count.Revision
	for i := range batch.Entries {
		n := &batch.Entries[i]
		d.entries[n.Patch] = store.AppendEntry(nil, n)
		d.ledger = append(d.ledger, n.Patch)
	}
	return nil
}

// Entry implements store.Store.
func (s *Store) Entry(ctx context.Context, patch store.PatchID) (n store.Entry, found bool, err error) {
	if err := ctx.Err(); err != nil {
		return n, false, err
	}
	err = s.Settled(func() error {
		n, found, err = s.handle.disk.entry(patch)
		return err
	})
	return n, found, err
}

func (d *Disk) entry(patch store.PatchID) (store.Entry, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	row, ok := d.entries[patch]
	if !ok {
		return store.Entry{}, false, nil
	}
	n, err := store.DecodeEntry(patch, row)
	return n, err == nil, err
}

// Ledger implements store.Store.
func (s *Store) Ledger(ctx context.Context) iter.Seq2[store.Entry, error] {
	return s.entries(ctx, func([]store.PatchID) {})
}

// Latest implements store.Store. Its time does grow with the ledger, by that of
// sorting it.
func (s *Store) Latest(ctx context.Context) iter.Seq2[store.Entry, error] {
	return s.entries(ctx, func(patches []store.PatchID) {
		slices.SortFunc(patches, func(a, b store.PatchID) int { return bytes.Compare(b[:], a[:]) })
	})
}

// entries yields all entries, in the order into which arrange brings that of their
// numbers.
func (s *Store) entries(ctx context.Context, arrange func([]store.PatchID)) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		var patches []store.PatchID
		err := s.Settled(func() error {
			disk := s.handle.disk
			disk.mu.Lock()
			defer disk.mu.Unlock()
			patches = slices.Clone(disk.ledger)
			return nil
		})
		arrange(patches)
		if err != nil {
			yield(store.Entry{}, err)
			return
		}
		for _, patch := range patches {
			n, _, err := s.Entry(ctx, patch)
			if !yield(n, err) || err != nil {
				return
			}
		}
	}
}

// Writable implements store.Store.
func (*Store) Writable() error { return nil }

// Close implements store.Store. The disk keeps what is on it.
func (s *Store) Close() error {
	_ = s.Stop()
	return nil
}
