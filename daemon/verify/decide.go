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
	// Presented is the key of the presented token, and Record the token it
	// belongs to. Both are zero unless its secret was right.
	Presented token.Key
	Record    store.Record
}

// Ask looks the text of a token up and decides on it. It does not allocate.
func Ask(tokens store.Reader, text string, gate *Gate, now time.Time) Decision {
	presented, err := token.Parse(text)
	if err != nil {
		presented = decoy
	}
	rec, _ := tokens.ByKey(presented.Key)
	reason := Decide(&rec, presented, gate, now)
	if reason == InvalidToken {
		return Decision{Reason: InvalidToken}
	}
	return Decision{Reason: reason, Presented: presented.Key, Record: rec}
}

// Decide tells whether the presented token is good at the gate now. rec is the
// record that has a credential of its key, or the zero Record if none has.
func Decide(rec *store.Record, presented token.Token, gate *Gate, now time.Time) Reason {
	cred := rec.Credential(presented.Key)
	known := cred != nil
	if !known {
		cred = &absent
	}
	// The digest is computed and compared for unknown keys too (invariant 3).
	if matches := cred.Digest.Matches(presented.Secret); !matches || !known {
		return InvalidToken
	}
	switch {
	case !cred.GoodUntil.IsZero() && !now.Before(cred.GoodUntil):
		return InvalidToken // replaced, and its grace is over
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
