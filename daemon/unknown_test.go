package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/memstore"
	"github.com/tokendrop/tokendrop/store/swapstore"
)

// Invariant 4: no test leaves a goroutine.
func TestMain(m *testing.M) {
	if err := Supported(); err != nil {
		fmt.Println(err) // nothing here can be tested then
		return
	}
	goleak.VerifyTestMain(m)
}

// dropped are patches with what becomes of each. To apply one twice would show.
var dropped = []struct{ name, text, outcome string }{
	{"1.yaml", "tokens: [{action: create, user: u, name: n, generate: true}]", ".installed"},
	{"2.yaml", "tokens: [{action: regenerate, user: u, name: n}]", ".installed"},
	{"3.yaml", "tokens: [{action: bake}]", ".failed"},
	{"4.yaml", "# nothing to do", ".skipped"},
}

// Invariant 3: when a commit fails in a way that leaves its result open, the
// daemon ends and has renamed nothing; the next one finishes each patch once.
func TestUnknownResult(t *testing.T) {
	broken := errors.New("the disk says no")
	for name, faults := range map[string]memstore.Faults{
		"failed and not stored": {Before: func(*store.Batch) error { return store.ErrUnknown }},
		"failed yet stored":     {After: func(*store.Batch) error { return broken }},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := place(t)
			drop := cfg.Drops[0].Path
			for _, p := range dropped {
				if err := os.WriteFile(filepath.Join(drop, p.name), []byte(p.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			disk := new(memstore.Disk)
			ready, err := runOn(t, cfg, disk, faults)
			if !errors.Is(err, store.ErrUnknown) || ready {
				t.Errorf("run = %v, and it was ready: %v; want ErrUnknown before that", err, ready)
			}
			goleak.VerifyNone(t)
			names := files(t, drop)
			if len(names) != len(dropped) {
				t.Fatalf("left are %q, want the claims", names)
			}
			for i, p := range dropped {
				if base := filepath.Base(names[i]); filepath.Dir(names[i]) != ".tokendrop" || !strings.HasSuffix(base, "."+p.name) {
					t.Errorf("%s is %s, want a claim", p.name, names[i])
				}
			}

			if ready, err := runOn(t, cfg, disk, memstore.Faults{}); err != nil || !ready {
				t.Errorf("run = %v, and it was ready: %v", err, ready)
			}
			checkFinished(t, drop, disk)
		})
	}
}

// runOn runs a daemon until it is ready, or fails.
func runOn(t *testing.T, cfg *config.Config, disk *memstore.Disk, faults memstore.Faults) (ready bool, err error) {
	t.Helper()
	st, err := memstore.Open(disk, faults)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := Options{Log: zerolog.Nop(), OnReady: func() {
		ready = true
		cancel()
	}}
	return ready, newDaemon(swapstore.New(st), o).run(ctx, cfg)
}

// files lists what lies in a drop directory, beside the lock.
func files(t *testing.T, drop string) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(drop), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && e.Name() != ".lock" {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func checkFinished(t *testing.T, drop string, disk *memstore.Disk) {
	t.Helper()
	var want []string
	for _, p := range dropped {
		want = append(want, p.name+p.outcome)
		if p.outcome == ".failed" {
			want = append(want, p.name+p.outcome+".reason")
		}
	}
	if names := files(t, drop); !slices.Equal(names, want) {
		t.Errorf("left are %q, want %q", names, want)
	}
	st, err := memstore.Open(disk, memstore.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	var entries []string
	for e, err := range st.Ledger(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e.Path+"."+e.Outcome.String())
	}
	if outcomes := slices.DeleteFunc(want, func(name string) bool { return strings.HasSuffix(name, ".reason") }); !slices.Equal(entries, outcomes) {
		t.Errorf("the ledger has %q, want %q", entries, outcomes)
	}
	if r, _ := st.ByName(store.Name{User: "u", Name: "n"}); r.Generation != 2 {
		t.Errorf("the token is at generation %d, want 2", r.Generation)
	}
}
