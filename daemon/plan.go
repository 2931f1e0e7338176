package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/store/memstore"
	"github.com/tokendrop/tokendrop/store/token"
)

// PlanAnew plans manifests as the Plan of an admin.Service does, for a store that
// nothing is in yet: all that can be said where there is none. It reads none of
// the files that the configuration names. With those of imports, what they are is
// needed only to know a stored token again.
func PlanAnew(ctx context.Context, cfg *config.Config, manifests []admin.Manifest) ([]admin.Plan, error) {
	st, err := memstore.Open(nil, memstore.Faults{})
	if err != nil {
		return nil, fmt.Errorf("planning for an empty store: %w", err)
	}
	settings := cfg.Manifests()
	salts := make(map[string][]byte)
	for id := range cfg.Tokens.Imports {
		salts[id] = []byte(id)
	}
	if settings.Keys, err = token.NewKeyring(nil, salts); err != nil {
		return nil, fmt.Errorf("planning for an empty store: %w", err)
	}
	l := admin.Local{Applier: newApplier(st, settings, time.Now)}
	return l.Plan(ctx, manifests)
}
