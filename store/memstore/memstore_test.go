package memstore_test

import (
	"errors"
	"testing"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/memstore"
	"github.com/tokendrop/tokendrop/store/storetest"
	"github.com/tokendrop/tokendrop/store/token"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Opener {
		disk := new(memstore.Disk)
		return func() (store.Store, error) { return memstore.Open(disk, memstore.Faults{}) }
	})
}

func batch() store.Batch {
	name := store.Name{User: "u", Name: "n"}
	r := store.Record{Name: name, Type: store.FullAccess, Active: true, Credentials: []store.Credential{{Key: token.Key{1}}}}
	return store.Batch{
		Expect: map[store.Name]store.Revision{name: 0}, Put: []store.Record{r},
		Entries: []store.Entry{{Patch: store.PatchID{1}, Outcome: store.Installed}},
	}
}

// Invariant 2, and 8 of package store: what the caller is told, what a reader
// sees, whether the store takes another commit, and what a reopen finds.
func TestFaults(t *testing.T) {
	fail := func(err error) func(*store.Batch) error {
		return func(*store.Batch) error { return err }
	}
	errOther := errors.New("other")
	for name, tt := range map[string]struct {
		faults memstore.Faults
		want   error
		stored bool
	}{
		"unavailable":        {memstore.Faults{Before: fail(store.ErrUnavailable)}, store.ErrUnavailable, false},
		"other":              {memstore.Faults{Before: fail(errOther)}, errOther, false},
		"unknown, lost":      {memstore.Faults{Before: fail(store.ErrUnknown)}, store.ErrUnknown, false},
		"unknown, stored":    {memstore.Faults{After: fail(errOther)}, store.ErrUnknown, true},
		"unknown by itself":  {memstore.Faults{After: fail(store.ErrUnknown)}, store.ErrUnknown, true},
		"hooks that pass":    {memstore.Faults{Before: fail(nil), After: fail(nil)}, nil, true},
		"no hooks":           {memstore.Faults{}, nil, true},
		"first hook decides": {memstore.Faults{Before: fail(store.ErrUnavailable), After: fail(errOther)}, store.ErrUnavailable, false},
	} {
		t.Run(name, func(t *testing.T) { testFault(t, tt.faults, tt.want, tt.stored) })
	}
}

func testFault(t *testing.T, faults memstore.Faults, want error, stored bool) {
	disk := new(memstore.Disk)
	s, err := memstore.Open(disk, faults)
	if err != nil {
		t.Fatal(err)
	}
	b := batch()
	if err := s.Commit(t.Context(), b); !errors.Is(err, want) {
		t.Errorf("Commit = %v, want %v", err, want)
	}
	if _, seen := s.ByKey(token.Key{1}); seen != (want == nil) {
		t.Errorf("a reader sees the token: %v", seen)
	}
	b.Entries[0].Patch = store.PatchID{2}
	unknown := errors.Is(want, store.ErrUnknown)
	if err := s.Commit(t.Context(), b); unknown && !errors.Is(err, store.ErrUnknown) {
		t.Errorf("the next Commit = %v, want ErrUnknown", err)
	}
	if _, _, err := s.Entry(t.Context(), store.PatchID{1}); errors.Is(err, store.ErrUnknown) != unknown {
		t.Errorf("Entry = %v after an unknown result: %v", err, unknown)
	}
	again, err := memstore.Open(disk, memstore.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	_, token := again.ByKey(token.Key{1})
	_, entry, err := again.Entry(t.Context(), store.PatchID{1})
	if token != stored || entry != stored || err != nil {
		t.Errorf("reopened: token %v, entry %v, %v, want %v", token, entry, err, stored)
	}
}

// A Store that was left behind, as in a crash, writes no more.
func TestTakenOver(t *testing.T) {
	disk := new(memstore.Disk)
	old, _ := memstore.Open(disk, memstore.Faults{})
	if _, err := memstore.Open(disk, memstore.Faults{}); err != nil {
		t.Fatal(err)
	}
	if err := old.Commit(t.Context(), batch()); err == nil || errors.Is(err, store.ErrUnknown) {
		t.Errorf("Commit = %v on a disk that another store has", err)
	}
}
