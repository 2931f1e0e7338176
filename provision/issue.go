package provision

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// maxCredentials is how many a token may have, those in grace included.
const maxCredentials = 2

const wasRevoked = "key was revoked: no token can ever have it again; make a new token"

// issue gives a record the credentials that sources state, in their order. What
// they replace stays good for the entry's grace.
func (p *planner) issue(rec *store.Record, e *Entry, sources []Source) error {
	old := lasting(rec)
	issued := p.env.Now
	if e.IssuedAt.OK {
		issued = e.IssuedAt.Value
	}
	var list []store.Credential
	var added uint64
	for i := range sources {
		s := sources[i]
		if !s.Generate && !s.HasKey {
			s.Key = p.keyOfDigest(e, old, &s)
		}
		c, isNew, err := p.credential(rec, old, keptKey(e, old, list), &s)
		if err != nil {
			return err
		}
		if isNew {
			added++
			c.IssuedAt, c.Number = issued, rec.Generation+added
		}
		list = append(list, c)
	}
	if added > 0 {
		rec.IssuedAt = issued
	}
	rec.Generation += added
	rec.Credentials = list
	return p.keepInGrace(rec, old, e)
}

// keptKey is the key that a generated credential gets: the token's, or the one
// that the entry states. A second credential, and what takes the place of an
// opaque token, gets a key of its own.
func keptKey(e *Entry, old, list []store.Credential) token.Key {
	switch {
	case len(list) > 0:
		return token.Key{}
	case len(old) == 0:
		return e.Key.Value
	case keepsKey(&old[0]):
		return old[0].Key
	}
	return token.Key{}
}

// keepsKey tells whether another secret can go with the key of a credential: the
// key of an opaque token follows from its text.
func keepsKey(c *store.Credential) bool { return c.Key.IsVersion4() && !c.Opaque }

// keyOfDigest is the key of a credential whose digest is stated alone.
func (p *planner) keyOfDigest(e *Entry, old []store.Credential, s *Source) token.Key {
	for i := range old {
		if p.states(s, &old[i]) {
			return old[i].Key
		}
	}
	if e.Action == Regenerate && keepsKey(&old[0]) {
		return old[0].Key
	}
	return s.Key
}

// credential is what a source states, or what is generated for it, and whether
// it is new to the record.
func (p *planner) credential(rec *store.Record, old []store.Credential, keep token.Key, s *Source) (store.Credential, bool, error) {
	if s.kept != nil {
		return *s.kept, false, nil
	}
	stated := s.Credential
	if s.Generate {
		var err error
		if stated, err = p.generate(keep); err != nil {
			return store.Credential{}, false, fmt.Errorf("generating a token: %w", err)
		}
	}
	for i := range old {
		if p.states(s, &old[i]) {
			return old[i], false, nil
		}
	}
	for _, key := range append([]token.Key{stated.Key}, stated.Aliases...) {
		if owner, taken := p.draft.ByKey(key); taken && owner.Name != rec.Name {
			return store.Credential{}, false, p.taken(s.Pos, &owner)
		}
		if p.revoked(key, rec.User) {
			return store.Credential{}, false, refuse(s.Pos, wasRevoked)
		}
	}
	return p.keep(&stated), true, nil
}

// keep is the form in which a credential is stored.
func (p *planner) keep(stated *Credential) store.Credential {
	c := store.Credential{Key: stated.Key, Opaque: stated.opaque()}
	if stated.imported() || stated.Sealed != nil {
		c.Extra = &store.Extra{Imported: stated.Imported, Sealed: stated.Sealed}
	}
	if !stated.imported() {
		c.Digest, c.Pepper = p.env.Keys.Keep(stated.Digest)
	}
	return c
}

// generate makes a new secret, under the key that the token has or that the
// entry states.
func (p *planner) generate(keep token.Key) (Credential, error) {
	t, err := p.generateToken(keep)
	if err != nil {
		return Credential{}, err
	}
	p.made, p.generated = &t, append(p.generated, t)
	sealed, err := p.env.Seal.Seal(t)
	return Credential{Key: t.Key, HasKey: true, Digest: t.Digest(), Sealed: sealed}, err
}

func (p *planner) generateToken(keep token.Key) (token.Token, error) {
	if keep.IsZero() {
		return p.env.Formats.Generate(p.env.Random)
	}
	if !keep.IsVersion4() {
		return token.Token{}, errors.New("the key is no random UUID (version 4), which a generated token needs; leave \"key\" out")
	}
	return p.env.Formats.GenerateFor(keep, p.env.Random)
}

