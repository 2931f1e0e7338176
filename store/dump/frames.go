package dump

import (
	"encoding/binary"
	"time"

	"github.com/tokendrop/tokendrop/store"
)

func (s *Summary) appendHead(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(s.Time.UnixMilli()))
	b = binary.AppendUvarint(b, s.ID)
	b = binary.AppendUvarint(b, s.Records)
	b = binary.AppendUvarint(b, s.Marks)
	return append(b, s.Chain[:]...)
}

func (s *Summary) decodeHead(b []byte) error {
	r := rest{b: b}
	s.Time = time.UnixMilli(int64(r.number())).UTC()
	s.ID, s.Records, s.Marks = r.number(), r.number(), r.number()
	copy(s.Chain[:], r.cut(uint64(len(s.Chain))))
	return r.end()
}

func (s *Summary) appendEnd(b []byte) []byte {
	for _, n := range s.ends() {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func (s *Summary) ends() []uint64 { return []uint64{s.ID, s.Records, s.Marks, s.Uses} }

func appendEntry(b []byte, n *store.Entry) []byte {
	return store.AppendEntry(append(b, n.Patch[:]...), n)
}

func decodeEntry(b []byte) (store.Entry, error) {
	r := rest{b: b}
	patch := store.PatchID{}
	copy(patch[:], r.cut(uint64(len(patch))))
	if r.bad {
		return store.Entry{}, ErrDamaged
	}
	return store.DecodeEntry(patch, r.b)
}

func appendRecord(b []byte, rec *store.Record) []byte {
	return store.AppendRecord(appendText(appendText(b, rec.User), rec.Name.Name), rec)
}

func decodeRecord(b []byte) (store.Record, error) {
	r := rest{b: b}
	name := store.Name{User: r.text(), Name: r.text()}
	if r.bad {
		return store.Record{}, ErrDamaged
	}
	return store.DecodeRecord(name, r.b)
}

func appendMark(b []byte, m *store.Mark) []byte {
	return store.AppendMark(appendText(binary.AppendUvarint(b, uint64(m.Kind)), m.Key), m)
}

func decodeMark(b []byte) (store.Mark, error) {
	r := rest{b: b}
	kind := r.number()
	id := store.MarkID{Kind: store.MarkKind(kind), Key: r.text()}
	if r.bad || kind != uint64(id.Kind) {
		return store.Mark{}, ErrDamaged
	}
	return store.DecodeMark(id, r.b)
}

func appendUses(b []byte, u *store.TokenUses) []byte {
	return store.AppendUses(binary.AppendUvarint(b, uint64(u.ID)), &u.Uses)
}

func decodeUses(b []byte) (store.TokenUses, error) {
	r := rest{b: b}
	id := store.TokenID(r.number())
	if r.bad {
		return store.TokenUses{}, ErrDamaged
	}
	uses, err := store.DecodeUses(r.b)
	return store.TokenUses{ID: id, Uses: uses}, err
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// rest is what is left of a frame. Once something is missing it is bad.
type rest struct {
	b   []byte
	bad bool
}

func (r *rest) number() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *rest) cut(n uint64) []byte {
	if r.bad || n > uint64(len(r.b)) {
		r.bad = true
		return nil
	}
	cut := r.b[:n]
	r.b = r.b[n:]
	return cut
}

func (r *rest) text() string { return string(r.cut(r.number())) }

// end fails unless everything was there, and nothing more.
func (r *rest) end() error {
	if r.bad || len(r.b) > 0 {
		return ErrDamaged
	}
	return nil
}
