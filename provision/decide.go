package provision

import (
	"errors"
	"slices"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// decision is the outcome of one patch, and its changes over the draft.
type decision struct {
	entry    store.Entry
	problems []Problem // none unless it failed
	over     *store.Draft
	warnings []Problem
	outputs  []output
	made     []token.Token // of what is attended to, those that go to no file
	staged   []delivery    // of the outputs
	learned  []learned     // of a kept file, once it is committed
}

func (d *decision) size() store.Size { return d.over.Size().Add(store.EntrySize(&d.entry)) }

// attempt decides on a patch, and stages what it writes. An error means that
// the world is busy.
func (t *transaction) attempt(p *text) (decision, error) {
	targets, err := t.targets(p)
	if err != nil {
		return decision{}, err
	}
	d := t.decide(p, targets)
	d.staged, err = t.stage(p, d.outputs)
	if r, ok := errors.AsType[*refusal](err); ok {
		return t.fail(p, Problem{r.pos, r.text}), nil
	}
	return d, err
}

func (t *transaction) decide(p *text, targets map[string]Target) decision {
	if len(p.problems) > 0 {
		return t.fail(p, p.problems...)
	}
	before := t.kept(p)
	if before != nil && before.Applied == p.sum {
		return t.decideAgain(p, before, targets)
	}
	d := decision{entry: t.entry(p, store.Installed), over: store.NewDraft(t.draft)}
	if p.manifest.empty() {
		d.entry.Outcome = store.Skipped
		return d
	}
	var problems []Problem
	if !t.rehearsal {
		if problems = p.inPlace(d.over, t.rules(p).Policy, false); len(problems) > 0 {
			return t.fail(p, problems...)
		}
	}
	used, problems := p.once(d.over)
	if len(problems) > 0 {
		return t.fail(p, problems...)
	}
	if used {
		d.entry.Outcome = store.Skipped
		return d
	}
	m := p.manifest
	if p.Kept && t.applier.keeper.knows(p.Source.Dir, p.sum) {
		m = m.withoutRegenerate()
	}
	if problems = t.carry(p, m, &d, targets); len(problems) > 0 {
		return t.fail(p, problems...)
	}
	p.useSerial(d.over)
	return d
}

// carry plans what a manifest says into a decision.
func (t *transaction) carry(p *text, m *Manifest, d *decision, targets map[string]Target) []Problem {
	if unread := m.ofEntries(p.unread); len(unread) > 0 {
		return unread
	}
	plan, problems := Plan(m, d.over, t.env(p, targets))
	if len(problems) > 0 {
		return problems
	}
	d.entry.Changes, d.warnings, d.outputs = plan.Changes, plan.Warnings, plan.outputs
	if p.Attended {
		d.made = plan.unwritten
	}
	d.entry.Changed = slices.ContainsFunc(d.entry.Changes, func(c store.Change) bool { return c.Result != store.Unchanged })
	return nil
}

// fail leaves nothing of a patch but its entry.
func (t *transaction) fail(p *text, problems ...Problem) decision {
	d := decision{entry: t.entry(p, store.Failed), problems: problems, over: store.NewDraft(t.draft)}
	for _, problem := range problems {
		d.entry.Reasons = append(d.entry.Reasons, problem.In(p.Source.Path))
	}
	return d
}

// rules are what the patch may do where it lies.
func (t *transaction) rules(p *text) *Rules {
	rules := t.settings.Rules[p.Source.Dir]
	return &rules
}

func (t *transaction) env(p *text, targets map[string]Target) Env {
	return Env{
		Now: t.now, Random: t.applier.Random, Source: p.Source, Formats: t.settings.Formats,
		Keys: t.settings.Keys, Seal: t.settings.Seal, Targets: targets,
		ScopeSets: t.settings.ScopeSets, Rules: *t.rules(p), FirstIssues: t.firstIssues,
	}
}

func (t *transaction) entry(p *text, outcome store.Outcome) store.Entry {
	return store.Entry{
		Patch: p.ID, Time: t.now, Dir: p.Source.Dir, Path: p.Source.Path,
		Outcome: outcome, SHA256: p.sum, Author: p.author(),
	}
}
