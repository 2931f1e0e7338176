package provision

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// OrderDir stands for a drop directory in the ledger, and in the sources of
// tokens, where a manifest came over the admin socket. No drop directory is
// called so, and no policy is about it.
const OrderDir = "admin"

// Patch is a manifest on its way into the store.
type Patch struct {
	ID     store.PatchID
	Source store.Source
	Author string // the owner of the file; empty: nobody knows
	Data   []byte
	// Signature is the detached SSH signature over Data; nil if there is none.
	Signature []byte
	Refusal   string // why it fails whatever is in it; empty for most
	// Kept: its file stays where it is, and is handed in over and over, under an
	// ID of its own each time. What was done with it is marked in the store.
	Kept bool
	// Attended: somebody waits for the answer, and is handed the tokens that are
	// generated for no "write_to".
	Attended bool
	// Recovered: it may have its ledger entry from before a crash.
	Recovered bool
}

// Result is what became of a Patch.
type Result struct {
	// Outcome is zero if the store cannot be written to at the moment:
	// nothing was decided, and the patch is to be handed in again.
	Outcome store.Outcome
	// Undelivered: the ledger has an outcome, and something that was written with
	// it is not in its place yet; the patch is to be handed in again.
	Undelivered bool
	// Another: the ledger has other bytes under this ID. Nothing was decided
	// on these; they have to come back under an ID of their own.
	Another bool
	// Again: a kept file is as it was decided on before, nothing has changed, and
	// the ledger has no entry of this.
	Again    bool
	Reasons  []string
	Problems []Problem      // what Reasons tell, if it was decided now
	Changes  []store.Change // of its tokens, if it was decided now
	// Made are the tokens that were generated now for whoever attends to it.
	Made      []token.Token
	OnSuccess Disposition
	Redacted  []byte // nil if the text holds no secret
	Warnings  []Problem
}

// Applier brings patches into a store. It is the only writer of its process.
type Applier struct {
	Store  store.Store
	Now    func() time.Time
	Random io.Reader
	// Groups lists the groups that a user of the system is a member of, for
	// policies on owners. Nil: nobody is in any.
	Groups func(user string) []string

	settings atomic.Pointer[Settings]
	mu       sync.Mutex

	keeper   keeper // of kept files; under mu
	withheld withheld

	// step stands for a crash, in tests: its error ends everything there.
	step func(name string) error
}

// Configure takes over settings, for what is applied from now on. Without it
// they are zero.
func (a *Applier) Configure(s Settings) { a.settings.Store(&s) }

// Settings are those that were taken over last.
func (a *Applier) Settings() Settings {
	if s := a.settings.Load(); s != nil {
		return *s
	}
	return Settings{}
}

// tooMuch is the problem of a manifest that no transaction can hold.
var tooMuch = Problem{Text: "the manifest changes more than one transaction of the store can hold; split it into several files"}

// conflictRetries bounds how often a plan is made again because another
// writer of the same store was faster.
const conflictRetries = 20

// Apply decides on patches in their order and makes the decisions durable
// before it returns. As many as fit share a transaction, each still all or
// nothing. An error means that it is not known what is stored: the process
// has to end, and the next one finds out (store.ErrUnknown), or that ctx ended
// before anything was written.
func (a *Applier) Apply(ctx context.Context, patches []Patch) ([]Result, error) {
	settings := a.Settings()
	texts := reader{settings: &settings, now: a.Now(), groups: remembered(a.Groups)}.readAll(patches) // side by side with what another directory applies
	results := make([]Result, 0, len(patches))
	for len(results) < len(patches) {
		some, err := a.applySome(ctx, &settings, texts[len(results):])
		if errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrConflict) {
			deferred := make([]Result, len(patches)-len(results))
			deferred[0].Reasons = []string{err.Error()}
			return append(results, deferred...), nil
		}
		if err != nil {
			return results, fmt.Errorf("applying patches: %w", err)
		}
		results = append(results, some...)
	}
	return results, nil
}

// applySome applies as many of the patches as one transaction admits, at
// least one. Between two of them it is another directory's turn, if one waits
// (sync.Mutex lets nobody starve).
func (a *Applier) applySome(ctx context.Context, settings *Settings, patches []text) ([]Result, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keeper.load(a.Store)
	var err error
	var askLedger, tooLarge bool
	for range conflictRetries {
		t := transaction{applier: a, settings: settings, askLedger: askLedger, tooLarge: tooLarge}
		if err = t.plan(ctx, patches); err != nil {
			discard(t.staged)
			return nil, err
		}
		if len(t.entries) == 0 {
			a.keeper.learn(t.learned)
			return t.results, nil
		}
		switch err = t.commit(ctx); {
		case err == nil:
			a.keeper.learn(t.learned)
			return t.results, nil
		case errors.Is(err, store.ErrApplied):
			askLedger = true
		case errors.Is(err, store.ErrUnavailable) && len(t.results) > 1: // there may be room for less
			patches = patches[:(len(t.results)+1)/2]
		case errors.Is(err, store.ErrTooLarge):
			patches, tooLarge = patches[:(len(t.results)+1)/2], len(t.results) == 1
		case !errors.Is(err, store.ErrConflict):
			return t.results, err
		}
	}
	return nil, err
}

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
