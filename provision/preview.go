package provision

import (
	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// Preview is what applying one manifest would do.
type Preview struct {
	Outcome  store.Outcome
	Problems []Problem // why it would fail
	Steps    []Step    // in the order of the entries; none unless installed
}

// Step is what an entry would do to one token, or to what is said about users.
// Its Key is zero where it is not known before the token has been made.
type Step struct {
	store.Change
	Fields []FieldChange // of what is created or updated
}

// Preview tells what applying manifests would do, each on top of those before
// it, and changes nothing. It asks for no owner and no signature, and
// takes "for" and "serial" as right: the file may be looked at anywhere, before
// it is signed.
func (a *Applier) Preview(patches []Patch) []Preview {
	settings := a.Settings()
	p := previewer{made: make(map[token.Key]bool)}
	p.applier, p.settings, p.rehearsal = a, &settings, true
	p.begin()
	texts := reader{settings: &settings, unsigned: true}.readAll(patches)
	previews := make([]Preview, len(texts))
	for i := range texts {
		previews[i] = p.preview(&texts[i])
	}
	return previews
}

// previewer decides as a transaction does. What is installed it plans once
// more, entry by entry, to see what each of them changes.
type previewer struct {
	transaction

	// made are the keys that a plan has made up for what is generated. They
	// are never told: applying makes up others.
	made map[token.Key]bool
	seen map[string]Target // of the present patch
}

func (p *previewer) preview(t *text) Preview {
	p.seen, _ = p.targets(t) // what is busy now says nothing of later
	d := p.decide(t, p.seen)
	if !p.applier.Store.Limits().Allows(d.size()) {
		d = p.fail(t, tooMuch)
	}
	preview := Preview{Outcome: d.entry.Outcome, Problems: d.problems}
	if preview.Outcome == store.Installed {
		_, _ = t.once(p.draft) // it was decided that it has not run
		preview.Steps = p.steps(t)
	}
	return preview
}

func (p *previewer) steps(t *text) []Step {
	var steps []Step
	p.draft.LookAhead(t.manifest.usersOfAll()) // the entries do not know of each other
	for i := range t.manifest.Entries {
		e := &t.manifest.Entries[i]
		steps = append(steps, p.step(t, &Manifest{Entries: t.manifest.Entries[i : i+1]}, func(over *store.Draft, s *Step) {
			p.compareTokens(e, over, s)
		})...)
	}
	for i := range t.manifest.Users {
		steps = append(steps, p.step(t, &Manifest{Users: t.manifest.Users[i : i+1]}, p.compareRules)...)
	}
	return steps
}

// step plans a manifest with a single entry, which is known to succeed. Compare
// describes what it changes from the previewer's draft to the one over it.
func (p *previewer) step(t *text, one *Manifest, compare func(over *store.Draft, s *Step)) []Step {
	over := store.NewDraft(p.draft)
	plan, _ := Plan(one, over, p.env(t, p.seen))
	steps := make([]Step, len(plan.Changes))
	for i, c := range plan.Changes {
		steps[i].Change = c
		compare(over, &steps[i])
	}
	for _, o := range plan.outputs { // of an entry about one token
		steps[0].Fields = append(steps[0].Fields, FieldChange{Field: "write_to", New: o.Path})
	}
	p.draft.Merge(over)
	return steps
}

func (p *previewer) compareTokens(e *Entry, over *store.Draft, s *Step) {
	if s.Result == store.Created || s.Result == store.Updated {
		c := comparison{entry: e, made: p.made, now: p.now}
		if s.Result == store.Updated {
			c.before = p.before(s)
		}
		after, _ := over.ByName(s.Name)
		c.learn(&after)
		s.Fields = c.fields(&after)
	}
	if p.made[s.Key] {
		s.Key = token.Key{}
	}
}

// before is what the step updates. It has another name if the step renames it.
func (p *previewer) before(s *Step) *store.Record {
	rec, ok := p.draft.ByName(s.Name)
	if !ok {
		rec, _ = p.draft.ByKey(s.Key)
	}
	return &rec
}

func (p *previewer) compareRules(over *store.Draft, s *Step) {
	id := store.UserRuleID(s.Name.User)
	s.Fields = changedFields(ruleFields(p.draft.Mark(id)), ruleFields(over.Mark(id)))
}
