package provision

import (
	"cmp"
	"slices"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// view is what a manifest may see of the tokens: one that lies outside of the
// policy is not there.
type view struct {
	store.Reader

	judge *judge
}

// ByKey implements store.Reader.
func (v view) ByKey(key token.Key) (store.Record, bool) { return v.shown(v.Reader.ByKey(key)) }

// ByName implements store.Reader.
func (v view) ByName(name store.Name) (store.Record, bool) { return v.shown(v.Reader.ByName(name)) }

// OfUser implements store.Reader.
func (v view) OfUser(user string) []store.Record {
	return slices.DeleteFunc(v.Reader.OfUser(user), func(rec store.Record) bool { return v.judge.breaks(&rec) != "" })
}

func (v view) shown(rec store.Record, ok bool) (store.Record, bool) {
	if !ok || v.judge.breaks(&rec) != "" {
		return store.Record{}, false
	}
	return rec, true
}

// permit judges a record as an entry would leave it; before is what it was made
// from, nil for a new one.
func (p *planner) permit(e *Entry, before, after *store.Record) error {
	r := p.judge.breaks(after)
	if r == "" && !p.livesWithin(before, after) {
		r = ruleMaxLifetime
	}
	if r == "" {
		return nil
	}
	return refuse(e.placeOf(r), p.judge.says(r))
}

// placeOf is where an entry states what breaks a rule, the zero Pos if it does
// not state it.
func (e *Entry) placeOf(r rule) Pos {
	a := &e.Attributes
	if e.Set.OK {
		a = &e.Set.Value.Attributes
	}
	switch r {
	case ruleUsers:
		return cmp.Or(e.Set.Value.User.Pos, e.User.Pos)
	case ruleTypes:
		return a.Type.Pos
	case ruleScopes:
		return cmp.Or(a.Scopes.Pos, a.ScopeSets.Pos, a.Type.Pos)
	case ruleAudiences:
		return a.Audience.Pos
	case ruleMaxLifetime:
		return cmp.Or(a.Expiry.Pos, a.IssuedAt.Pos)
	}
	return Pos{}
}
