package provision

import (
	"bytes"

	"github.com/tokendrop/tokendrop/store"
)

// Tokens are changed by the three functions below, and nowhere else.

// insert puts a new token.
func (p *planner) insert(e *Entry, rec *store.Record) error {
	if err := p.fit(e, nil, rec); err != nil {
		return err
	}
	if most := p.judge.mostTokens(); most > 0 && p.draft.CountFrom(p.env.Source.Dir) >= most {
		return refuse(Pos{}, p.judge.says(ruleMaxTokens))
	}
	if err := p.vacant(rec); err != nil {
		return err
	}
	p.draft.Put(*rec)
	p.note(e, rec, store.Created)
	return nil
}

// write puts a record in the place of the one it was made from, if they
// differ.
func (p *planner) write(e *Entry, before *store.Record, rec store.Record) error {
	if err := p.fit(e, before, &rec); err != nil {
		return err
	}
	if same(before, &rec) {
		p.note(e, &rec, store.Unchanged)
		return nil
	}
	p.keepFirstIssue(before, &rec)
	if rec.Name != before.Name {
		if err := p.renamable(&rec, e.Set.Value.place()); err != nil {
			return err
		}
		p.draft.Delete(before.Name)
	}
	rec.UpdatedAt = p.env.Now
	p.draft.Put(rec)
	p.note(e, &rec, store.Updated)
	return nil
}

// remove takes a token away.
func (p *planner) remove(e *Entry, rec *store.Record, result store.Result) {
	p.keepFirstIssue(rec, nil)
	p.draft.Delete(rec.Name)
	p.note(e, rec, result)
}

// fit tells whether a token may become what an entry makes of it; before is what
// it is made from, nil for a new one.
func (p *planner) fit(e *Entry, before, after *store.Record) error {
	size := store.HeaderSize(after, p.env.ScopeSets)
	if size > store.MaxHeaders && (before == nil || size > store.HeaderSize(before, p.env.ScopeSets)) {
		return refuse(Pos{}, "what is told of the token to the protected service would be longer than 3 KiB; shorten its labels or scopes")
	}
	return p.permit(e, before, after)
}

// renamable tells whether a token can have the name that it is given.
func (p *planner) renamable(rec *store.Record, pos Pos) error {
	if _, taken := p.tokens.ByName(rec.Name); taken {
		return refuse(pos, "the user has another token of the new name; rename or delete that one first")
	}
	if err := p.vacant(rec); err != nil {
		return err
	}
	for _, key := range rec.Keys() {
		if p.revoked(key, rec.User) {
			return refuse(pos, wasRevoked)
		}
	}
	return nil
}

// isTaken is all that is told of a token outside of the policy.
const isTaken = "key is taken"

// vacant tells whether no token has the name, not even one that the manifest
// cannot see.
func (p *planner) vacant(rec *store.Record) error {
	if _, taken := p.draft.ByName(rec.Name); taken {
		return refuse(Pos{}, isTaken)
	}
	return nil
}

// taken refuses a key that another token has.
func (p *planner) taken(pos Pos, owner *store.Record) error {
	if p.judge.breaks(owner) != "" {
		return refuse(Pos{}, isTaken)
	}
	return refuse(pos, isTaken+": another token has it")
}

// same tells whether two versions of a record are stored alike.
func same(a, b *store.Record) bool {
	return a.Name == b.Name && bytes.Equal(store.AppendRecord(nil, a), store.AppendRecord(nil, b))
}

// note remembers what an entry did to a token.
func (p *planner) note(e *Entry, rec *store.Record, result store.Result) {
	p.changes = append(p.changes, store.Change{Action: string(e.Action), Key: rec.Key(), Name: rec.Name, Result: result})
}
