package store

import "net/netip"

// Room is memory for one Record at a time, so that to decode it need not allocate.
// The zero Room is ready.
type Room struct {
	scopes, sets []string
	ips          []netip.Prefix
	labels       []Label
	credentials  []Credential
	extras       [2]Extra // as many as a token has credentials
}

// lend begins a record, whose lists are in the room. None of these is nil.
func (m *Room) lend(r *Record, name Name) {
	*r = Record{} // and then field by field: a literal would be made elsewhere, and copied
	r.Name, r.Audience, r.Active = name, DefaultAudience, true
	if m == nil {
		return
	}
	r.Scopes, r.ScopeSets, r.AllowedIPs = m.scopes[:0], m.sets[:0], m.ips[:0]
	r.Labels, r.Credentials = m.labels[:0], m.credentials[:0]
}

// keep has the room as large as the record's lists have become.
func (m *Room) keep(r *Record) {
	if m == nil {
		return
	}
	m.scopes, m.sets, m.ips = r.Scopes, r.ScopeSets, r.AllowedIPs
	m.labels, m.credentials = r.Labels, r.Credentials
}

// extra is an empty one for the credential at place i.
func (m *Room) extra(i int) *Extra {
	if m == nil || i >= len(m.extras) {
		return new(Extra)
	}
	x := &m.extras[i]
	*x = Extra{Sealed: x.Sealed[:0]}
	return x
}
