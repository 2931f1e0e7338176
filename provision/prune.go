package provision

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tokendrop/tokendrop/store"
)

// Prune says what becomes of tokens that a drop directory in keep mode has made,
// and that no patch in it states any more.
type Prune string

// The choices, by their names in the configuration.
const (
	PruneOff     Prune = "off"
	PruneDisable Prune = "disable"
	PruneDelete  Prune = "delete"
)

// PruneLimit is how many tokens of a directory a single prune may take by itself:
// a number, or a part of those that the directory has made.
type PruneLimit struct {
	Tokens  int
	Percent int
}

// MinPrune is how many tokens a prune may take whatever the limit says.
const MinPrune = 3

// of is the limit of a directory that has made so many tokens.
func (l PruneLimit) of(tokens int) int {
	return max(MinPrune, l.Tokens, tokens/100*l.Percent+tokens%100*l.Percent/100)
}

// Withholding is why a prune does not take place.
type Withholding string

// The reasons. Only OverLimit is for Applier.Prune to overcome.
const (
	OverLimit Withholding = "more than prune_limit at once; \"tokendrop apply --prune\" lets them go"
	NotWhole  Withholding = "a patch in the directory failed, or waits"
	NothingIn Withholding = "there is no patch in the directory"
)

// Withheld is a prune that does not take place.
type Withheld struct {
	Dir    string // the drop directory's name
	Reason Withholding
	Count  int          // of tokens that no patch states
	Limit  int          // of them may go at once
	Tokens []store.Name // in their order; of very many only the first
}

const (
	maxWithheld = 100    // how many names a Withheld has
	maxPruned   = 10_000 // by one commit, which the store takes as it takes a patch
)

// ErrNoPrune is why Applier.Prune leaves a directory alone.
var ErrNoPrune = errors.New("nothing is pruned")

// Withheld lists the prunes that do not take place, in the order of their
// directories. It waits for nothing.
func (a *Applier) Withheld() []Withheld {
	rules := a.Settings().Rules
	var list []Withheld
	for _, w := range a.withheld.list() {
		if rules[w.Dir].prunes() {
			list = append(list, w)
		}
	}
	return list
}

func (r Rules) prunes() bool { return r.Prune == PruneDelete || r.Prune == PruneDisable }

// prune takes what no patch states any more, or says why it does not.
func (a *Applier) prune(ctx context.Context, name string) (s Sweeping, err error) {
	settings := a.Settings()
	rules, d := settings.Rules[name], a.keeper.dir(name)
	if !rules.prunes() {
		d.judged = nil
		a.withheld.set(name, nil)
		return s, nil
	}
	j := a.judgeDir(name, &rules)
	w := &Withheld{Dir: name, Reason: d.withholds(), Count: len(j.unstated), Limit: rules.PruneLimit.of(j.of)}
	switch {
	case w.Count == 0:
		a.withheld.set(name, nil)
		return s, nil
	case w.Reason != "":
	case w.Count > w.Limit:
		w.Reason = OverLimit
	default:
		a.withheld.set(name, nil)
		d.judged = nil
		s.Pruned, err = a.takeAll(ctx, &settings, name, j.unstated)
		return s, err
	}
	w.Tokens = j.unstated[:min(len(j.unstated), maxWithheld)]
	if a.withheld.set(name, w) {
		s.Withheld = w
	}
	return s, nil
}

// Prune takes all tokens of a drop directory that no patch in it states any more,
// however many they are, and tells how many that were. Its error wraps ErrNoPrune
// where it leaves the directory alone, or is one of store.Store.
func (a *Applier) Prune(ctx context.Context, name string) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keeper.load(a.Store)
	settings := a.Settings()
	rules, d := settings.Rules[name], a.keeper.dir(name)
	if !rules.prunes() {
		return 0, fmt.Errorf("%w: the drop directory has no \"prune\" in the configuration", ErrNoPrune)
	}
	if why := d.withholds(); why != "" {
		return 0, fmt.Errorf("%w: %s", ErrNoPrune, why)
	}
	d.judged = nil
	unstated := a.judgeDir(name, &rules).unstated
	n, err := a.takeAll(ctx, &settings, name, unstated)
	d.judged = nil
	if err != nil {
		return n, fmt.Errorf("pruning: %w", err)
	}
	a.withheld.set(name, nil)
	return n, nil
}

