package provision

import (
	"errors"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/seal"
	"github.com/tokendrop/tokendrop/store/token"
)

// Env is all that a plan depends on beside the manifest and the records.
type Env struct {
	Now       time.Time // UTC, whole milliseconds
	Random    io.Reader
	Source    store.Source
	Formats   token.Formats // of what is generated
	Keys      token.Keyring // for what is kept of tokens
	Seal      seal.Keys     // for the texts of what is generated
	ScopeSets map[string][]string
	Rules     Rules // of the drop directory
	// Targets are what is in the places of outputs, by path.
	Targets map[string]Target
	// FirstIssues are patterns of the users of whose tokens the first issue is
	// remembered when the token itself no longer tells it.
	FirstIssues []string
}

// Planned is what a plan comes to, beside its draft.
type Planned struct {
	Changes  []store.Change // to each token and each user
	Warnings []Problem
	outputs  []output // in the order of their paths, one for each
	// unwritten are the tokens that were generated for no output.
	unwritten []token.Token
}

// Plan works out what a manifest changes and writes it into draft, entry by
// entry, so that a later entry sees an earlier one. With any problem the draft must
// be thrown away: the unit is the patch. There are at most as many problems as
// Decode has.
func Plan(m *Manifest, draft *store.Draft, env Env) (Planned, []Problem) {
	p := planner{draft: draft, env: env, judge: judge{env.Rules.Policy, env.ScopeSets}}
	p.tokens = view{draft, &p.judge}
	if users := m.usersOfAll(); len(users) > 1 {
		draft.LookAhead(users)
	}
	for i := range m.Entries {
		e := &m.Entries[i]
		before := len(p.generated)
		p.made = nil
		err := p.entry(e)
		if err == nil {
			err = p.deliver(e)
		}
		if err != nil {
			p.report.also(placeOf(e, err), err.Error())
		}
		if e.WriteTo.OK {
			p.generated = p.generated[:before]
		}
	}
	for i := range m.Users {
		if err := p.user(&m.Users[i]); err != nil {
			p.report.also(m.Users[i].Pos, err.Error())
		}
	}
	return p.planned(), p.report.sorted()
}

type planner struct {
	draft   *store.Draft
	tokens  store.Reader // of the draft, what the manifest may see
	judge   judge
	env     Env
	changes []store.Change
	report  report

	made      *token.Token      // by the present entry, the last one
	generated []token.Token     // by the present entry, and by earlier ones for no output
	outputs   map[string]output // by path
	warnings  report
}

func (p *planner) planned() Planned {
	plan := Planned{Changes: p.changes, Warnings: p.warnings.sorted(), unwritten: p.generated}
	for _, path := range slices.Sorted(maps.Keys(p.outputs)) {
		plan.outputs = append(plan.outputs, p.outputs[path])
	}
	return plan
}

// refusal is why an entry cannot be applied to the records as they are.
type refusal struct {
	pos  Pos // zero: the entry's own
	text string
}

func (r *refusal) Error() string { return r.text }

func refuse(pos Pos, text string) error { return &refusal{pos, text} }

func placeOf(e *Entry, err error) Pos {
	if r, ok := errors.AsType[*refusal](err); ok && r.pos.Line != 0 {
		return r.pos
	}
	return e.Pos
}

func (p *planner) entry(e *Entry) error {
	if !p.judge.permitsAction(string(e.Action)) {
		return refuse(Pos{}, p.judge.says(ruleActions))
	}
	switch e.Action {
	case Create:
		return p.create(e)
	case Ensure:
		return p.ensure(e)
	case Copy:
		return p.copy(e)
	case Regenerate:
		return p.regenerate(e)
	case Update:
		return p.each(e, needed, func(rec store.Record) error { return p.update(rec, e) })
	case Enable:
		return p.each(e, needed, func(rec store.Record) error { return p.activate(rec, e, true) })
	case Disable:
		return p.each(e, needed, func(rec store.Record) error { return p.activate(rec, e, false) })
	case Delete:
		return p.each(e, optional, func(rec store.Record) error { return p.delete(rec, e) })
	case Revoke:
		return p.revoke(e)
	}
	return errors.New("there is no plan for this action")
}

func (p *planner) create(e *Entry) error {
	rec, ok := p.tokens.ByName(e.TokenName())
	switch {
	case !ok:
		return p.add(p.blank(e), e)
	case generates(e) || p.holdsAll(&rec, e.Sources):
		p.note(e, &rec, store.Unchanged)
		return nil
	}
	return refuse(e.Sources[0].Pos,
		"the user has a token of this name with another secret; to replace the secret use \"ensure\" or \"regenerate\"")
}

// blank is a new token of which nothing but its name is known.
func (p *planner) blank(e *Entry) store.Record {
	return store.Record{Name: e.TokenName(), Type: store.FullAccess, Audience: store.DefaultAudience, Active: true}
}

// add puts a new token with the entry's credentials and attributes.
func (p *planner) add(rec store.Record, e *Entry) error {
	rec.CreatedAt, rec.UpdatedAt, rec.Source = p.env.Now, p.env.Now, p.env.Source
	if err := p.issue(&rec, e, e.Sources); err != nil {
		return err
	}
	if err := e.apply(&rec, rec.IssuedAt); err != nil {
		return err
	}
	return p.insert(e, &rec)
}

