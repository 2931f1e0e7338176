package storetest

import (
	"errors"
	"iter"
	"reflect"

	"github.com/tokendrop/tokendrop/store"
)

// collect reads a view into a state.
func (b *bench) collect(v store.View) state {
	b.Helper()
	s := newState()
	for r := range all(b, v.Records()) {
		s.Tokens[r.Name] = r
	}
	for m := range all(b, v.Marks()) {
		s.Marks[m.MarkID] = m
	}
	for u := range all(b, v.Uses()) {
		s.Uses[u.ID] = u.Uses
	}
	for n := range all(b, v.Entries()) {
		s.Ledger = append(s.Ledger, n)
	}
	want := store.Totals{Head: headOf(s.Ledger), Records: uint64(len(s.Tokens)), Marks: uint64(len(s.Marks))}
	if got := v.Totals(); got != want {
		b.Errorf("Totals = %+v, want %+v", got, want)
	}
	return s
}

// all yields what is read without an error.
func all[T any](b *bench, seq iter.Seq2[T, error]) iter.Seq[T] {
	return func(yield func(T) bool) {
		for t, err := range seq {
			if err != nil {
				b.Errorf("reading a view: %v", err)
				return
			}
			if !yield(t) {
				return
			}
		}
	}
}

// A view has everything as it was at one moment, whatever is committed
// meanwhile.
func testView(b *bench) {
	b.commit(b.mark(b.write(record(name(1), key(1)), record(name(2), key(2))), mark(store.OnceID("spool", "setup"), "sum")))
	b.record(b.used(key(1), 1, use(1, 3)))
	for range 2 {
		want := b.state()
		err := b.View(b.Context(), func(v store.View) error {
			b.commit(b.mark(b.remove(b.write(record(name(2), key(3)), record(name(4), key(4))), name(1)), mark(store.RevokedID(key(1), ""), "")))
			b.record(b.used(key(4), 1, use(2, 1)))
			for range 2 { // it can be read again
				if got := b.collect(v); !reflect.DeepEqual(got, want) {
					b.Errorf("the view has changed:\ngot  %+v\nwant %+v", got, want)
				}
			}
			for range v.Records() { // a reader may stop early
				break
			}
			return nil
		})
		if err != nil {
			b.Fatalf("View = %v", err)
		}
		b.commit(b.write(record(name(1), key(1))))
		b.reopen()
	}
	own := errors.New("own")
	if err := b.View(b.Context(), func(store.View) error { return own }); !errors.Is(err, own) {
		b.Errorf("View = %v, want the error of its function", err)
	}
	err := b.View(cancelled(b.Context()), func(v store.View) error {
		for _, err := range v.Records() {
			return err
		}
		return nil
	})
	if err == nil {
		b.Error("View goes on after the end of its context")
	}
}
