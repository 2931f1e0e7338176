package verify

import (
	"crypto/rand"
	"net/netip"
	"sync"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// Decision is what a gate says to a presented token.
type Decision struct {
	Reason Reason
	// Record is the token that the presented one is, and Credential the one of
	// its credentials that was proven. Both are nil unless the secret was right.
	Record     *store.Record
	Credential *store.Credential
	// Outdated: today the store would keep the credential in another form,
	// which is made of Digest.
	Outdated bool

	inquiry *inquiry // where they lie; nil if they are
}

// Presented is the key of the presented token, zero unless its secret was right.
func (d *Decision) Presented() token.Key {
	if d.Credential == nil {
		return token.Key{}
	}
	return d.Credential.Key
}

// Digest is that of the presented token, whose secret was right.
func (d *Decision) Digest() token.Digest { return d.inquiry.token.Digest() }

// used is the use that a yes to a client is.
func (d *Decision) used(client netip.Addr, now time.Time) store.Used {
	return store.Used{
		Token: d.Record.ID, Name: d.Record.Name, Key: d.Credential.Key,
		CredentialUse: store.CredentialUse{Number: d.Credential.Number, Use: store.Use{At: now, IP: client, Count: 1}},
	}
}

// identity is what a yes at the gate tells.
func (d *Decision) identity(g *Gate) *identity {
	return &identity{d.Presented(), d.Record, store.ExpandScopes(d.Record, g.ScopeSets)}
}

// inquiry is a presented token, and what was found for it.
type inquiry struct {
	token token.Token
	found store.Found
}

// spare is memory for what is asked next.
var spare = sync.Pool{New: func() any { return new(inquiry) }}

func (i *inquiry) release() {
	i.token = token.Token{} // its text is a part of a request
	spare.Put(i)
}

// Release gives back the memory of Record and of Credential, which must not be
// looked at any more: the next decision will be in there. Decisions that
// are not released are collected as garbage.
func (d *Decision) Release() {
	if d.inquiry != nil {
		d.inquiry.release()
	}
	*d = Decision{Reason: d.Reason}
}

// Tokens is what a Register looks in. store.Store is one.
type Tokens interface {
	Lookup(token.Key, *store.Found)
	HasOpaque() bool
	Revoked(key token.Key, user string) bool
}

// Register is where tokens are looked up, and what it takes to recognize them.
type Register struct {
	Tokens  Tokens
	Formats token.Formats
	Keys    token.Keyring
}

// Question is what a gate is asked.
type Question struct {
	// Text is the text of the token, and User who it has to belong to; empty:
	// anybody.
	Text, User string
	Gate       *Gate
	Request    Request
}

// Ask looks the text of a token up and decides on it: as a token of the formats
// or, unless that is one of the store's, as an opaque one, or then as one that
// another product digested; a text that was revoked as one of them is not good as
// what is looked for after it. It allocates only for an imported token, and where a
// route has to be found.
func (r *Register) Ask(q *Question, now time.Time) Decision {
	i, _ := spare.Get().(*inquiry) // nothing else is in there
	d := r.askAny(q, i, now)
	if d.inquiry != i {
		i.release()
	}
	return d
}

func (r *Register) askAny(q *Question, i *inquiry, now time.Time) Decision {
	isNative := r.Formats.Native(q.Text, &i.token)
	native := i.token.Key
	d := Decision{Reason: InvalidToken}
	if isNative {
		d = r.ask(q, i, now)
	}
	if d.Reason == InvalidToken && r.Tokens.HasOpaque() {
		d = r.askOpaque(q, i, now)
		if d.Reason != InvalidToken && isNative && r.Tokens.Revoked(native, d.Record.User) {
			d = Decision{Reason: InvalidToken}
		}
	}
	if d.Reason == InvalidToken && !isNative {
		i.token = decoy
		r.ask(q, i, now) // a no takes the same lookups (invariant 3)
	}
	return d
}

// askOpaque decides on what is no token of the formats.
func (r *Register) askOpaque(q *Question, i *inquiry, now time.Time) Decision {
	opaque, ok := token.ParseOpaque(q.Text)
	if !ok {
		opaque = decoy
	}
	i.token = opaque
	if d := r.ask(q, i, now); d.Reason != InvalidToken {
		return d
	}
	d := r.askImported(q, &opaque, now)
	if d.Reason != InvalidToken && r.Tokens.Revoked(opaque.Key, d.Record.User) {
		return Decision{Reason: InvalidToken}
	}
	return d
}

// ask decides on a token by its own key and digest.
func (r *Register) ask(q *Question, i *inquiry, now time.Time) Decision {
	r.Tokens.Lookup(i.token.Key, &i.found)
	return r.decision(q, i, proven(i.found.Credentials(), &r.Keys, &i.token, now), now)
}

// askImported decides on a token by what other products may have kept of it.
// All imports are asked, whichever has it (invariant 3), so what one of them
// has found is not put where the next one finds something.
func (r *Register) askImported(q *Question, presented *token.Token, now time.Time) Decision {
	d := Decision{Reason: InvalidToken}
	for _, digest := range r.Keys.Imported(presented.Reveal()) {
		i := &inquiry{token: *presented}
		r.Tokens.Lookup(digest.Key(), &i.found)
		if c := provenImported(i.found.Credentials(), &digest, now); c != nil {
			d = r.decision(q, i, c, now)
		}
	}
	return d
}

// decision decides on what was found. Only the rest of a proven token is looked
// at: how long that is, nobody else is to learn from the time that it takes.
func (r *Register) decision(q *Question, i *inquiry, c *store.Credential, now time.Time) Decision {
	if c == nil {
		return Decision{Reason: InvalidToken}
	}
	rec, ok := i.found.Record()
	if !ok || q.User != "" && q.User != rec.User {
		return Decision{Reason: InvalidToken}
	}
	return Decision{
		Reason: Decide(rec, i.found.Rule, c, q.Gate, &q.Request, now), Record: rec, Credential: c,
		Outdated: c.Imported() != nil || r.Keys.Outdated(c.Pepper), inquiry: i,
	}
}

// Decide tells whether a token is good for the request at the gate now. Proven
// is the credential of the record that was presented, nil if none was; rule is
// what is said about the record's user.
func Decide(rec *store.Record, rule store.Rule, proven *store.Credential, gate *Gate, req *Request, now time.Time) Reason {
	switch {
	case proven == nil:
		return InvalidToken
	case rule.Blocked:
		return UserBlocked
	case !rec.Active:
		return Disabled
	case now.Before(rec.NotBefore):
		return NotYetValid
	case !rec.ExpiresAt.IsZero() && !now.Before(rec.ExpiresAt):
		return Expired
	case gate.alone:
		return Yes
	case rec.Audience != gate.Audience:
		return AudienceMismatch
	}
	return gate.permits(rec, req)
}

// proven finds the one of a record's credentials that the presented token is,
// nil if it is none that was not replaced, or whose grace lasts. A regenerated secret
// keeps its key, so both credentials can have it. Every form of the digest is
// computed, and one is compared, for unknown keys too (invariant 3).
func proven(credentials []store.Credential, keys *token.Keyring, presented *token.Token, now time.Time) (found *store.Credential) {
	compared := false
	for form := range keys.Forms() {
		digest, under := keys.Form(form, presented.Digest())
		for i := range credentials {
			c := &credentials[i]
			if c.Key != presented.Key || c.Pepper != under || c.Imported() != nil {
				continue
			}
			compared = true
			if c.Digest.Equal(digest) && lasts(c, now) {
				found = c
			}
		}
	}
	if !compared {
		_ = absent.Digest.Equal(presented.Digest())
	}
	return found
}

// provenImported is proven for what another product kept of the token.
func provenImported(credentials []store.Credential, digest *token.ImportedDigest, now time.Time) (found *store.Credential) {
	compared := false
	for i := range credentials {
		c := &credentials[i]
		if kept := c.Imported(); kept != nil {
			compared = true
			if kept.Equal(*digest) && lasts(c, now) {
				found = c
			}
		}
	}
	if !compared {
		_ = digest.Equal(*digest)
	}
	return found
}

// lasts tells whether a credential was not replaced, or is in its grace.
func lasts(c *store.Credential, now time.Time) bool {
	return c.GoodUntil.IsZero() || now.Before(c.GoodUntil)
}

var (
	// decoy stands in for what is no token, so that it is looked up and
	// compared like one. Nobody can present it.
	decoy  = mustGenerate()
	absent store.Credential
)

func mustGenerate() token.Token {
	t, err := token.Generate(rand.Reader)
	if err != nil {
		panic(err) //nolint:forbidigo // crypto/rand.Reader never fails (its documentation)
	}
	return t
}
