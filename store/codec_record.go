package store

import (
	"fmt"
	"net/netip"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tokendrop/tokendrop/store/token"
)

// AppendRecord appends the stored form of a record without its name, which is
// the key it is stored under.
func AppendRecord(b []byte, r *Record) []byte {
	e := encoder{b}
	e.time(13, r.CreatedAt)
	e.number(15, r.Generation)
	for i := range r.Credentials {
		e.nested(18, func(b []byte) []byte { return appendCredential(b, &r.Credentials[i], r) })
	}
	e.text(1, r.Description)
	e.number(2, uint64(r.Type))
	e.list(3, r.Scopes)
	e.list(4, r.ScopeSets)
	for _, p := range r.AllowedIPs {
		e.element(5, []byte(p.String()))
	}
	if r.Audience != DefaultAudience {
		e.element(6, []byte(r.Audience))
	}
	for _, l := range r.Labels {
		e.element(7, []byte(l.Key))
		e.element(8, []byte(l.Value))
	}
	if !r.Active {
		e.number(9, 1)
	}
	e.time(10, r.NotBefore)
	e.time(11, r.ExpiresAt)
	e.timeFrom(r.CreatedAt, 12, r.IssuedAt)
	e.timeFrom(r.CreatedAt, 14, r.UpdatedAt)
	e.text(16, r.Source.Dir)
	e.text(17, r.Source.Path)
	e.number(19, uint64(r.Revision))
	e.number(20, uint64(r.ID))
	return e.b
}

func appendCredential(b []byte, c *Credential, r *Record) []byte {
	e := encoder{b}
	e.element(1, c.Key[:])
	if c.Imported() == nil {
		sum := c.Digest.Bytes()
		e.element(2, sum[:])
	}
	e.timeFrom(r.CreatedAt, 3, c.IssuedAt)
	e.time(4, c.GoodUntil)
	if c.Pepper != (token.PepperID{}) {
		e.element(5, c.Pepper[:])
	}
	if c.Opaque {
		e.number(6, 1)
	}
	if c.Extra != nil {
		e.extra(c.Extra)
	}
	if c.Number != r.Generation {
		e.b = protowire.AppendVarint(protowire.AppendTag(e.b, 10, protowire.VarintType), c.Number)
	}
	return e.b
}

func (e *encoder) extra(x *Extra) {
	if x.Imported.Scheme != 0 {
		e.text(7, x.Imported.String())
	}
	if !x.Former.IsZero() {
		e.element(8, x.Former[:])
	}
	e.text(9, string(x.Sealed))
}

// DecodeRecord reads what AppendRecord wrote.
func DecodeRecord(name Name, b []byte) (Record, error) {
	return decodeRecord(name, string(b), nil)
}

// decodeRecord puts the lists of the record into the room, unless that is nil,
// and takes its texts from the row itself.
func decodeRecord(name Name, row string, room *Room) (Record, error) {
	var r Record
	room.lend(&r, name)
	rest, err := r.decodeHead(row, room)
	if err == nil {
		err = r.decodeBody(rest)
	}
	if err == nil && len(r.Credentials) == 0 {
		err = errCorrupt
	}
	room.keep(&r)
	if err != nil {
		return Record{}, fmt.Errorf("decoding a token: %w", err)
	}
	return r, nil
}

// decodeHead reads what is first in a row: what the credentials take to be
// decoded, and the credentials.
func (r *Record) decodeHead(row string, room *Room) (rest string, err error) {
	for row != "" {
		f, rest, ok := cutField(row)
		switch {
		case !ok:
			return "", errCorrupt
		case f.number == 13:
			r.CreatedAt = f.time()
		case f.number == 15:
			r.Generation = f.value
		case f.number == 18:
			if err := decodeCredential(f.text, r, room); err != nil {
				return "", err
			}
		default:
			r.IssuedAt, r.UpdatedAt = r.CreatedAt, r.CreatedAt
			return row, nil
		}
		row = rest
	}
	r.IssuedAt, r.UpdatedAt = r.CreatedAt, r.CreatedAt
	return "", nil
}

// decodeBody reads what is behind that.
func (r *Record) decodeBody(row string) error {
	for row != "" {
		f, rest, ok := cutField(row)
		if !ok {
			return errCorrupt
		}
		if err := r.decode(&f); err != nil {
			return err
		}
		row = rest
	}
	return nil
}

