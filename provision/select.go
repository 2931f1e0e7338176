package provision

import (
	"time"

	"github.com/tokendrop/tokendrop/store"
)

// find looks the entry's token up by its name or, where it states none, by its
// key. Where it states both as a selector, they have to mean the same token.
func (p *planner) find(e *Entry) (store.Record, bool, error) {
	if !e.Named() {
		rec, ok := p.draft.ByKey(e.Key.Value)
		return rec, ok, nil
	}
	rec, ok := p.draft.ByName(e.TokenName())
	if !e.Key.OK || e.Credential.OK {
		return rec, ok, nil // the key, if any, is the new credential's
	}
	holder, held := p.draft.ByKey(e.Key.Value)
	if ok != held || ok && holder.Name != rec.Name {
		return store.Record{}, false, refuse(e.Key.Pos, "\"key\" and \"user\" with \"name\" do not mean the same token; state one of the two")
	}
	return rec, ok, nil
}

// need is find for actions that have nothing to do without a token.
func (p *planner) need(e *Entry) (store.Record, error) {
	rec, ok, err := p.find(e)
	if err == nil && !ok {
		err = refuse(Pos{}, "there is no such token; \"create\" or \"ensure\" makes one, and \"tokendrop list\" shows what there is")
	}
	return rec, err
}

// apply makes the stated attributes true of a record. Durations count from
// the given instant; IssuedAt is the caller's business, because it is part of
// issuing. It refuses what no record may be.
func (a *Attributes) apply(rec *store.Record, from time.Time) error {
	if a.Description.OK {
		rec.Description = a.Description.Value
	}
	if a.Expiry.OK {
		rec.ExpiresAt = a.Expiry.Value.from(from)
	}
	if a.NotBefore.OK {
		rec.NotBefore = a.NotBefore.Value
	}
	if a.Active.OK {
		rec.Active = a.Active.Value
	}
	if rec.ExpiresAt.Year() > maxYear {
		return refuse(a.Expiry.Pos, "the token would expire after the year 9999; for no end write \"unlimited\"")
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
