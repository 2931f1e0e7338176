package provision

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// Env is all that a plan depends on beside the manifest and the records.
type Env struct {
	Now    time.Time // UTC, whole milliseconds
	Random io.Reader
	Source store.Source
}

// Plan works out what a manifest changes and writes it into draft, entry by
// entry, so that a later entry sees an earlier one. It returns what each entry
// did. With any problem the draft must be thrown away: the unit is the patch.
// There are at most as many problems as Decode has.
func Plan(m *Manifest, draft *store.Draft, env Env) ([]store.Change, []Problem) {
	p := planner{draft: draft, env: env}
	changes := make([]store.Change, 0, len(m.Entries))
	for i := range m.Entries {
		e := &m.Entries[i]
		change, err := p.entry(e)
		if err != nil {
			p.report.also(placeOf(e, err), err.Error())
			continue
		}
		change.Action = string(e.Action)
		changes = append(changes, change)
	}
	return changes, p.report.sorted()
}

type planner struct {
	draft  *store.Draft
	env    Env
	report report
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

func (p *planner) entry(e *Entry) (store.Change, error) {
	switch e.Action {
	case Create:
		return p.create(e)
	case Ensure:
		return p.ensure(e)
	case Update:
		return p.update(e)
	case Delete:
		return p.delete(e)
	case Enable:
		return p.activate(e, true)
	case Disable:
		return p.activate(e, false)
	case Regenerate:
		return p.regenerate(e)
	}
	return store.Change{}, fmt.Errorf("there is no plan for this action")
}

func (p *planner) create(e *Entry) (store.Change, error) {
	rec, ok := p.draft.ByName(e.TokenName())
	switch {
	case !ok:
		return p.add(e)
	case e.Generate.OK || holds(&rec, &e.Credential.Value):
		return changeOf(&rec, store.Unchanged), nil
	}
	return store.Change{}, refuse(e.Credential.Pos,
		"the user has a token of this name with another secret; to replace the secret use \"ensure\" or \"regenerate\"")
}

// add makes the record that an entry describes.
func (p *planner) add(e *Entry) (store.Change, error) {
	rec := store.Record{
		Name:      e.TokenName(),
		Type:      store.FullAccess,
		Audience:  store.DefaultAudience,
		Active:    true,
		CreatedAt: p.env.Now,
		Source:    p.env.Source,
	}
	cred, err := p.credential(e, e.Key.Value)
	if err != nil {
		return store.Change{}, err
	}
	if err := p.issue(&rec, cred, e); err != nil {
		return store.Change{}, err
	}
	if err := e.apply(&rec, rec.IssuedAt); err != nil {
		return store.Change{}, err
	}
	rec.UpdatedAt = p.env.Now
	p.draft.Put(rec)
	return changeOf(&rec, store.Created), nil
}

func (p *planner) ensure(e *Entry) (store.Change, error) {
	rec, ok, err := p.find(e)
	if err != nil {
		return store.Change{}, err
	}
	switch {
	case ok:
		return p.correct(rec, e)
	case !e.Named():
		return store.Change{}, refuse(e.Key.Pos, "no token has this key; for \"ensure\" to create it, state \"user\" and \"name\" too")
	case !e.Generate.OK && !e.Credential.OK:
		return store.Change{}, refuse(Pos{}, "the token is not there, and nothing says what it is; for \"ensure\" to create it, state \"digest\" and \"key\", or \"token\", or \"generate: true\"")
	}
	return p.add(e)
}

// correct makes what an ensure states true of a token that is there, and
// leaves alone what it does not state.
func (p *planner) correct(rec store.Record, e *Entry) (store.Change, error) {
	before := rec
	if e.Credential.OK && !holdsOnly(&rec, &e.Credential.Value) {
		if err := p.issue(&rec, e.Credential.Value, e); err != nil {
			return store.Change{}, err
		}
	}
	if e.IssuedAt.OK {
		setIssued(&rec, e.IssuedAt.Value)
	}
	if err := e.apply(&rec, rec.IssuedAt); err != nil {
		return store.Change{}, err
	}
	return p.write(&before, rec), nil
}

func (p *planner) update(e *Entry) (store.Change, error) {
	rec, err := p.need(e)
	if err != nil {
		return store.Change{}, err
	}
	before, set := rec, &e.Set.Value
	if set.User.OK {
		rec.User = set.User.Value
	}
	if set.Name.OK {
		rec.Name.Name = set.Name.Value
	}
	if rec.Name != before.Name {
		if _, taken := p.draft.ByName(rec.Name); taken {
			return store.Change{}, refuse(e.Set.Pos, "the user has another token of the new name; rename or delete that one first")
		}
	}
	from := p.env.Now
	if set.IssuedAt.OK {
		setIssued(&rec, set.IssuedAt.Value)
		from = rec.IssuedAt
	}
	if err := set.apply(&rec, from); err != nil {
		return store.Change{}, err
	}
	return p.write(&before, rec), nil
}

func (p *planner) delete(e *Entry) (store.Change, error) {
	rec, ok, err := p.find(e)
	if err != nil {
		return store.Change{}, err
	}
	if !ok {
		return store.Change{Key: e.Key.Value, Name: e.TokenName(), Result: store.Unchanged}, nil
	}
	p.draft.Delete(rec.Name)
	return changeOf(&rec, store.Deleted), nil
}

func (p *planner) activate(e *Entry, active bool) (store.Change, error) {
	rec, err := p.need(e)
	if err != nil {
		return store.Change{}, err
	}
	before := rec
	rec.Active = active
	return p.write(&before, rec), nil
}

func (p *planner) regenerate(e *Entry) (store.Change, error) {
	rec, err := p.need(e)
	if err != nil {
		return store.Change{}, err
	}
	before := rec
	cred, err := p.credential(e, rec.Key())
	if err != nil {
		return store.Change{}, err
	}
	if !holdsOnly(&rec, &cred) {
		if err := p.issue(&rec, cred, e); err != nil {
			return store.Change{}, err
		}
	} else if e.IssuedAt.OK {
		setIssued(&rec, e.IssuedAt.Value)
	}
	if err := e.apply(&rec, rec.IssuedAt); err != nil {
		return store.Change{}, err
	}
	return p.write(&before, rec), nil
}

// write puts a record in the place of the one it was made from, if they
// differ.
func (p *planner) write(before *store.Record, rec store.Record) store.Change {
	if same(before, &rec) {
		return changeOf(&rec, store.Unchanged)
	}
	if rec.Name != before.Name {
		p.draft.Delete(before.Name)
	}
	rec.UpdatedAt = p.env.Now
	p.draft.Put(rec)
	return changeOf(&rec, store.Updated)
}

// issue replaces the credentials of a record with one new one.
func (p *planner) issue(rec *store.Record, cred Credential, e *Entry) error {
	if owner, taken := p.draft.ByKey(cred.Key); taken && owner.Name != rec.Name {
		return refuse(e.Credential.Pos, "key is taken: another token has it")
	}
	rec.IssuedAt = p.env.Now
	if e.IssuedAt.OK {
		rec.IssuedAt = e.IssuedAt.Value
	}
	rec.Credentials = []store.Credential{{Key: cred.Key, Digest: cred.Digest, IssuedAt: rec.IssuedAt}}
	rec.Generation++
	return nil
}

// credential is what the entry states, or a generated one; keep is the key
// that the token has, if it has one.
func (p *planner) credential(e *Entry, keep token.Key) (Credential, error) {
	if e.Credential.OK {
		c := e.Credential.Value
		if !c.HasKey {
			c.Key, c.HasKey = keep, true
		}
		return c, nil
	}
	t, err := p.generate(keep)
	if err != nil {
		return Credential{}, fmt.Errorf("generating a token: %w", err)
	}
	return Credential{Key: t.Key, HasKey: true, Digest: t.Digest()}, nil
}

func (p *planner) generate(keep token.Key) (token.Token, error) {
	if keep.IsZero() {
		return token.Generate(p.env.Random)
	}
	if !keep.IsVersion4() {
		return token.Token{}, errors.New("the key is no random UUID (version 4), which a generated token needs; leave \"key\" out")
	}
	return token.GenerateFor(keep, p.env.Random)
}

func changeOf(rec *store.Record, result store.Result) store.Change {
	return store.Change{Key: rec.Key(), Name: rec.Name, Result: result}
}

// holds tells whether a credential of the record is the stated one.
func holds(rec *store.Record, c *Credential) bool {
	have := rec.Credential(c.Key)
	return have != nil && have.Digest.Equal(c.Digest)
}

// holdsOnly tells whether the stated credential is the record's, and its only
// one.
func holdsOnly(rec *store.Record, c *Credential) bool {
	return len(rec.Credentials) == 1 && holds(rec, c)
}

// setIssued corrects when the present credentials were issued.
func setIssued(rec *store.Record, at time.Time) {
	rec.IssuedAt = at
	rec.Credentials = slices.Clone(rec.Credentials)
	rec.Credentials[0].IssuedAt = at
}

// same tells whether two versions of a record are stored alike.
func same(a, b *store.Record) bool {
	return a.Name == b.Name && bytes.Equal(store.AppendRecord(nil, a), store.AppendRecord(nil, b))
}
