package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/dgraph-io/badger/v4"

	"github.com/tokendrop/tokendrop/store"
)

// View implements store.Store, with one snapshot of Badger.
func (s *Store) View(ctx context.Context, do func(store.View) error) error {
	defer s.disk.dropPages()
	return s.view(func(txn *badger.Txn) error {
		m, err := readMeta(txn)
		if err != nil {
			return err
		}
		return do(view{ctx, s.disk, txn, m})
	})
}

// view is a store.View.
type view struct {
	ctx  context.Context // that of View, for as long as it lasts
	disk *disk
	txn  *badger.Txn
	at   meta
}

// Totals implements store.View.
func (v view) Totals() store.Totals {
	return store.Totals{Head: v.at.Head, Records: uint64(v.at.Tokens), Marks: uint64(v.at.Marks)}
}

// Entries implements store.View.
func (v view) Entries() iter.Seq2[store.Entry, error] {
	return sequence("the ledger", func(yield func(store.Entry) error) error {
		return v.disk.eachEntry(v.ctx, v.txn, func(n store.Entry) bool { return yield(n) == nil })
	})
}

// Records implements store.View.
func (v view) Records() iter.Seq2[store.Record, error] {
	return sequence("tokens", func(yield func(store.Record) error) error {
		return v.each(tokenKind, func(r row) error {
			name, err := decodeTokenKey(r.key)
			if err != nil {
				return err
			}
			rec, err := store.DecodeRecord(name, r.value)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrDamaged, err)
			}
			return yield(rec)
		})
	})
}

// Marks implements store.View.
func (v view) Marks() iter.Seq2[store.Mark, error] {
	return sequence("marks", func(yield func(store.Mark) error) error {
		return v.each(markKind, func(r row) error {
			m, err := decodeMark(r)
			if err != nil {
				return err
			}
			return yield(m)
		})
	})
}

// Uses implements store.View.
func (v view) Uses() iter.Seq2[store.TokenUses, error] {
	return sequence("uses", func(yield func(store.TokenUses) error) error {
		return v.each(usesKind, func(r row) error {
			id, err := decodeUsesKey(r.key)
			if err != nil {
				return err
			}
			uses, err := decodeUses(r.value)
			if err != nil {
				return err
			}
			return yield(store.TokenUses{ID: id, Uses: uses})
		})
	})
}

func (v view) each(kind byte, do func(row) error) error {
	return v.disk.eachPaged(v.txn, kind, func(r row) error {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		return do(r)
	})
}

// errEnough ends a walk whose reader has seen enough.
var errEnough = errors.New("enough was read")

// sequence turns a walk, which ends with the error of its callback, into an
// iterator.
func sequence[T any](what string, walk func(yield func(T) error) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		enough := false
		err := walk(func(t T) error {
			if enough = !yield(t, nil); enough {
				return errEnough
			}
			return nil
		})
		if err != nil && !enough {
			var none T
			yield(none, fmt.Errorf("reading %s: %w", what, err))
		}
	}
}
