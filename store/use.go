package store

import (
	"net/netip"
	"slices"
	"time"

	"github.com/tokendrop/tokendrop/store/token"
)

// TokenID is a number that a store gives a token when it is created. The token
// keeps it whatever becomes of its name and its credentials, and no other token
// of the store ever has it. The zero TokenID is that of a token not yet stored.
type TokenID uint64

// Use is what is remembered of uses: how many there were, and the last of them.
// The zero Use is none.
type Use struct {
	At    time.Time  // UTC, in whole milliseconds
	IP    netip.Addr // the client's, without a zone; the zero Addr where nobody told
	Count uint64
}

// Add joins what is remembered of two lots of uses.
func (u Use) Add(o Use) Use {
	count := u.Count + o.Count
	if o.At.After(u.At) {
		u = o
	}
	u.Count = count
	return u
}

// CredentialUse is about the uses of one of a token's credentials.
type CredentialUse struct {
	Number uint64 // that of the Credential
	Use
}

// Uses is what is remembered of the uses of a token.
type Uses struct {
	Credentials []CredentialUse // at most one a credential, in any order
	Gone        Use             // of credentials that the token has no more
}

// Of is about the credential of that number.
func (u *Uses) Of(number uint64) Use {
	for i := range u.Credentials {
		if u.Credentials[i].Number == number {
			return u.Credentials[i].Use
		}
	}
	return Use{}
}

// Total is about the whole token, credentials that are gone included.
func (u *Uses) Total() Use {
	total := u.Gone
	for i := range u.Credentials {
		total = total.Add(u.Credentials[i].Use)
	}
	return total
}

// Add joins further uses of a credential with those that are remembered.
func (u Uses) Add(further CredentialUse) Uses {
	u.Credentials = slices.Clone(u.Credentials)
	for i := range u.Credentials {
		if c := &u.Credentials[i]; c.Number == further.Number {
			c.Use = c.Add(further.Use)
			return u
		}
	}
	u.Credentials = append(u.Credentials, further)
	return u
}

// Retire counts among those that are gone all credentials that the record does
// not have.
func (u Uses) Retire(rec *Record) Uses {
	kept := make([]CredentialUse, 0, len(u.Credentials))
	for _, c := range u.Credentials {
		has := slices.ContainsFunc(rec.Credentials, func(have Credential) bool { return have.Number == c.Number })
		if has {
			kept = append(kept, c)
		} else {
			u.Gone = u.Gone.Add(c.Use)
		}
	}
	u.Credentials = kept
	return u
}

// Used tells of uses of a credential. The token is found by the name, or else by
// the key, that it had when they happened.
type Used struct {
	Token TokenID
	Name  Name
	Key   token.Key
	CredentialUse
}

// Find finds the token that was used, if it is still there.
func (u *Used) Find(in Reader) (Record, bool) {
	r, ok := in.ByName(u.Name)
	if !ok || r.ID != u.Token {
		r, ok = in.ByKey(u.Key)
	}
	return r, ok && r.ID == u.Token
}
