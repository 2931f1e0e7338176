package daemon

import (
	"context"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/daemon/metrics"
	"github.com/tokendrop/tokendrop/patches"
	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store"
)

// worker joins patches to provision, which do not know of each other.
type worker struct {
	applier *provision.Applier
	metrics *metrics.Metrics
	log     zerolog.Logger
}

// Ready implements patches.Handler.
func (w worker) Ready() error { return w.applier.Store.Writable() }

// Handle implements patches.Handler.
func (w worker) Handle(ctx context.Context, group []patches.Patch) ([]patches.Verdict, error) {
	in := make([]provision.Patch, len(group))
	for i, p := range group {
		in[i] = provision.Patch{
			ID:        store.PatchID(p.ID),
			Source:    store.Source{Dir: p.Dir, Path: p.Path},
			Author:    p.Owner,
			Data:      p.Data,
			Signature: p.Companion,
			Refusal:   p.Refusal,
			Recovered: p.Recovered,
			Kept:      p.Kept,
		}
	}
	results, err := w.applier.Apply(ctx, in)
	if err != nil {
		return nil, err
	}
	out := make([]patches.Verdict, len(results))
	for i, r := range results {
		w.tell(&group[i], &r)
		out[i] = patches.Verdict{
			Outcome:    outcomeOf(&r),
			Reasons:    r.Reasons,
			AfterApply: patches.AfterApply(r.OnSuccess),
			Redacted:   r.Redacted,
		}
	}
	return out, nil
}

// Swept implements patches.Handler.
func (w worker) Swept(ctx context.Context, s patches.Sweep) error {
	done, err := w.applier.Swept(ctx, s.Dir, s.Present, s.Whole)
	if done.Pruned > 0 {
		w.log.Warn().Str("drop", s.Dir).Int("tokens", done.Pruned).Msg("tokens pruned that no patch states any more")
	}
	if held := done.Withheld; held != nil {
		w.log.Error().Str("drop", s.Dir).Int("tokens", held.Count).Int("limit", held.Limit).Str("why", string(held.Reason)).Msg("tokens not pruned")
	}
	return err
}

// tell logs and counts what became of a patch. Reasons name places, and no values.
func (w worker) tell(p *patches.Patch, r *provision.Result) {
	level := zerolog.InfoLevel
	if r.Outcome == store.Failed {
		level = zerolog.WarnLevel
	}
	if r.Outcome != 0 && !r.Again {
		w.metrics.Patch(p.Dir, r.Outcome.String())
		w.log.WithLevel(level).Str("drop", p.Dir).Str("path", p.Path).Stringer("outcome", r.Outcome).
			Strs("reasons", r.Reasons).Msg("patch decided")
	}
	for _, warning := range r.Warnings {
		w.log.Warn().Str("drop", p.Dir).Str("path", p.Path).Int("line", warning.Pos.Line).
			Int("column", warning.Pos.Col).Str("warning", warning.Text).Msg("patch has a warning")
	}
}

func outcomeOf(r *provision.Result) patches.Outcome {
	switch r.Outcome {
	case store.Installed:
		return patches.Installed
	case store.Failed:
		return patches.Failed
	case store.Skipped:
		return patches.Skipped
	}
	switch {
	case r.Another:
		return patches.Another
	case r.Undelivered:
		return patches.Unfinished
	}
	return patches.Deferred
}
