package badgerstore

import (
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

// Ledger implements store.Store. It sorts the numbers of all entries first, 24
// bytes each, and reads the entries one by one: nearly in the order in which
// they lie on disk, since a patch's identifier begins with a time.
func (s *Store) Ledger(ctx context.Context) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		done := false
		err := s.view(func(txn *badger.Txn) error {
			return eachEntry(ctx, txn, func(n store.Entry) bool {
				done = !yield(n, nil)
				return !done
			})
		})
		if err != nil && !done {
			yield(store.Entry{}, fmt.Errorf("reading the ledger: %w", err))
		}
	}
}

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

func eachEntry(ctx context.Context, txn *badger.Txn, do func(store.Entry) bool) error {
	m, err := readMeta(txn)
	if err != nil {
		return err
	}
	order, err := entryOrder(ctx, txn)
	if err != nil {
		return err
	}
	if uint64(len(order)) != m.Head.ID {
		return fmt.Errorf("%w: the ledger has %d entries instead of %d", ErrDamaged, len(order), m.Head.ID)
	}
	var head store.Head
	for i, o := range order {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, found, err := readEntry(txn, o.patch)
		if err != nil {
			return err
		}
		if !found || n.ID != uint64(i)+1 {
			return fmt.Errorf("%w: there is no entry %d in the ledger", ErrDamaged, i+1)
		}
		head = head.Next(&n)
		if !do(n) {
			return nil
		}
	}
	if head != m.Head {
		return fmt.Errorf("%w: the ledger was changed after it was written", ErrDamaged)
	}
	return nil
}

// place is where an entry belongs in the ledger.
type place struct {
	id    uint64
	patch store.PatchID
}

func entryOrder(ctx context.Context, txn *badger.Txn) ([]place, error) {
	var order []place
	err := eachIn(txn, ledgerKind, func(r row) error {
		if len(r.key) != headSize {
			return ctx.Err()
		}
		id, err := entryID(r.value)
		order = append(order, place{id, store.PatchID(r.key[1:])})
		return err
	})
	slices.SortFunc(order, func(a, b place) int { return cmp.Compare(a.id, b.id) })
	return order, err
}

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
	n, err := store.DecodeEntry(patch, whole)
	if err != nil {
		return store.Entry{}, false, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return n, true, nil
}

func get(txn *badger.Txn, key []byte) ([]byte, error) {
	item, err := txn.Get(key)
	if err != nil {
		return nil, err
	}
	return item.ValueCopy(nil)
}