func (r *Record) decode(f *field) error {
	switch f.number {
	case 1:
		r.Description = f.text
	case 2:
		r.Type = Type(f.value)
	case 3:
		r.Scopes = append(r.Scopes, f.text)
	case 4:
		r.ScopeSets = append(r.ScopeSets, f.text)
	case 5:
		p, err := netip.ParsePrefix(f.text)
		r.AllowedIPs = append(r.AllowedIPs, p)
		return err
	case 6:
		r.Audience = f.text
	case 7:
		r.Labels = append(r.Labels, Label{Key: f.text})
	case 8:
		return setLast(r.Labels, f.text)
	case 9:
		r.Active = f.value == 0
	case 10:
		r.NotBefore = f.time()
	case 11:
		r.ExpiresAt = f.time()
	case 12:
		r.IssuedAt = f.timeFrom(r.CreatedAt)
	case 14:
		r.UpdatedAt = f.timeFrom(r.CreatedAt)
	case 16:
		r.Source.Dir = f.text
	case 17:
		r.Source.Path = f.text
	case 19:
		r.Revision = Revision(f.value)
	case 20:
		r.ID = TokenID(f.value)
	default:
		return errCorrupt
	}
	return nil
}

// hasKey tells whether a key selects the token that has the row.
func hasKey(row string, key token.Key) bool {
	for row != "" {
		f, rest, ok := cutField(row)
		switch {
		case ok && f.number == 18:
			if credentialHasKey(f.text, key) {
				return true
			}
		case !ok || f.number != 13 && f.number != 15:
			return false
		}
		row = rest
	}
	return false
}

func credentialHasKey(row string, key token.Key) bool {
	for row != "" {
		f, rest, ok := cutField(row)
		if !ok {
			return false
		}
		if (f.number == 1 || f.number == 8) && f.text == string(key[:]) {
			return true
		}
		row = rest
	}
	return false
}

// setLast gives the label its value whose key has just been read.
func setLast(labels []Label, value string) error {
	if len(labels) == 0 {
		return errCorrupt
	}
	labels[len(labels)-1].Value = value
	return nil
}

// decodeCredential reads one more credential of the record.
func decodeCredential(row string, r *Record, room *Room) error {
	r.Credentials = append(r.Credentials, Credential{IssuedAt: r.CreatedAt, Number: r.Generation})
	c := &r.Credentials[len(r.Credentials)-1]
	var key, digest bool
	for row != "" {
		f, rest, ok := cutField(row)
		if !ok {
			return errCorrupt
		}
		if f.number > 6 && f.number != 10 && c.Extra == nil {
			c.Extra = room.extra(len(r.Credentials) - 1)
		}
		if err := c.decode(&f, r.CreatedAt); err != nil {
			return err
		}
		key, digest = key || f.number == 1, digest || f.number == 2
		row = rest
	}
	if c.Extra != nil && c.Extra.Imported.Scheme == 0 && c.Extra.Former.IsZero() && len(c.Extra.Sealed) == 0 {
		c.Extra = nil
	}
	if !key || digest == (c.Imported() != nil) {
		return errCorrupt
	}
	return nil
}

func (c *Credential) decode(f *field, created time.Time) error {
	switch f.number {
	case 1:
		return f.fill(c.Key[:])
	case 2:
		if len(f.text) != len(c.Digest.Bytes()) {
			return errCorrupt
		}
		c.Digest = token.DigestOf([32]byte([]byte(f.text)))
	case 3:
		c.IssuedAt = f.timeFrom(created)
	case 4:
		c.GoodUntil = f.time()
	case 5:
		return f.fill(c.Pepper[:])
	case 6:
		c.Opaque = f.value != 0
	case 10:
		c.Number = f.value
	default:
		return c.Extra.decode(*f)
	}
	return nil
}

// decode reads a field that few credentials have.
func (x *Extra) decode(f field) (err error) {
	switch f.number {
	case 7:
		x.Imported, err = token.ParseImported(f.text)
	case 8:
		err = f.fill(x.Former[:])
	case 9:
		x.Sealed = append(x.Sealed[:0], f.text...)
	default:
		err = errCorrupt
	}
	return err
}

func recordSize(r *Record) int {
	return rowOverhead + len(r.User) + len(r.Name.Name) + len(AppendRecord(make([]byte, 0, usualRow), r))
}
