package badgerstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/tokendrop/tokendrop/store"
)

// Entry implements store.Store.
func (s *Store) Entry(ctx context.Context, patch store.PatchID) (n store.Entry, found bool, err error) {
	if err := ctx.Err(); err != nil {
		return n, false, err
	}
	err = s.view(func(txn *badger.Txn) error {
		n, found, err = readEntry(txn, patch)
		return err
	})
	if err != nil {
		return store.Entry{}, false, fmt.Errorf("reading the ledger: %w", err)
	}
	return n, found, nil
}

// Ledger implements store.Store. It reads as the entries lie on disk, by the time
// in a patch's identifier, and that is nearly the order of their numbers: it sorts
// runs of entries that follow one another in both.
func (s *Store) Ledger(ctx context.Context) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		done := false
		err := s.view(func(txn *badger.Txn) error {
			return s.disk.eachEntry(ctx, txn, func(n store.Entry) bool {
				done = !yield(n, nil)
				return !done
			})
		})
		if err != nil && !done {
			yield(store.Entry{}, fmt.Errorf("reading the ledger: %w", err))
		}
	}
}

// Latest implements store.Store.
func (s *Store) Latest(ctx context.Context) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		done := false
		err := s.view(func(txn *badger.Txn) error {
			it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{ledgerKind}, Reverse: true})
			defer it.Close()
			for it.Seek(afterLedger); it.Valid() && !done; it.Next() {
				key := it.Item().Key()
				if len(key) != headSize {
					continue
				}
				n, _, err := readEntry(txn, store.PatchID(key[1:]))
				if err = errors.Join(err, ctx.Err()); err != nil {
					return err
				}
				done = !yield(n, nil)
			}
			return nil
		})
		if err != nil && !done {
			yield(store.Entry{}, fmt.Errorf("reading the ledger: %w", err))
		}
	}
}

// afterLedger is behind the key of every entry, and of its parts.
var afterLedger = append([]byte{ledgerKind}, bytes.Repeat([]byte{0xff}, headSize+2)...)

// view calls do with a snapshot that holds whole commits only, and none that
// may not last.
func (s *Store) view(do func(*badger.Txn) error) error {
	var txn *badger.Txn
	err := s.Settled(func() error {
		s.views.Add(1)
		txn = s.disk.db.NewTransaction(false)
		return nil
	})
	if err != nil {
		return err
	}
	defer s.views.Done()
	defer txn.Discard()
	return do(txn)
}

// eachEntry reads the ledger, and fails at its end unless it is the one that was
// written.
func (d *disk) eachEntry(ctx context.Context, txn *badger.Txn, do func(store.Entry) bool) error {
	m, err := readMeta(txn)
	if err != nil {
		return err
	}
	runs, err := d.entryRuns(ctx, txn)
	if err != nil {
		return err
	}
	if n := countEntries(runs); n != m.Head.ID {
		return fmt.Errorf("%w: the ledger has %d entries instead of %d", ErrDamaged, n, m.Head.ID)
	}
	it := entryIterator{rows: rowsIn(txn, ledgerKind), pages: pages{disk: d}}
	defer it.rows.Close()
	var head store.Head
	for _, r := range runs {
		it.rows.Seek(entryKey(r.patch))
		for range r.count {
			n, err := it.next()
			if err := errors.Join(err, ctx.Err()); err != nil {
				return err
			}
			if n.ID != head.ID+1 {
				return fmt.Errorf("%w: there is no entry %d in the ledger", ErrDamaged, head.ID+1)
			}
			head = head.Next(&n)
			if !do(n) {
				return nil
			}
		}
	}
	if head != m.Head {
		return fmt.Errorf("%w: the ledger was changed after it was written", ErrDamaged)
	}
	return nil
}

// run is entries that follow one another by their numbers and on disk.
type run struct {
	id    uint64        // of the first
	patch store.PatchID // of the first
	count uint64
}

// entryRuns lists the runs of all entries in the order of their numbers.
func (d *disk) entryRuns(ctx context.Context, txn *badger.Txn) ([]run, error) {
	var runs []run
	next := uint64(0) // that would go on with the last run
	err := d.eachPaged(txn, ledgerKind, func(r row) error {
		if len(r.key) != headSize {
			return ctx.Err()
		}
		id, err := entryID(r.value)
		if id != next || len(runs) == 0 {
			runs = append(runs, run{id, store.PatchID(r.key[1:]), 0})
		}
		runs[len(runs)-1].count++
		next = id + 1
		return err
	})
	slices.SortFunc(runs, func(a, b run) int { return cmp.Compare(a.id, b.id) })
	return runs, err
}

func countEntries(runs []run) (n uint64) {
	for _, r := range runs {
		n += r.count
	}
	return n
}

// entryIterator reads entries as they lie on disk.
type entryIterator struct {
	rows  *badger.Iterator
	pages pages
	whole []byte // stored form of the entry that was read last
}

// next reads the entry whose first row comes next.
func (i *entryIterator) next() (store.Entry, error) {
	var patch store.PatchID
	if i.rows.Valid() {
		copy(patch[:], i.rows.Item().Key()[1:])
	}
	i.whole = i.whole[:0]
	parts := uint64(0)
	err := i.take(entryKey(patch), func(value []byte) (rest []byte, err error) {
		parts, rest, err = decodeHead(value)
		return rest, err
	})
	for part := uint64(1); part <= parts && err == nil; part++ {
		err = i.take(partKey(patch, part), func(value []byte) ([]byte, error) { return value, nil })
	}
	if err != nil {
		return store.Entry{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return decodeEntry(patch, i.whole)
}

// take goes on behind a row, and appends what part has of its value.
func (i *entryIterator) take(key []byte, part func(value []byte) ([]byte, error)) error {
	if !i.rows.Valid() || !bytes.Equal(i.rows.Item().Key(), key) {
		return errNoPart
	}
	err := i.rows.Item().Value(func(value []byte) error {
		i.pages.note(row{key, value})
		more, err := part(value)
		i.whole = append(i.whole, more...)
		return err
	})
	i.rows.Next()
	return err
}

var errNoPart = errors.New("a part of a ledger entry is not there")

func readEntry(txn *badger.Txn, patch store.PatchID) (store.Entry, bool, error) {
	head, err := get(txn, entryKey(patch))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return store.Entry{}, false, nil
	} else if err != nil {
		return store.Entry{}, false, err
	}
	parts, whole, err := decodeHead(head)
	for part := uint64(1); part <= parts && err == nil; part++ {
		var more []byte
		more, err = get(txn, partKey(patch, part))
		whole = append(whole, more...)
	}
	if err != nil {
		return store.Entry{}, false, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	n, err := decodeEntry(patch, whole)
	return n, err == nil, err
}

func decodeEntry(patch store.PatchID, whole []byte) (store.Entry, error) {
	n, err := store.DecodeEntry(patch, whole)
	if err != nil {
		return store.Entry{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return n, nil
}

func get(txn *badger.Txn, key []byte) ([]byte, error) {
	item, err := txn.Get(key)
	if err != nil {
		return nil, err
	}
	return item.ValueCopy(nil)
}