// keepInGrace keeps what was replaced good for a while.
func (p *planner) keepInGrace(rec *store.Record, old []store.Credential, e *Entry) error {
	if e.Grace.Value <= 0 {
		return nil
	}
	for _, c := range old {
		if slices.ContainsFunc(rec.Credentials, func(d store.Credential) bool { return c.Alike(&d) }) {
			continue
		}
		if len(rec.Credentials) == maxCredentials {
			return refuse(e.Grace.Pos, "a token has at most two credentials, so there is no room for an old one in grace; leave \"grace\" out, or state one credential less")
		}
		c.GoodUntil = p.env.Now.Add(e.Grace.Value)
		rec.Credentials = append(rec.Credentials, c)
	}
	p.boundGrace(rec)
	return nil
}

// boundGrace ends a grace with the token at the latest.
func (p *planner) boundGrace(rec *store.Record) {
	if rec.ExpiresAt.IsZero() {
		return
	}
	rec.Credentials = slices.Clone(rec.Credentials)
	for i := range rec.Credentials {
		if c := &rec.Credentials[i]; c.GoodUntil.After(rec.ExpiresAt) {
			c.GoodUntil = rec.ExpiresAt
		}
	}
}

// revoked tells whether a key was revoked, for everybody or for a user.
func (p *planner) revoked(key token.Key, user string) bool {
	_, forAll := p.draft.Mark(store.RevokedID(key, ""))
	_, forUser := p.draft.Mark(store.RevokedID(key, user))
	return forAll || forUser
}

// lasting are the credentials of a record that are not in grace.
func lasting(rec *store.Record) []store.Credential {
	return slices.DeleteFunc(slices.Clone(rec.Credentials), func(c store.Credential) bool { return !c.GoodUntil.IsZero() })
}

// states tells whether a source states a credential, in whichever form that is
// stored: an imported one is meant too once it has become native, and by the
// token that another product has digested.
func (p *planner) states(s *Source, c *store.Credential) bool {
	kept := c.Imported()
	switch {
	case s.Generate:
		return false
	case s.kept != nil:
		return s.kept.Alike(c)
	case s.imported():
		return kept != nil && kept.Equal(s.Imported) || c.Former() == s.Key
	case kept != nil:
		return slices.Contains(s.Aliases, c.Key)
	}
	return (!s.HasKey || s.Key == c.Key) && p.env.Keys.Proves(c.Digest, c.Pepper, s.Digest)
}

func generates(e *Entry) bool {
	return slices.ContainsFunc(e.Sources, func(s Source) bool { return s.Generate })
}

// holdsAll tells whether every stated credential is one of the record's.
func (p *planner) holdsAll(rec *store.Record, sources []Source) bool {
	for i := range sources {
		if !slices.ContainsFunc(rec.Credentials, func(c store.Credential) bool { return p.states(&sources[i], &c) }) {
			return false
		}
	}
	return true
}

// satisfies tells whether the record's lasting credentials are what sources
// state, in that order. A generated one may be any that is there.
func (p *planner) satisfies(rec *store.Record, sources []Source) bool {
	if len(sources) == 0 {
		return true
	}
	have := lasting(rec)
	return slices.EqualFunc(sources, have, func(s Source, c store.Credential) bool { return s.Generate || p.states(&s, &c) })
}

// reuse puts credentials that are there in the places of those to be
// generated, so that an ensure generates only what is missing.
func (p *planner) reuse(rec *store.Record, sources []Source) []Source {
	sources = slices.Clone(sources)
	spare := slices.DeleteFunc(lasting(rec), func(c store.Credential) bool {
		return slices.ContainsFunc(sources, func(s Source) bool { return p.states(&s, &c) })
	})
	for i := range sources {
		if sources[i].Generate && len(spare) > 0 {
			sources[i] = Source{Pos: sources[i].Pos, kept: &spare[0]}
			spare = spare[1:]
		}
	}
	return sources
}

// setIssued corrects when the present credentials were issued.
func setIssued(rec *store.Record, at time.Time) {
	rec.IssuedAt = at
	rec.Credentials = slices.Clone(rec.Credentials)
	rec.Credentials[0].IssuedAt = at
}
