package store

import (
	"slices"
	"time"
)

// Restricts tells whether some request that was answered with yes may be
// answered with no once the batch is applied, or a key that could be made
// cannot be any more. It is true rather too often: where rights are others, it
// is not asked whether they are more.
func (x *Index) Restricts(b *Batch) bool {
	return b.Restricts || len(b.Delete) > 0 || slices.ContainsFunc(b.Marks, restrictsMark) ||
		slices.ContainsFunc(b.Put, func(r Record) bool {
			old, ok := x.ByName(r.Name)
			return ok && restrictsRecord(&old, &r)
		})
}

func restrictsMark(m Mark) bool {
	return m.Kind == Revoked || m.Kind == UserRule && RuleOf(m.Value).Blocked
}

func restrictsRecord(old, r *Record) bool {
	return old.Active && !r.Active ||
		r.NotBefore.After(old.NotBefore) || sooner(r.ExpiresAt, old.ExpiresAt) ||
		r.Type != old.Type || r.Audience != old.Audience || !slices.Equal(r.Scopes, old.Scopes) ||
		!slices.Equal(r.ScopeSets, old.ScopeSets) || !slices.Equal(r.AllowedIPs, old.AllowedIPs) ||
		slices.ContainsFunc(old.Credentials, func(c Credential) bool { return restrictsCredential(&c, r) })
}

// restrictsCredential knows a credential by its number, because one that is
// kept in another form is the same, and proven by the same secret.
func restrictsCredential(old *Credential, r *Record) bool {
	i := slices.IndexFunc(r.Credentials, func(c Credential) bool { return c.Number == old.Number })
	return i < 0 || sooner(r.Credentials[i].GoodUntil, old.GoodUntil)
}

// sooner compares ends, of which the zero one never comes.
func sooner(end, than time.Time) bool {
	return !end.IsZero() && (than.IsZero() || end.Before(than))
}
