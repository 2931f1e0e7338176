//go:build unix

package badgerstore

import (
	"errors"
	"testing"

	"github.com/tokendrop/tokendrop/store"
)

// tokenUsed tells of one use of a token that commitUntil makes.
func tokenUsed(t *testing.T, s *Store) []store.Used {
	t.Helper()
	rec, ok := s.ByName(store.Name{User: "u", Name: "0"})
	if !ok {
		t.Fatal("there is no token")
	}
	return []store.Used{{Token: rec.ID, Name: rec.Name, CredentialUse: store.CredentialUse{Use: store.Use{Count: 1}}}}
}

// Invariant 3: uses are not written on a disk that is nearly full either, and
// nothing is left of the attempt.
func TestSpaceForUses(t *testing.T) {
	o := testOptions(t.TempDir() + "/store")
	h := defaultHooks(o)
	free := uint64(2*space + 4<<20)
	h.free = func(string) (uint64, error) { return free, nil }
	s := mustOpen(t, o, h)
	commitUntil(t, s, 2)
	used := tokenUsed(t, s)
	free = s.disk.need(store.Size{})
	if err := s.RecordUses(t.Context(), used); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("RecordUses = %v without space, want ErrUnavailable", err)
	}
	if all, err := s.Uses(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("Uses = %v, %v", all, err)
	}
	free += 2 * writes(store.Size{Bytes: usesSize})
	if err := s.RecordUses(t.Context(), used); err != nil {
		t.Errorf("RecordUses = %v with space again", err)
	}
}

// Invariant 4: a fault while uses are written leaves open what is stored, and
// ends all writing.
func TestFaultsOfUses(t *testing.T) {
	for fault := 1; fault <= 2; fault++ {
		o := testOptions(t.TempDir() + "/store")
		h := defaultHooks(o)
		left := -1
		h.fault = func() error {
			if left--; left == 0 {
				return errors.New("the disk says no")
			}
			return nil
		}
		s := mustOpen(t, o, h)
		commitUntil(t, s, 2)
		used := tokenUsed(t, s)
		left = fault
		if err := s.RecordUses(t.Context(), used); !errors.Is(err, store.ErrUnknown) {
			t.Errorf("fault %d: RecordUses = %v, want ErrUnknown", fault, err)
		}
		if err := s.Commit(t.Context(), numbered(2)); !errors.Is(err, store.ErrUnknown) {
			t.Errorf("fault %d: Commit = %v, want ErrUnknown", fault, err)
		}
		if _, err := s.Uses(t.Context()); !errors.Is(err, store.ErrUnknown) {
			t.Errorf("fault %d: Uses = %v, want ErrUnknown", fault, err)
		}
		_ = s.Close()
		all, err := mustOpen(t, o, defaultHooks(o)).Uses(t.Context())
		if err != nil || len(all) != fault-1 {
			t.Errorf("fault %d: reopened, Uses = %v, %v", fault, all, err)
		}
	}
}

func TestDamagedUses(t *testing.T) {
	for name, r := range map[string]row{
		"value": {usesKey(1), []byte{0xff}},
		"key":   {[]byte{usesKind, 0xff}, nil},
		"more":  {append(usesKey(1), 1), nil},
	} {
		if r.value == nil {
			r.value = []byte{} // a row without a value is a deletion
		}
		o := testOptions(t.TempDir() + "/store")
		s := mustOpen(t, o, defaultHooks(o))
		if err := s.disk.transact([]row{r}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Uses(t.Context()); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: Uses = %v, want ErrDamaged", name, err)
		}
		_ = s.Close()
	}
}
