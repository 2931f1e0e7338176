package provision

import (
	"bytes"

	"github.com/tokendrop/tokendrop/store"
)

// Tokens are changed by the three functions below, and nowhere else.

// insert puts a new token.
func (p *planner) insert(e *Entry, rec *store.Record) {
	p.draft.Put(*rec)
	p.note(e, rec, store.Created)
}

// write puts a record in the place of the one it was made from, if they
// differ.
func (p *planner) write(e *Entry, before *store.Record, rec store.Record) error {
	if same(before, &rec) {
		p.note(e, &rec, store.Unchanged)
		return nil
	}
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
	p.draft.Delete(rec.Name)
	p.note(e, rec, result)
}

// renamable tells whether a token can have the name that it is given.
func (p *planner) renamable(rec *store.Record, pos Pos) error {
	if _, taken := p.tokens.ByName(rec.Name); taken {
		return refuse(pos, "the user has another token of the new name; rename or delete that one first")
	}
	for _, c := range rec.Credentials {
		if p.revoked(c.Key, rec.User) {
			return refuse(pos, wasRevoked)
		}
	}
	return nil
}

// same tells whether two versions of a record are stored alike.
func same(a, b *store.Record) bool {
	return a.Name == b.Name && bytes.Equal(store.AppendRecord(nil, a), store.AppendRecord(nil, b))
}

// note remembers what an entry did to a token.
func (p *planner) note(e *Entry, rec *store.Record, result store.Result) {
	p.changes = append(p.changes, store.Change{Action: string(e.Action), Key: rec.Key(), Name: rec.Name, Result: result})
}
