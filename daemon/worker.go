package daemon

import (
	"context"

	"github.com/tokendrop/tokendrop/patches"
	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store"
)

// worker joins patches to provision, which do not know of each other.
type worker struct{ applier *provision.Applier }

// Handle implements patches.Handler.
func (w worker) Handle(ctx context.Context, group []patches.Patch) ([]patches.Verdict, error) {
	in := make([]provision.Patch, len(group))
	for i, p := range group {
		in[i] = provision.Patch{
			ID:        store.PatchID(p.ID),
			Source:    store.Source{Dir: p.Dir, Path: p.Path},
			Author:    p.Owner,
			Data:      p.Data,
			Refusal:   p.Refusal,
			Recovered: p.Recovered,
		}
	}
	results, err := w.applier.Apply(ctx, in)
	if err != nil {
		return nil, err
	}
	out := make([]patches.Verdict, len(results))
	for i, r := range results {
		out[i] = patches.Verdict{
			Outcome:    outcomes[r.Outcome],
			Reasons:    r.Reasons,
			AfterApply: patches.AfterApply(r.OnSuccess),
			Redacted:   r.Redacted,
		}
	}
	return out, nil
}

// outcomes has Deferred for the zero outcome.
var outcomes = [...]patches.Outcome{
	store.Installed: patches.Installed,
	store.Failed:    patches.Failed,
	store.Skipped:   patches.Skipped,
}
