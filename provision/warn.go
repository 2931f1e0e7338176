package provision

import (
	"time"

	"github.com/tokendrop/tokendrop/store"
)

const (
	warnLiteral = `a secret in a file; state "key" and "digest" in its place, which "tokendrop token key --manifest" prints`
	warnUnseen  = `nobody will ever see the secret that is generated here; make it with "tokendrop token new --manifest", and state "key" and "digest", or let "write_to" say where it goes`
	warnOthers  = `every user of the host can read the file that the token is written to; leave "mode" out, or state one that ends in 0`
	warnForEver = `full access without an end: whoever finds the token can do everything with it for ever; state an expiry, or another "type"`
	warnOpaque  = `a token of another product: half of its digest is its key, which is public, so only a random one may be imported`
	warnNoKey   = `a digest without "key" is that of another product's token, which has to be random; for one of "tokendrop token new" state its key too`
	warnPast    = `the expiry is in the past, so that the token is refused from the start; state a later one`
)

// forOthers is the permission of everybody else to read.
const forOthers = 0o004

// Warn lists what a manifest is allowed to say, and likely should not. Now is
// what expiries are compared with. Like problems, warnings come in the order of
// their places, are bounded in number, and show no value of the file.
func Warn(m *Manifest, now time.Time) []Problem {
	var r report
	for _, pos := range m.Literals {
		r.also(pos, warnLiteral)
	}
	for i := range m.Entries {
		m.Entries[i].warn(&r, now)
	}
	return r.sorted()
}

func (e *Entry) warn(r *report, now time.Time) {
	for _, s := range e.Sources {
		switch {
		case s.Generate && !e.WriteTo.OK:
			r.also(s.Pos, warnUnseen)
		case s.Generate, s.outside():
		case !s.opaque():
		case s.HasKey:
			r.also(s.Pos, warnOpaque)
		case e.Action != Regenerate || e.Named(): // by its key alone, a token keeps it
			r.also(s.Pos, warnNoKey)
		}
	}
	if e.WriteTo.OK && e.WriteTo.Value.Mode&forOthers != 0 {
		r.also(e.WriteTo.Pos, warnOthers)
	}
	a, pos := &e.Attributes, e.Pos
	if e.Set.OK {
		a, pos = &e.Set.Value.Attributes, e.Set.Pos
	}
	if a.fullForEver(e.Action == Create || e.Action == Ensure && len(e.Sources) > 0) {
		r.also(pos, warnForEver)
	}
	if end := a.end(now); !end.IsZero() && !end.After(now) {
		r.also(a.Expiry.Pos, warnPast)
	}
}

// fullForEver tells whether a token would have full access without an expiry,
// as far as that is certain: where an entry creates, what is not stated has its
// default, and elsewhere it is what the token has.
func (a *Attributes) fullForEver(creates bool) bool {
	full := creates && !a.Type.OK || a.Type.Value == store.FullAccess
	endless := creates && !a.Expiry.OK || a.Expiry.OK && a.Expiry.Value == Expiry{}
	return full && endless
}

// end is the stated expiry of what is issued now, or when the entry says; zero
// for none.
func (a *Attributes) end(now time.Time) time.Time {
	if a.IssuedAt.OK {
		now = a.IssuedAt.Value
	}
	return a.Expiry.Value.from(now)
}

// literals lists the places of the literal tokens in an entry.
func literals(entry *node) []Pos {
	var places []Pos
	for _, f := range entry.fields {
		switch f.key.text {
		case "token":
			places = append(places, f.value.pos)
		case "credentials":
			for _, item := range f.value.items {
				places = append(places, literals(item)...)
			}
		}
	}
	return places
}
