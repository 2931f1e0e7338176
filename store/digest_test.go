package store

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store/token"
)

var digestNoon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func digestOf(records []Record, marks ...Mark) [32]byte {
	d := NewDigest(digestNoon)
	for i := range records {
		d.Token(&records[i])
	}
	for i := range marks {
		d.Mark(&marks[i])
	}
	return d.Sum()
}

// What a gate could answer by makes another digest, and nothing else does.
func TestDigest(t *testing.T) {
	base := func() Record {
		r := record("a", 1, 2)
		r.Audience, r.Generation, r.ID, r.Revision = DefaultAudience, 2, 7, 9
		r.Credentials[0].GoodUntil = digestNoon.Add(time.Hour)
		return r
	}
	want := digestOf([]Record{base()})
	for name, change := range map[string]func(*Record){
		"user": func(r *Record) { r.User = "v" }, "name": func(r *Record) { r.Name.Name = "b" },
		"description": func(r *Record) { r.Description = "d" }, "type": func(r *Record) { r.Type = Custom },
		"scopes": func(r *Record) { r.Scopes = []string{"s"} }, "sets": func(r *Record) { r.ScopeSets = []string{"s"} },
		"addresses": func(r *Record) { r.AllowedIPs = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} },
		"audience":  func(r *Record) { r.Audience = "web" }, "labels": func(r *Record) { r.Labels = []Label{{"k", "v"}} },
		"active": func(r *Record) { r.Active = false }, "not before": func(r *Record) { r.NotBefore = digestNoon },
		"expiry": func(r *Record) { r.ExpiresAt = digestNoon }, "key": func(r *Record) { r.Credentials[1].Key[3]++ },
		"digest": func(r *Record) { r.Credentials[1].Digest = token.DigestOf([32]byte{1}) },
		"pepper": func(r *Record) { r.Credentials[1].Pepper[0]++ }, "opaque": func(r *Record) { r.Credentials[1].Opaque = true },
		"grace":     func(r *Record) { r.Credentials[0].GoodUntil = digestNoon.Add(time.Minute) },
		"gone":      func(r *Record) { r.Credentials = r.Credentials[1:] },
		"two swap":  func(r *Record) { slices.Reverse(r.Credentials) },
		"grace end": func(r *Record) { r.Credentials[0].GoodUntil = digestNoon },
	} {
		r := base()
		if change(&r); digestOf([]Record{r}) == want {
			t.Errorf("%s: another token has the same digest", name)
		}
	}
	for name, change := range map[string]func(*Record){
		"id": func(r *Record) { r.ID++ }, "revision": func(r *Record) { r.Revision++ }, "source": func(r *Record) { r.Source = Source{"d", "p"} },
		"created": func(r *Record) { r.CreatedAt = digestNoon }, "updated": func(r *Record) { r.UpdatedAt = digestNoon },
		"issued":     func(r *Record) { r.IssuedAt = digestNoon; r.Credentials[0].IssuedAt = digestNoon },
		"generation": func(r *Record) { r.Generation++; r.Credentials[1].Number = 3 },
		"sealed":     func(r *Record) { r.Credentials[1].Extra = &Extra{Sealed: []byte("x")} },
		"past grace": func(r *Record) {
			r.Credentials = append(r.Credentials, Credential{Key: token.Key{5}, GoodUntil: digestNoon})
		},
	} {
		r := base()
		if change(&r); digestOf([]Record{r}) != want {
			t.Errorf("%s: the digest tells what no gate does", name)
		}
	}
}

func TestDigestOfUsers(t *testing.T) {
	rule := func(user string, blocked bool) Mark {
		return Mark{MarkID: UserRuleID(user), Value: Rule{Blocked: blocked}.Value()}
	}
	revoked := func(k byte, user string) Mark { return Mark{MarkID: RevokedID(token.Key{k}, user)} }
	seen := map[[32]byte]int{}
	for i, marks := range [][]Mark{
		nil,
		{rule("u", true)},
		{rule("*", true)},
		{rule("*", true), rule("u", false)},
		{rule("*", true), rule("u*", false)},
		{rule("*", true), rule("u", true)},
		{rule("v", true)},
		{rule("u", true), rule("v", true)},
		{revoked(1, "")},
		{revoked(1, "u")},
		{revoked(2, "")},
	} {
		sum := digestOf(nil, marks...)
		if j, twice := seen[sum]; twice {
			t.Errorf("the marks %d and %d have one digest", i, j)
		}
		seen[sum] = i
		if slices.Reverse(marks); digestOf(nil, marks...) != sum {
			t.Errorf("the digest of %d depends on their order", i)
		}
	}
	for _, marks := range [][]Mark{{rule("u", false)}, {rule("u*", false), rule("v", false)}} {
		if digestOf(nil, marks...) != digestOf(nil) {
			t.Errorf("%v let in whom nobody blocks, and change the digest", marks)
		}
	}
	if digestOf(nil, rule("ci-*", true), rule("u", false)) != digestOf(nil, rule("ci-*", true)) {
		t.Error("who is let in though no pattern blocks him changes the digest")
	}
	if digestOf(nil, Mark{MarkID: OnceID("d", "n"), Value: "x"}) != digestOf(nil) {
		t.Error("a mark that no gate looks at is in the digest")
	}
}

// Two stores that came about in another order are the same, and one that
// changes says so.
func TestDigestOf(t *testing.T) {
	one, other := filled(record("a", 1), record("b", 2)), filled(record("b", 2))
	sum := func(x *Index) ([32]byte, uint64) {
		d, commits, ok := DigestOf(x, digestNoon)
		if !ok {
			t.Error("a store at rest has no digest")
		}
		return d.Sum(), commits
	}
	first, _ := sum(one)
	if before, n := sum(other); before == first || n != 1 {
		t.Errorf("a store with another token has the same digest after %d commits", n)
	}
	other.Apply(&Batch{Put: []Record{record("c", 3)}})
	other.Apply(&Batch{Put: []Record{record("a", 1)}, Delete: []Name{{"u", "c"}}})
	if got, n := sum(other); got != first || n != 3 {
		t.Errorf("the digest is %x after %d commits, want %x", got, n, first)
	}
	if _, _, ok := DigestOf(changing{other}, digestNoon); ok {
		t.Error("a store that changes meanwhile has a digest")
	}
}

// The digest says when it ends.
func TestDigestUntil(t *testing.T) {
	r := record("a", 1, 2)
	r.Credentials[0].GoodUntil, r.Credentials[1].GoodUntil = digestNoon.Add(time.Hour), digestNoon.Add(time.Minute)
	d := NewDigest(digestNoon)
	d.Token(&r)
	if got := d.Until(); !got.Equal(digestNoon.Add(time.Minute)) {
		t.Errorf("the digest holds until %v", got)
	}
}

// changing is an Index that changes while it is looked at.
type changing struct{ *Index }

func (c changing) Walk(visit func(*Record, Rule)) {
	c.Index.Walk(visit)
	c.Apply(&Batch{})
}
