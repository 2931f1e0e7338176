//go:build unix

package badgerstore

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// creates is a batch that takes nothing away.
func creates(number byte) store.Batch {
	name := store.Name{User: "new", Name: string(rune('a' + number))}
	return store.Batch{
		Expect:  map[store.Name]store.Revision{name: 0},
		Put:     []store.Record{{Name: name, Active: true, Generation: 1, Credentials: []store.Credential{{Key: token.Key{number}}}}},
		Entries: []store.Entry{{Patch: store.PatchID{number}, Outcome: store.Installed}},
	}
}

// revokes is a batch that does.
func revokes(number byte) store.Batch {
	id := store.RevokedID(token.Key{number}, "")
	return store.Batch{
		ExpectMarks: map[store.MarkID]store.Revision{id: 0}, Marks: []store.Mark{{MarkID: id}},
		Entries: []store.Entry{{Patch: store.PatchID{number}, Outcome: store.Installed}},
	}
}

// committed is a store with these batches in it, closed again.
func committed(t *testing.T, o Options, batches ...store.Batch) {
	t.Helper()
	s := mustOpen(t, o, defaultHooks(o))
	for _, b := range batches {
		if err := s.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Invariant 7: a store that has lost its end, all of it, or that is another
// one, is not opened until somebody takes the anchor away, knowing it.
func TestLostEnd(t *testing.T) {
	for name, exchange := range map[string]func(t *testing.T, o Options, early string) error{
		"rolled back": func(_ *testing.T, o Options, early string) error {
			return errors.Join(os.RemoveAll(o.Path), os.CopyFS(o.Path, os.DirFS(early)))
		},
		"gone": func(_ *testing.T, o Options, _ string) error { return os.RemoveAll(o.Path) },
		"another": func(t *testing.T, o Options, _ string) error {
			other := testOptions(t.TempDir() + "/store")
			committed(t, other, creates(9), creates(3), revokes(2))
			return errors.Join(os.RemoveAll(o.Path), os.CopyFS(o.Path, os.DirFS(other.Path)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			o, early := testOptions(t.TempDir()+"/store"), t.TempDir()+"/early"
			committed(t, o, creates(1))
			if err := os.CopyFS(early, os.DirFS(o.Path)); err != nil {
				t.Fatal(err)
			}
			committed(t, o, revokes(2), creates(3))
			if err := exchange(t, o, early); err != nil {
				t.Fatal(err)
			}
			for range 2 { // to try it again does not help
				if _, err := Open(t.Context(), o); !errors.Is(err, ErrDamaged) {
					t.Fatalf("Open = %v, want ErrDamaged", err)
				}
			}
			var log bytes.Buffer
			o.Log = zerolog.New(&log)
			if err := os.Remove(anchorPath(o.Path)); err != nil {
				t.Fatal(err)
			}
			committed(t, o)
			if warned := bytes.Contains(log.Bytes(), []byte("no anchor")); warned != (name != "gone") {
				t.Errorf("the log is %s", &log)
			}
			committed(t, o)
		})
	}
}

// A store that is ahead of its anchor is what a power cut leaves.
func TestAnchorBehind(t *testing.T) {
	o := testOptions(t.TempDir() + "/store")
	committed(t, o, creates(1), revokes(2))
	old, err := os.ReadFile(anchorPath(o.Path))
	if err != nil {
		t.Fatal(err)
	}
	committed(t, o, creates(3))
	if err := os.WriteFile(anchorPath(o.Path), old, 0o600); err != nil {
		t.Fatal(err)
	}
	committed(t, o)
	a, err := ReadAnchor(o.Path)
	if err != nil || a.Head.ID != 3 || a.Restricted != 2 || a.Tokens != 2 || a.Marks != 1 {
		t.Errorf("ReadAnchor = %+v, %v", a, err)
	}
}

// What takes something away is announced, durably, before it is stored. Other
// commits wait for no anchor.
func TestAnnounced(t *testing.T) {
	o := testOptions(t.TempDir() + "/store")
	h := defaultHooks(o)
	var steps []string
	var failure error
	h.sync = func(path string) error {
		if path == anchorPath(o.Path) {
			steps = append(steps, "synced")
			return failure
		}
		return syncFile(path)
	}
	restricted := func() uint64 {
		a, err := ReadAnchor(o.Path)
		if err != nil {
			t.Fatal(err)
		}
		return a.Restricted
	}
	open := false
	h.fault = func() error {
		if !open {
			return nil
		}
		if restricted() == 2 {
			steps = append(steps, "stored after")
		} else {
			steps = append(steps, "stored")
		}
		return nil
	}
	s := mustOpen(t, o, h)
	steps, open = nil, true
	for _, b := range []store.Batch{creates(1), revokes(2)} {
		if err := s.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"stored", "stored", "synced", "stored after", "stored after"}; !slices.Equal(steps, want) {
		t.Errorf("the steps are %q, want %q", steps, want)
	}
	failure = errors.New("the disk says no")
	if err := s.Commit(t.Context(), revokes(3)); !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, failure) {
		t.Errorf("Commit = %v, want ErrUnavailable", err)
	}
	if a, err := ReadAnchor(o.Path); err != nil || a.Head.ID != 2 || a.Restricted != 3 || s.Head().ID != 2 {
		t.Errorf("after a sync that failed: %+v, %v", a, err)
	}
	failure, open = nil, false
	_ = s.Close()
	mustOpen(t, o, h)
	if got := restricted(); got != 2 {
		t.Errorf("the last entry that took something away is %d: what was announced never happened", got)
	}
}

// A commit is one although the anchor cannot be written after it. Where that
// cannot be written nothing else is.
func TestAnchorFails(t *testing.T) {
	o := testOptions(t.TempDir() + "/store")
	h := defaultHooks(o)
	var s *Store
	left := -1
	h.fault = func() error {
		if left--; left == 0 {
			return s.disk.anchor.close()
		}
		return nil
	}
	s = mustOpen(t, o, h)
	left = 2
	if err := s.Commit(t.Context(), creates(1)); err != nil {
		t.Errorf("Commit = %v", err)
	}
	for _, b := range []store.Batch{creates(2), revokes(3)} {
		if err := s.Commit(t.Context(), b); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Commit = %v without an anchor, want ErrUnavailable", err)
		}
	}
	if got := s.Head().ID; got != 1 {
		t.Errorf("%d entries are stored, want 1", got)
	}
}

// Whatever happens to one slot, the anchor is that of one of the last two
// writes.
func TestAnchorTorn(t *testing.T) {
	o := testOptions(t.TempDir() + "/store")
	committed(t, o, creates(1), creates(2))
	path := anchorPath(o.Path)
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 || info.Size() != 2*slotSpace {
		t.Fatalf("the anchor is %v, %v", info, err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for at := range 2 * slotSpace {
		if at%slotSpace >= slotSize {
			continue
		}
		torn := slices.Clone(whole)
		torn[at] ^= 0x10
		write(torn)
		if a, err := ReadAnchor(o.Path); err != nil || a.Head.ID != 1 && a.Head.ID != 2 {
			t.Fatalf("byte %d: ReadAnchor = %+v, %v", at, a, err)
		}
	}
	for name, b := range map[string][]byte{"empty": nil, "zero": make([]byte, 2*slotSpace), "short": whole[:slotSize-1]} {
		write(b)
		if _, err := ReadAnchor(o.Path); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: ReadAnchor = %v, want ErrDamaged", name, err)
		}
		if _, err := Open(t.Context(), o); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: Open = %v, want ErrDamaged", name, err)
		}
	}
	if _, err := ReadAnchor(filepath.Dir(path) + "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadAnchor = %v of none", err)
	}
}
