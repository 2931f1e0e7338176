package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"runtime"
	"slices"
	"time"
)

// Digest is one SHA-256 over what a store says of tokens and users, so that two
// stores can be compared without a look at either: equal digests, equal answers
// at every gate that is configured alike. It depends neither on the order in
// which things came about nor on what differs between hosts that were told the
// same: numbers, revisions, sources, uses, and the times at which things
// happened, unless a manifest stated them. A credential counts in the form in
// which it is kept, so that stores under different peppers differ. That a user is
// not blocked counts where a pattern would block him.
//
// The zero Digest is that of an empty store, at the zero time.
type Digest struct {
	at    time.Time
	until time.Time
	sums  [][sha256.Size]byte // of every part
	row   []byte

	blocked  []string // patterns of users
	excepted []Mark   // users, or patterns of them, that are not
}

// NewDigest begins a Digest as of that time: replaced credentials whose grace
// is over by then do not count.
func NewDigest(at time.Time) *Digest { return &Digest{at: at} }

// Kinds of parts.
const (
	digestToken byte = iota + 1
	digestMark
)

// Token adds a token.
func (d *Digest) Token(rec *Record) {
	d.part(digestToken, rec.User, rec.Name.Name)
	told := *rec
	told.Source, told.ID, told.Revision, told.Generation = Source{}, 0, 0, 0
	told.CreatedAt, told.UpdatedAt, told.IssuedAt = time.Time{}, time.Time{}, time.Time{}
	told.Credentials = make([]Credential, 0, len(rec.Credentials))
	for _, c := range rec.Credentials {
		if !c.GoodUntil.IsZero() {
			if !d.at.Before(c.GoodUntil) {
				continue
			}
			d.ends(c.GoodUntil)
		}
		c.IssuedAt, c.Number = time.Time{}, 0
		if c.Extra != nil {
			extra := *c.Extra
			extra.Sealed = nil
			c.Extra = &extra
		}
		told.Credentials = append(told.Credentials, c)
	}
	d.row = AppendRecord(d.row, &told)
	d.sums = append(d.sums, sha256.Sum256(d.row))
}

// Mark adds a mark, if gates decide by marks of its kind.
func (d *Digest) Mark(m *Mark) {
	switch {
	case m.Kind == UserRule && !RuleOf(m.Value).Blocked:
		d.excepted = append(d.excepted, *m)
		return
	case m.Kind == UserRule && IsPattern(m.Key):
		d.blocked = append(d.blocked, m.Key)
	case m.Kind != UserRule && m.Kind != Revoked:
		return
	}
	d.sums = append(d.sums, d.mark(m))
}

func (d *Digest) mark(m *Mark) [sha256.Size]byte {
	d.part(digestMark, m.Key, m.Value)
	d.row = append(d.row, byte(m.Kind))
	return sha256.Sum256(d.row)
}

// matters tells whether a user that is not blocked could be, but for this: one who
// was let in again, and whom no pattern blocks, is as one of whom nothing was ever
// said.
func (d *Digest) matters(exception *Mark) bool {
	if IsPattern(exception.Key) {
		return len(d.blocked) > 0
	}
	return slices.ContainsFunc(d.blocked, func(pattern string) bool { return Match(pattern, exception.Key) })
}

// part begins a part with two texts, so that no two parts have the same bytes.
func (d *Digest) part(kind byte, one, other string) {
	d.row = append(d.row[:0], kind)
	for _, s := range []string{one, other} {
		d.row = append(binary.AppendUvarint(d.row, uint64(len(s))), s...)
	}
}

func (d *Digest) ends(t time.Time) {
	if d.until.IsZero() || t.Before(d.until) {
		d.until = t
	}
}

// Sum is the digest of what was added. It is the same before and after further
// calls of Sum.
func (d *Digest) Sum() (sum [sha256.Size]byte) {
	sums := slices.Clip(d.sums)
	for i := range d.excepted {
		if d.matters(&d.excepted[i]) {
			sums = append(sums, d.mark(&d.excepted[i]))
		}
	}
	slices.SortFunc(sums, func(a, b [sha256.Size]byte) int { return bytes.Compare(a[:], b[:]) })
	h := sha256.New()
	for i := range sums {
		_, _ = h.Write(sums[i][:])
	}
	h.Sum(sum[:0])
	return sum
}

// Until is when the digest becomes another one by itself, because a grace
// ends; the zero time: never.
func (d *Digest) Until() time.Time { return d.until }

// digestTurn is how many tokens are looked at before it is others' turn.
const digestTurn = 256

// Contents is what a Digest is taken of. A Store is one.
type Contents interface {
	Walk(visit func(*Record, Rule))
	Marks() iter.Seq[Mark]
	Commits() uint64
}

// DigestOf takes the digest of a store, and tells after how many commits. It
// returns false where the store was changed meanwhile: then no moment is known
// at which that was its digest.
func DigestOf(s Contents, at time.Time) (d *Digest, commits uint64, ok bool) {
	d, commits = NewDigest(at), s.Commits()
	visited := 0
	s.Walk(func(rec *Record, _ Rule) {
		d.Token(rec)
		if visited++; visited%digestTurn == 0 {
			runtime.Gosched()
		}
	})
	for m := range s.Marks() {
		d.Mark(&m)
	}
	return d, commits, s.Commits() == commits
}
