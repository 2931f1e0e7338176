package provision

import (
	"time"

	"github.com/tokendrop/tokendrop/store"
)

// apply makes the stated attributes true of a record. Durations count from
// the given instant; IssuedAt is the caller's business, because it is part of
// issuing. It refuses what no record may be.
func (a *Attributes) apply(rec *store.Record, from time.Time) error {
	put(&rec.Description, a.Description)
	put(&rec.NotBefore, a.NotBefore)
	put(&rec.Active, a.Active)
	put(&rec.Type, a.Type)
	put(&rec.AllowedIPs, a.AllowedIPs)
	put(&rec.Audience, a.Audience)
	put(&rec.Labels, a.Labels)
	if a.Expiry.OK {
		rec.ExpiresAt = a.Expiry.Value.from(from)
	}
	if rec.Type != store.Custom { // what a custom token had means nothing any more
		rec.Scopes, rec.ScopeSets = nil, nil
	}
	put(&rec.Scopes, a.Scopes)
	put(&rec.ScopeSets, a.ScopeSets)
	return a.check(rec)
}

func put[T any](to *T, stated Stated[T]) {
	if stated.OK {
		*to = stated.Value
	}
}

func (a *Attributes) check(rec *store.Record) error {
	scoped := len(rec.Scopes)+len(rec.ScopeSets) > 0
	switch {
	case rec.ExpiresAt.Year() > maxYear:
		return refuse(a.Expiry.Pos, "the token would expire after the year 9999; for no end write \"unlimited\"")
	case rec.Type == store.Custom && !scoped:
		return refuse(a.Type.Pos, "a custom token needs \"scopes\" or \"scope_sets\"; without any it could do nothing")
	case rec.Type != store.Custom && scoped:
		pos := a.Scopes.Pos
		if !a.Scopes.OK {
			pos = a.ScopeSets.Pos
		}
		return refuse(pos, "only a custom token has scopes; state \"type: custom\" too")
	}
	return nil
}

// from is the instant of expiry for what was issued at that time; zero for
// never.
func (x Expiry) from(issued time.Time) time.Time {
	if x.In != 0 {
		return issued.Add(x.In)
	}
	return x.At
}
