package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/memstore"
	"github.com/tokendrop/tokendrop/store/swapstore"
)

// Invariant 4, and 3: what was used shortly before the end is stored, or the
// log says that it is not; when nobody knows, Run says so.
func TestUsesAtTheEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		fault error
		want  error
		count uint64
	}{
		"stored":      {nil, nil, 2},
		"unavailable": {store.ErrUnavailable, nil, 0},
		"unknown":     {store.ErrUnknown, store.ErrUnknown, 0},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := place(t)
			text, _ := manifest(t, 1)
			if err := os.WriteFile(filepath.Join(cfg.Drops[0].Path, "1.yaml"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			disk := new(memstore.Disk)
			st, err := memstore.Open(disk, memstore.Faults{Uses: func() error { return tt.fault }})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			d := newDaemon(swapstore.New(st), Options{Log: zerolog.Nop()})
			d.OnReady = func() {
				for r := range st.Tokens() {
					d.uses.Count(store.Used{Token: r.ID, Name: r.Name, CredentialUse: store.CredentialUse{
						Number: r.Credentials[0].Number, Use: store.Use{At: time.Now(), Count: 2},
					}})
				}
				cancel()
			}
			if err := d.run(ctx, cfg); !errors.Is(err, tt.want) {
				t.Errorf("run = %v, want %v", err, tt.want)
			}
			again, err := memstore.Open(disk, memstore.Faults{})
			if err != nil {
				t.Fatal(err)
			}
			all, err := again.Uses(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for r := range again.Tokens() {
				uses := all[r.ID]
				if got := uses.Of(1).Count; got != tt.count {
					t.Errorf("stored are %d uses, want %d", got, tt.count)
				}
			}
		})
	}
}
