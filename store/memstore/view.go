package memstore

import (
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/tokendrop/tokendrop/store"
)

// View implements store.Store. Rows are never written over, so that only the
// maps are copied.
func (s *Store) View(ctx context.Context, do func(store.View) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	v := view{ctx: ctx}
	err := s.Settled(func() (err error) {
		d := s.handle.disk
		d.mu.Lock()
		defer d.mu.Unlock()
		v.tokens, v.marks, v.uses = maps.Clone(d.tokens), maps.Clone(d.marks), maps.Clone(d.uses)
		v.entries, v.ledger = maps.Clone(d.entries), slices.Clone(d.ledger)
		v.head, err = d.head()
		return err
	})
	if err != nil {
		return err
	}
	return do(&v)
}

// view is a store.View.
type view struct {
	ctx     context.Context // that of View, for as long as it lasts
	tokens  map[store.Name][]byte
	marks   map[store.MarkID][]byte
	uses    map[store.TokenID][]byte
	entries map[store.PatchID][]byte
	ledger  []store.PatchID
	head    store.Head
}

// Totals implements store.View.
func (v *view) Totals() store.Totals {
	return store.Totals{Head: v.head, Records: uint64(len(v.tokens)), Marks: uint64(len(v.marks))}
}

// Entries implements store.View.
func (v *view) Entries() iter.Seq2[store.Entry, error] {
	return decoded(v.ctx, func(yield func(store.PatchID, []byte) bool) {
		for _, patch := range v.ledger {
			if !yield(patch, v.entries[patch]) {
				return
			}
		}
	}, store.DecodeEntry)
}

// Records implements store.View.
func (v *view) Records() iter.Seq2[store.Record, error] {
	return decoded(v.ctx, maps.All(v.tokens), store.DecodeRecord)
}

// Marks implements store.View.
func (v *view) Marks() iter.Seq2[store.Mark, error] {
	return decoded(v.ctx, maps.All(v.marks), store.DecodeMark)
}

// Uses implements store.View.
func (v *view) Uses() iter.Seq2[store.TokenUses, error] {
	return decoded(v.ctx, maps.All(v.uses), func(id store.TokenID, row []byte) (store.TokenUses, error) {
		uses, err := store.DecodeUses(row)
		return store.TokenUses{ID: id, Uses: uses}, err
	})
}

// decoded yields what rows hold, up to the first that cannot be read.
func decoded[K, T any](ctx context.Context, rows iter.Seq2[K, []byte], decode func(K, []byte) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for key, row := range rows {
			t, err := decode(key, row)
			if err == nil {
				err = ctx.Err()
			}
			if !yield(t, err) || err != nil {
				return
			}
		}
	}
}
