package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tokendrop/tokendrop/store"
)

// transaction collects patches for one commit.
type transaction struct {
	applier   *Applier
	settings  *Settings
	askLedger bool
	tooLarge  bool // a patch is not to be tried, because the store does not take it
	rehearsal bool // nothing is applied: "for" and "serial" are not looked at
	now       time.Time
	draft     *store.Draft
	// firstIssues goes into each Env.
	firstIssues []string
	size        store.Size
	entries     []store.Entry
	staged      []delivery
	results     []Result
	learned     []learned // of kept files
}

func (t *transaction) begin() {
	t.now = t.applier.now()
	t.draft = store.NewDraft(t.applier.Store)
	t.firstIssues = t.settings.firstIssues()
}

// commit makes the transaction durable, and then what it has written. What
// was staged stays only where nobody knows whether it is committed.
func (t *transaction) commit(ctx context.Context) error {
	if err := t.at("staged"); err != nil {
		return err
	}
	err := t.applier.Store.Commit(ctx, t.draft.Batch(t.entries))
	switch {
	case err == nil:
		if err := t.at("committed"); err != nil {
			return err
		}
		t.deliver()
		return t.at("delivered")
	case !errors.Is(err, store.ErrUnknown):
		discard(t.staged)
	}
	return err
}

func (t *transaction) at(step string) error {
	if t.applier.step == nil {
		return nil
	}
	return t.applier.step(step)
}

func (t *transaction) plan(ctx context.Context, patches []text) error {
	t.begin()
	for i := range patches {
		fits, err := t.add(ctx, &patches[i])
		if err != nil || !fits {
			return err
		}
	}
	return nil
}

// add plans one patch into the transaction; false if it has to wait for the
// next one.
func (t *transaction) add(ctx context.Context, p *text) (bool, error) {
	if p.Recovered || t.askLedger {
		entry, ok, err := t.applier.Store.Entry(ctx, p.ID)
		if err != nil {
			return false, fmt.Errorf("reading the ledger: %w", err)
		}
		if ok {
			t.results = append(t.results, t.decided(p, &entry))
			return true, nil
		}
	}
	if t.stages(p) {
		return false, nil
	}
	d, err := t.attempt(p)
	if errors.Is(err, errUndelivered) && !errors.Is(err, errStaged) {
		t.results = append(t.results, Result{Undelivered: true, Reasons: []string{err.Error()}})
		return true, nil
	}
	if err != nil {
		return false, t.unlessAlone(err)
	}
	known := t.remember(p, &d)
	if !known && (t.tooLarge || !t.fits(&d)) {
		discard(d.staged)
		if len(t.entries) > 0 {
			return false, nil
		}
		d = t.fail(p, tooMuch)
		known = t.remember(p, &d)
	}
	t.learned = append(t.learned, d.learned...)
	if known {
		t.results = append(t.results, p.again(&d.entry))
		return true, nil
	}
	t.draft.Merge(d.over)
	t.size = t.size.Add(d.size())
	t.entries = append(t.entries, d.entry)
	t.staged = append(t.staged, d.staged...)
	r := p.result(&d.entry)
	r.Problems, r.Changes, r.Made = d.problems, d.entry.Changes, d.made
	r.Warnings = append(r.Warnings, d.warnings...)
	t.results = append(t.results, r)
	return true, nil
}

// fits tells whether the store takes a decision with what is planned already.
func (t *transaction) fits(d *decision) bool {
	return t.applier.Store.Limits().Allows(t.size.Add(d.size()))
}

// unlessAlone lets what is planned already be committed before the world is
// said to be busy.
func (t *transaction) unlessAlone(err error) error {
	if len(t.results) > 0 {
		return nil
	}
	return err
}

// decided is the result of a patch that the ledger knows, once all that it has
// written is in its place.
func (t *transaction) decided(p *text, entry *store.Entry) Result {
	r := p.decided(entry)
	if r.Outcome != store.Installed {
		return r
	}
	rules := t.rules(p)
	for _, path := range p.outputs(rules) {
		if slices.ContainsFunc(t.staged, func(d delivery) bool { return d.Path == path }) {
			continue // it was put right before the next one was staged
		}
		if err := t.applier.finish(rules, path); err != nil {
			return Result{Undelivered: true, Reasons: []string{err.Error()}}
		}
	}
	return r
}
