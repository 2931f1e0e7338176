package provision

import (
	"fmt"
	"slices"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// find looks a token up by its name or, where none is stated, by its key. Where
// both are stated as a selector, they have to mean the same token; beside a
// source of credentials the key is the new credential's.
func (p *planner) find(s *Selector, besideSource bool) (store.Record, bool, error) {
	if !s.Named() {
		rec, ok := p.tokens.ByKey(s.Key.Value)
		return rec, ok, nil
	}
	rec, ok := p.tokens.ByName(s.TokenName())
	if !s.Key.OK || besideSource {
		return rec, ok, nil
	}
	holder, held := p.tokens.ByKey(s.Key.Value)
	if ok != held || ok && holder.Name != rec.Name {
		return store.Record{}, false, refuse(s.Key.Pos, "\"key\" and \"user\" with \"name\" do not mean the same token; state one of the two")
	}
	return rec, ok, nil
}

// notThere is the refusal of actions that have nothing to do without a
// token.
const notThere = "there is no such token; \"create\" or \"ensure\" makes one, and \"tokendrop list\" shows what there is"

// need is find for actions that have nothing to do without a token.
func (p *planner) need(s *Selector, besideSource bool) (store.Record, error) {
	rec, ok, err := p.find(s, besideSource)
	if err == nil && !ok {
		err = refuse(Pos{}, notThere)
	}
	return rec, err
}

// presence says whether an action needs the tokens it selects.
type presence bool

const (
	needed   presence = true
	optional presence = false
)

// each calls do for every token that the entry selects.
func (p *planner) each(e *Entry, presence presence, do func(store.Record) error) error {
	found, missing, err := p.selected(e)
	if err != nil {
		return err
	}
	nobody := e.All.OK && len(found) == 0 && !e.Expect.OK
	if presence == needed && (len(missing) > 0 || nobody) {
		return refuse(e.Keys.Pos, notThere)
	}
	for _, m := range missing {
		p.changes = append(p.changes, store.Change{Action: string(e.Action), Key: m, Name: e.TokenName(), Result: store.Unchanged})
	}
	for _, rec := range found {
		if err := do(rec); err != nil {
			return err
		}
	}
	return nil
}

// selected lists the tokens that an entry means, and the keys that none has: a
// zero key stands for one that was selected by its name.
func (p *planner) selected(e *Entry) (found []store.Record, missing []token.Key, err error) {
	switch {
	case e.All.OK:
		found = p.tokens.OfUser(e.User.Value)
	case e.Keys.OK:
		found, missing = p.withKeys(e.Keys.Value)
	default:
		rec, ok, err := p.find(&e.Selector, false)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			return []store.Record{rec}, nil, nil
		}
		return nil, []token.Key{e.Key.Value}, nil
	}
	if e.Expect.OK && len(found) != e.Expect.Value {
		return nil, nil, refuse(e.Expect.Pos, fmt.Sprintf("\"expect\" does not hold: the entry selects %d tokens", len(found)))
	}
	return found, missing, nil
}

// withKeys finds each token once, however many of its keys are listed.
func (p *planner) withKeys(keys []token.Key) (found []store.Record, missing []token.Key) {
	seen := map[store.Name]bool{}
	for _, key := range keys {
		rec, ok := p.tokens.ByKey(key)
		if !ok {
			missing = append(missing, key)
		} else if !seen[rec.Name] {
			seen[rec.Name] = true
			found = append(found, rec)
		}
	}
	return found, missing
}

// revoke deletes tokens and remembers all of their keys, and the keys that
// nobody has. A token that is stated in full may be there under an alias.
func (p *planner) revoke(e *Entry) error {
	found, missing, err := p.selected(e)
	if err != nil {
		return err
	}
	more, others := p.withKeys(e.Aliases)
	if len(more) > 0 {
		others, missing = append(others, missing...), nil
	}
	for _, rec := range found {
		p.takeBack(e, &rec, others)
		more = slices.DeleteFunc(more, func(r store.Record) bool { return r.Name == rec.Name })
	}
	for _, rec := range more {
		p.takeBack(e, &rec, others)
	}
	for _, key := range missing {
		if err := p.forbid(e, key, others); err != nil {
			return err
		}
	}
	return nil
}

// takeBack deletes a token and remembers its keys, and aliases that no token has.
func (p *planner) takeBack(e *Entry, rec *store.Record, others []token.Key) {
	for _, key := range rec.Keys() {
		p.draft.SetMark(store.RevokedID(key, ""), "")
	}
	user := ""
	if p.judge.restrictsUsers() { // they may be those of another's token
		user = rec.User
	}
	for _, key := range others {
		p.draft.SetMark(store.RevokedID(key, user), "")
	}
	p.remove(e, rec, store.KeysRevoked)
}

// forbid revokes a key that no token has, and its aliases. Where the policy has a
// rule on users, that is for the user alone who is stated: the key may be that of
// another's token, which is not seen, or which is yet to come.
func (p *planner) forbid(e *Entry, key token.Key, others []token.Key) error {
	user := ""
	if p.judge.restrictsUsers() {
		if user = e.User.Value; !e.User.OK || !p.judge.permitsUser(user) {
			return refuse(e.User.Pos, p.judge.says(ruleUsers)+"; to revoke a key that no token has, state one of them beside it")
		}
	}
	change := store.Change{Action: string(e.Action), Key: key, Name: e.TokenName(), Result: store.Unchanged}
	for _, k := range append([]token.Key{key}, others...) {
		if hidden, ok := p.draft.ByKey(k); ok && (user == "" || user == hidden.User) {
			return refuse(Pos{}, isTaken) // or the owner could not rotate it any more
		}
		if !k.IsZero() && !p.revoked(k, user) {
			p.draft.SetMark(store.RevokedID(k, user), "")
			change.Result = store.KeysRevoked
		}
	}
	p.changes = append(p.changes, change)
	return nil
}
