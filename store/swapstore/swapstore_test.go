package swapstore

import (
	"errors"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/memstore"
	"github.com/tokendrop/tokendrop/store/storetest"
	"github.com/tokendrop/tokendrop/store/token"
)

func open(t *testing.T, disk *memstore.Disk) store.Store {
	t.Helper()
	st, err := memstore.Open(disk, memstore.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		disk := new(memstore.Disk)
		return func() (store.Store, error) { return New(open(t, disk)), nil }
	})
}

func batch(name string, key byte) store.Batch {
	rec := store.Record{
		Name: store.Name{User: "u", Name: name}, Type: store.FullAccess, Active: true,
		Credentials: []store.Credential{{Key: token.Key{key}}},
	}
	return store.Batch{
		Expect: map[store.Name]store.Revision{rec.Name: 0}, Put: []store.Record{rec},
		Entries: []store.Entry{{Patch: store.PatchID{key}, Time: time.UnixMilli(1)}},
	}
}

// 1, 2, 3.
func TestExchange(t *testing.T) {
	first, second := open(t, nil), open(t, nil)
	if err := second.Commit(t.Context(), batch("second", 2)); err != nil {
		t.Fatal(err)
	}
	s := New(first)
	told := 0
	s.Committed = func() { told++ }
	if err := s.Commit(t.Context(), batch("first", 1)); err != nil {
		t.Fatal(err)
	}
	before := s.Commits()
	err := s.Exchange(func() error {
		if err := s.Commit(t.Context(), batch("late", 3)); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Commit = %v while an exchange is prepared", err)
		}
		if err := s.RecordUses(t.Context(), nil); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("RecordUses = %v while an exchange is prepared", err)
		}
		return s.View(t.Context(), func(v store.View) error {
			if v.Totals().ID != 1 {
				t.Errorf("the view has %+v", v.Totals())
			}
			return nil
		})
	}, func(store.Store) (store.Store, error) {
		var f store.Found
		if s.Lookup(token.Key{1}, &f); !f.Known() { // and does not wait
			t.Error("the old store is gone before the new one is there")
		}
		return second, first.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.ByKey(token.Key{1}); ok || s.Head() != second.Head() || s.Commits() <= before {
		t.Error("the old store is still there")
	}
	if err := s.Commit(t.Context(), batch("third", 3)); err != nil {
		t.Error(err)
	}
	if told != 2 {
		t.Errorf("told of %d commits", told)
	}
}

// What fails changes nothing, and writing goes on.
func TestExchangeFails(t *testing.T) {
	own := errors.New("own")
	s := New(open(t, nil))
	fine := func() error { return nil }
	for _, err := range []error{
		s.Exchange(func() error { return own }, nil),
		s.Exchange(fine, func(store.Store) (store.Store, error) { return nil, own }),
	} {
		if !errors.Is(err, own) {
			t.Errorf("Exchange = %v", err)
		}
	}
	if err := s.Commit(t.Context(), batch("first", 1)); err != nil {
		t.Error(err)
	}
	if err := s.Exchange(fine, func(store.Store) (store.Store, error) { return open(t, nil), own }); !errors.Is(err, own) || s.Head().ID != 0 {
		t.Errorf("Exchange = %v, and the ledger ends with %d", err, s.Head().ID)
	}
}