func (p *planner) ensure(e *Entry) error {
	rec, ok, err := p.find(&e.Selector, e.statesKeyOfSource())
	switch {
	case err != nil:
		return err
	case ok:
		return p.correct(rec, e)
	case !e.Named():
		return refuse(e.Key.Pos, "no token has this key; for \"ensure\" to create it, state \"user\" and \"name\" too")
	case len(e.Sources) == 0:
		return refuse(Pos{}, "the token is not there, and nothing says what it is; for \"ensure\" to create it, state \"digest\" and \"key\", or \"token\", or \"generate: true\"")
	}
	return p.add(p.blank(e), e)
}

// correct makes what an ensure states true of a token that is there, and
// leaves alone what it does not state.
func (p *planner) correct(rec store.Record, e *Entry) error {
	before := rec
	if !p.satisfies(&rec, e.Sources) {
		if err := p.issue(&rec, e, p.reuse(&rec, e.Sources)); err != nil {
			return err
		}
	}
	if e.IssuedAt.OK {
		setIssued(&rec, e.IssuedAt.Value)
	}
	if err := e.apply(&rec, rec.IssuedAt); err != nil {
		return err
	}
	p.boundGrace(&rec)
	return p.write(e, &before, rec)
}

func (p *planner) copy(e *Entry) error {
	if rec, ok := p.tokens.ByName(e.TokenName()); ok {
		p.note(e, &rec, store.Unchanged)
		return nil
	}
	from, ok, err := p.find(&e.From.Value, false)
	if err != nil {
		return err
	}
	if !ok {
		return refuse(e.From.Pos, "there is no token to copy from; \"tokendrop list\" shows what there is")
	}
	rec := p.blank(e)
	rec.Description, rec.Type, rec.Scopes, rec.ScopeSets = from.Description, from.Type, from.Scopes, from.ScopeSets
	rec.AllowedIPs, rec.Audience, rec.Labels = from.AllowedIPs, from.Audience, from.Labels
	rec.Active, rec.ExpiresAt = from.Active, from.ExpiresAt
	return p.add(rec, e)
}

func (p *planner) update(rec store.Record, e *Entry) error {
	before, set := rec, &e.Set.Value
	put(&rec.User, set.User)
	put(&rec.Name.Name, set.Name)
	from := p.env.Now
	if set.IssuedAt.OK {
		setIssued(&rec, set.IssuedAt.Value)
		from = rec.IssuedAt
	}
	if err := set.apply(&rec, from); err != nil {
		return err
	}
	p.boundGrace(&rec)
	return p.write(e, &before, rec)
}

func (s *Set) place() Pos {
	if s.Name.OK {
		return s.Name.Pos
	}
	return s.User.Pos
}

func (p *planner) delete(rec store.Record, e *Entry) error {
	p.remove(e, &rec, store.Deleted)
	return nil
}

func (p *planner) activate(rec store.Record, e *Entry, active bool) error {
	before := rec
	rec.Active = active
	return p.write(e, &before, rec)
}

func (p *planner) regenerate(e *Entry) error {
	rec, err := p.need(&e.Selector, e.statesKeyOfSource())
	if err != nil {
		return err
	}
	before := rec
	if !p.isDue(&rec, e) {
		p.note(e, &rec, store.Unchanged)
		return nil
	}
	sources := e.Sources
	if len(sources) == 0 {
		sources = []Source{{Generate: true}}
	}
	if sources[0].Generate || !p.satisfies(&rec, sources) {
		if err := p.issue(&rec, e, sources); err != nil {
			return err
		}
		if e.Generation.OK {
			rec.Generation = e.Generation.Value
		}
	} else if e.IssuedAt.OK {
		setIssued(&rec, e.IssuedAt.Value)
	}
	if err := e.apply(&rec, rec.IssuedAt); err != nil {
		return err
	}
	p.boundGrace(&rec)
	return p.write(e, &before, rec)
}

// isDue tells whether a regeneration has anything to do.
func (p *planner) isDue(rec *store.Record, e *Entry) bool {
	if e.Generation.OK && rec.Generation >= e.Generation.Value {
		return false
	}
	return !e.OlderThan.OK || p.env.Now.Sub(rec.IssuedAt) > e.OlderThan.Value
}

// user says whether users may use tokens.
func (p *planner) user(u *UserEntry) error {
	switch {
	case !p.judge.permitsAction(Block):
		return refuse(Pos{}, p.judge.says(ruleActions))
	case !p.judge.permitsUsers(u.User):
		return refuse(Pos{}, p.judge.says(ruleUsers))
	}
	id, rule := store.UserRuleID(u.User), store.Rule{Blocked: u.Blocked, Reason: u.Reason}
	change := store.Change{Action: "unblock", Name: store.Name{User: u.User}, Result: store.Unchanged}
	if u.Blocked {
		change.Action = "block"
	}
	if m, ok := p.draft.Mark(id); !ok || m.Value != rule.Value() {
		p.draft.SetMark(id, rule.Value())
		change.Result = store.Updated
	}
	p.changes = append(p.changes, change)
	return nil
}
