package verify

import (
	"crypto/rand"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// Decision is what a gate says to a presented token.
type Decision struct {
	Reason Reason
	// Presented is the key of the presented token, and Record the token that it
	// belongs to. Both are zero unless the secret was right.
	Presented token.Key
	Record    store.Record
}

// Tokens is what Ask looks in. store.Store is one.
type Tokens interface {
	Lookup(token.Key) (store.Record, store.Rule, bool)
}

// Ask looks the text of a token up and decides on it: as a token of the formats
// or, unless that is one of the store's, as an opaque one. It does not allocate.
func Ask(tokens Tokens, formats token.Formats, text string, gate *Gate, now time.Time) Decision {
	native, ok := formats.Native(text)
	d := askAs(tokens, native, ok, gate, now)
	if d.Reason == InvalidToken {
		opaque, ok := token.ParseOpaque(text)
		d = askAs(tokens, opaque, ok, gate, now)
	}
	return d
}

// askAs decides on a text as a token of one format, or on the decoy if it is
// none.
func askAs(tokens Tokens, presented token.Token, ok bool, gate *Gate, now time.Time) Decision {
	if !ok {
		presented = decoy
	}
	rec, rule, _ := tokens.Lookup(presented.Key)
	reason := Decide(&rec, rule, presented, gate, now)
	if reason == InvalidToken {
		return Decision{Reason: InvalidToken}
	}
	return Decision{Reason: reason, Presented: presented.Key, Record: rec}
}

// Decide tells whether the presented token is good at the gate now. rec is the
// record that has a credential of its key, or the zero Record if none has; rule
// is what is said about its user.
func Decide(rec *store.Record, rule store.Rule, presented token.Token, gate *Gate, now time.Time) Reason {
	if !proves(rec, presented, now) {
		return InvalidToken
	}
	switch {
	case rule.Blocked:
		return UserBlocked
	case !rec.Active:
		return Disabled
	case now.Before(rec.NotBefore):
		return NotYetValid
	case !rec.ExpiresAt.IsZero() && !now.Before(rec.ExpiresAt):
		return Expired
	case rec.Audience != gate.Audience:
		return AudienceMismatch
	case len(rec.AllowedIPs) > 0, rec.Type != store.FullAccess:
		return ContextMissing
	}
	return Yes
}

// proves tells whether the presented token is a credential of the record that
// was not replaced, or whose grace lasts. A regenerated secret keeps its key,
// so both credentials can have it. The digest is computed and compared for
// unknown keys too (invariant 3).
func proves(rec *store.Record, presented token.Token, now time.Time) bool {
	digest := presented.Digest()
	good := false
	for i := range rec.Credentials {
		c := &rec.Credentials[i]
		lasts := c.GoodUntil.IsZero() || now.Before(c.GoodUntil)
		if c.Key == presented.Key && c.Digest.Equal(digest) && lasts {
			good = true
		}
	}
	if len(rec.Credentials) == 0 {
		_ = absent.Digest.Equal(digest)
	}
	return good
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
