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
			s.Key = keyOfDigest(e, old, &s)
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
func keepsKey(c *store.Credential) bool {
	return c.Key.IsVersion4() && c.Key != c.Digest.OpaqueKey()
}

// keyOfDigest is the key of a credential whose digest is stated alone.
func keyOfDigest(e *Entry, old []store.Credential, s *Source) token.Key {
	for _, c := range old {
		if c.Digest.Equal(s.Digest) {
			return c.Key
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
	stated := s.Credential
	if s.Generate {
		t, err := p.generate(keep)
		if err != nil {
			return store.Credential{}, false, fmt.Errorf("generating a token: %w", err)
		}
		stated = Credential{Key: t.Key, HasKey: true, Digest: t.Digest()}
	}
	for _, c := range old {
		if c.Key == stated.Key && c.Digest.Equal(stated.Digest) {
			return c, false, nil
		}
	}
	if owner, taken := p.draft.ByKey(stated.Key); taken && owner.Name != rec.Name {
		return store.Credential{}, false, p.taken(s.Pos, &owner)
	}
	if p.revoked(stated.Key, rec.User) {
		return store.Credential{}, false, refuse(s.Pos, wasRevoked)
	}
	return store.Credential{Key: stated.Key, Digest: stated.Digest}, true, nil
}

// generate makes a new secret, under the key that the token has or that the
// entry states.
func (p *planner) generate(keep token.Key) (token.Token, error) {
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
		if slices.ContainsFunc(rec.Credentials, func(d store.Credential) bool { return alike(c, d) }) {
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

func alike(c, d store.Credential) bool { return c.Key == d.Key && c.Digest.Equal(d.Digest) }

func states(s *Source, c store.Credential) bool {
	return !s.Generate && c.Digest.Equal(s.Digest) && (!s.HasKey || s.Key == c.Key)
}

func generates(e *Entry) bool {
	return slices.ContainsFunc(e.Sources, func(s Source) bool { return s.Generate })
}

// holdsAll tells whether every stated credential is one of the record's.
func holdsAll(rec *store.Record, sources []Source) bool {
	for i := range sources {
		if !slices.ContainsFunc(rec.Credentials, func(c store.Credential) bool { return states(&sources[i], c) }) {
			return false
		}
	}
	return true
}

// satisfies tells whether the record's lasting credentials are what sources
// state, in that order. A generated one may be any that is there.
func satisfies(rec *store.Record, sources []Source) bool {
	if len(sources) == 0 {
		return true
	}
	have := lasting(rec)
	return slices.EqualFunc(sources, have, func(s Source, c store.Credential) bool { return s.Generate || states(&s, c) })
}

// reuse puts credentials that are there in the places of those to be
// generated, so that an ensure generates only what is missing.
func reuse(rec *store.Record, sources []Source) []Source {
	sources = slices.Clone(sources)
	spare := slices.DeleteFunc(lasting(rec), func(c store.Credential) bool {
		return slices.ContainsFunc(sources, func(s Source) bool { return states(&s, c) })
	})
	for i := range sources {
		if sources[i].Generate && len(spare) > 0 {
			sources[i].Generate = false
			sources[i].Credential = Credential{Key: spare[0].Key, HasKey: true, Digest: spare[0].Digest}
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
