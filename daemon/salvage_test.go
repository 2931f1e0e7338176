package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/badgerstore"
)

// Who opens a store that has lost its end is told first what brings it back, and
// what is lost otherwise last.
func TestAdviseDamaged(t *testing.T) {
	for left, back := range map[string]bool{
		"remove PATH.anchor: everything is gone then":                                   false,
		"remove PATH.anchor: what is gone stays so, and the store goes on from entry 1": true,
	} {
		for _, advice := range []string{"tokendrop restore FILE", "tokendrop restore PATH.snapshot"} {
			st, s := onDisk(t)
			early := filepath.Join(t.TempDir(), "early")
			if err := errors.Join(st.Close(), os.CopyFS(early, os.DirFS(s.path))); err != nil {
				t.Fatal(err)
			}
			st = reopened(t, s.path)
			commit(t, st, store.Batch{}, 2)
			if err := errors.Join(st.Close(), os.RemoveAll(s.path)); err != nil {
				t.Fatal(err)
			}
			if back {
				if err := os.CopyFS(s.path, os.DirFS(early)); err != nil {
					t.Fatal(err)
				}
			}
			if strings.HasSuffix(advice, "snapshot") {
				if err := os.WriteFile(SnapshotPath(s.path), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := openStore(t.Context(), config.Store{Path: s.path}, zerolog.Nop())
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("openStore = %v, want ErrDamaged", err)
			}
			text := strings.ReplaceAll(err.Error(), s.path, "PATH")
			if _, rest, ok := strings.Cut(text, advice); !ok || !strings.HasSuffix(rest, left) {
				t.Errorf("the error is %q, and should say %q and then %q", text, advice, left)
			}
		}
	}
}

func reopened(t *testing.T, path string) store.Store {
	t.Helper()
	st, err := badgerstore.Open(t.Context(), badgerstore.Options{Path: path, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	return st
}