// withholds is why nothing is pruned, however little it is; empty if something is.
func (d *keptDir) withholds() Withholding {
	switch {
	case d.empty:
		return NothingIn
	case !d.isWhole():
		return NotWhole
	}
	return ""
}

// isWhole tells whether the last sweep has found every patch read and applied,
// and no verdict since is another one.
func (d *keptDir) isWhole() bool {
	if !d.whole {
		return false
	}
	for _, f := range d.files {
		if f.seen && f.Outcome == store.Failed {
			return false
		}
	}
	return true
}

// judged is what was found when the tokens of a directory were looked at.
type judged struct {
	unstated []store.Name // and would be pruned; sorted
	of       int          // tokens that the directory has made
	changes  int          // that were learned before
}

// judgeDir finds what no patch of a directory states. As long as nothing is
// learned of it, and it has as many tokens, it does not look at all of them
// again.
func (a *Applier) judgeDir(name string, rules *Rules) *judged {
	d, of := a.keeper.dir(name), a.Store.CountFrom(name)
	if d.judged != nil && d.judged.of == of && d.judged.changes == d.changes {
		return d.judged
	}
	j := &judged{of: of, changes: d.changes}
	held := make(map[store.Name]bool)
	for _, f := range d.files {
		if f.states != nil {
			f.states.hold(a.Store, name, held)
		}
	}
	if len(held) < of { // or every one is held
		a.Store.Walk(func(rec *store.Record, _ store.Rule) {
			if rec.Source.Dir == name && !held[rec.Name] && (rec.Active || rules.Prune == PruneDelete) {
				j.unstated = append(j.unstated, store.Name{User: strings.Clone(rec.User), Name: strings.Clone(rec.Name.Name)})
			}
		})
		slices.SortFunc(j.unstated, store.Name.Compare)
	}
	d.judged = j
	return j
}

// takeAll prunes tokens, in as few commits as can be. What one of them takes is
// not there for the next, so a crash leaves nothing to repair. It tells how many
// it has pruned.
func (a *Applier) takeAll(ctx context.Context, settings *Settings, dir string, names []store.Name) (n int, err error) {
	for chunk := range slices.Chunk(names, maxPruned) {
		for range conflictRetries {
			if err = a.take(ctx, settings, dir, chunk); !errors.Is(err, store.ErrConflict) {
				break
			}
		}
		if err != nil {
			return n, err
		}
		n += len(chunk)
	}
	return n, nil
}

// take prunes tokens in one commit, with an entry for each patch that is their
// source.
func (a *Applier) take(ctx context.Context, settings *Settings, dir string, names []store.Name) error {
	draft := store.NewDraft(a.Store)
	rules := settings.Rules[dir]
	changes := make(map[string][]store.Change)
	p := planner{draft: draft, tokens: draft, env: Env{Now: a.now(), FirstIssues: settings.firstIssues()}}
	for _, name := range names {
		rec, ok := draft.ByName(name)
		if !ok || rec.Source.Dir != dir {
			continue
		}
		p.changes = nil
		if rules.Prune == PruneDelete {
			p.remove(&Entry{Action: Delete}, &rec, store.Deleted)
		} else if err := p.activate(rec, &Entry{Action: Disable}, false); err != nil {
			return err
		}
		changes[rec.Source.Path] = append(changes[rec.Source.Path], p.changes...)
	}
	var entries []store.Entry
	for path, of := range changes {
		e, err := a.ownEntry(of)
		if err != nil {
			return err
		}
		e.Dir, e.Path = dir, path
		entries = append(entries, e)
	}
	if len(entries) == 0 {
		return nil
	}
	slices.SortFunc(entries, func(x, y store.Entry) int { return cmp.Compare(x.Path, y.Path) })
	return a.Store.Commit(ctx, draft.Batch(entries))
}
