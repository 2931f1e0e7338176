//go:build unix

package badgerstore

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A crash at any step of a replacement leaves one of the two stores, whole, and
// the next start takes it.
func TestReplace(t *testing.T) {
	const steps = 7
	crash := errors.New("crash")
	for at := 1; at <= steps+1; at++ {
		o := testOptions(t.TempDir() + "/store")
		old := mustOpen(t, o, smallHooks(o))
		commitUntil(t, old, 3)
		path, err := NewPath(o.Path)
		if err != nil {
			t.Fatal(err)
		}
		made := mustOpen(t, testOptions(path), smallHooks(testOptions(path)))
		commitUntil(t, made, 6)
		if err := made.Close(); err != nil {
			t.Fatal(err)
		}
		left := at
		before, err := old.replace(time.UnixMilli(0), func() error {
			if left--; left == 0 {
				return crash
			}
			return nil
		})
		want := uint64(5)
		if at <= 3 {
			want = 2
		}
		if at <= steps && !errors.Is(err, crash) || at > steps && err != nil {
			t.Fatalf("step %d: replace = %q, %v", at, before, err)
		}
		again := mustOpen(t, o, smallHooks(o))
		if last := checkNumbered(t, again); last != want {
			t.Errorf("step %d: the store ends with batch %d, want %d", at, last, want)
		}
		if again.Head().ID != want {
			t.Errorf("step %d: the ledger ends with %d", at, again.Head().ID)
		}
		checkBeside(t, at, o.Path, want == 5)
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
		mustOpen(t, o, smallHooks(o)) // its anchor is its own
	}
}

// checkBeside looks at what lies beside a store.
func checkBeside(t *testing.T, at int, path string, replaced bool) {
	t.Helper()
	beside, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	aside := false
	for _, p := range beside {
		if strings.Contains(p, ".restor") {
			t.Errorf("step %d: %s is left", at, p)
		}
		aside = aside || strings.HasSuffix(p, ".before-restore-19700101T000000.000Z")
	}
	if aside != replaced {
		t.Errorf("step %d: the old store is aside: %v; there are %v", at, aside, beside)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("step %d: %v, %v", at, info.Mode(), err)
	}
}

// A store that cannot be opened is replaced, unless somebody has it open.
func TestReplaceDamaged(t *testing.T) {
	o := testOptions(t.TempDir() + "/store")
	s := mustOpen(t, o, smallHooks(o))
	commitUntil(t, s, 3)
	path, err := NewPath(o.Path)
	if err != nil {
		t.Fatal(err)
	}
	made := mustOpen(t, testOptions(path), smallHooks(testOptions(path)))
	commitUntil(t, made, 6)
	_ = made.Close()
	if _, err := HoldDamaged(o.Path); !errors.Is(err, ErrLocked) {
		t.Errorf("an open store is held: %v", err)
	}
	_ = s.Close()
	if err := os.Truncate(filepath.Join(o.Path, "MANIFEST"), 3); err != nil {
		t.Fatal(err)
	}
	d, err := HoldDamaged(o.Path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Replace(time.UnixMilli(0)); err != nil {
		t.Fatal(err)
	}
	if err := d.Release(); err != nil {
		t.Fatal(err)
	}
	if last := checkNumbered(t, mustOpen(t, o, smallHooks(o))); last != 5 {
		t.Errorf("the store ends with batch %d", last)
	}
}
