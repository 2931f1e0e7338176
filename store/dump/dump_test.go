package dump

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"io"
	"iter"
	"net/netip"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/badgerstore"
	"github.com/tokendrop/tokendrop/store/memstore"
	"github.com/tokendrop/tokendrop/store/token"
)

var update = flag.Bool("update", false, "write testdata/golden.dump anew")

var when = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// held is all that a view has.
type held struct {
	Totals  store.Totals
	Entries []store.Entry
	Records map[store.Name]store.Record
	Marks   map[store.MarkID]store.Mark
	Uses    map[store.TokenID]store.Uses
}

func holds(t *testing.T, v store.View) held {
	t.Helper()
	h := held{v.Totals(), nil, map[store.Name]store.Record{}, map[store.MarkID]store.Mark{}, map[store.TokenID]store.Uses{}}
	for n := range all(t, v.Entries()) {
		h.Entries = append(h.Entries, n)
	}
	for r := range all(t, v.Records()) {
		h.Records[r.Name] = r
	}
	for m := range all(t, v.Marks()) {
		h.Marks[m.MarkID] = m
	}
	for u := range all(t, v.Uses()) {
		h.Uses[u.ID] = u.Uses
	}
	return h
}

func all[T any](t *testing.T, seq iter.Seq2[T, error]) iter.Seq[T] {
	return func(yield func(T) bool) {
		for v, err := range seq {
			if err != nil {
				t.Fatal(err)
			}
			if !yield(v) {
				return
			}
		}
	}
}

// fill gives a store something of everything.
func fill(t testing.TB, st store.Store) {
	t.Helper()
	name := store.Name{User: "/users/root", Name: "a token"}
	key := token.Key{1, 2, 3}
	plain := store.Record{
		Name: name, Description: "first", Type: store.Custom, Scopes: []string{"a", "b"}, ScopeSets: []string{"set"},
		AllowedIPs: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Audience: "other",
		Labels: []store.Label{{Key: "k", Value: "v"}}, Active: true, NotBefore: when, ExpiresAt: when.AddDate(1, 0, 0),
		IssuedAt: when, CreatedAt: when, UpdatedAt: when, Generation: 2, Source: store.Source{Dir: "spool", Path: "x.yaml"},
		Credentials: []store.Credential{
			{Key: key, Digest: token.DigestOf([32]byte{7}), Pepper: token.PepperID{9}, Number: 2, IssuedAt: when, Extra: &store.Extra{Sealed: []byte("sealed")}},
			{Key: token.Key{4}, Digest: token.DigestOf([32]byte{8}), Number: 1, IssuedAt: when, GoodUntil: when.Add(time.Hour)},
		},
	}
	imported := store.Record{
		Name: store.Name{User: "u", Name: "n"}, Type: store.FullAccess, Audience: store.DefaultAudience, Generation: 1,
		IssuedAt: when, CreatedAt: when, UpdatedAt: when,
		Credentials: []store.Credential{{Key: token.Key{5}, Number: 1, IssuedAt: when, Extra: &store.Extra{Imported: token.HMACSHA512.Digest("strapi", "text", []byte("salt"))}}},
	}
	once, rule, revoked := store.OnceID("spool", "setup"), store.UserRuleID("/users/*"), store.RevokedID(token.Key{6}, "")
	commit(t, st, store.Batch{
		Expect: map[store.Name]store.Revision{plain.Name: 0, imported.Name: 0}, Put: []store.Record{plain, imported},
		ExpectMarks: map[store.MarkID]store.Revision{once: 0, rule: 0, revoked: 0},
		Marks:       []store.Mark{{MarkID: once, Value: "sum"}, {MarkID: rule, Value: store.Rule{Reason: "back"}.Value()}, {MarkID: revoked}},
		Entries: []store.Entry{
			{Patch: store.PatchID{1}, Time: when, Dir: "spool", Path: "x.yaml", Outcome: store.Installed, SHA256: [32]byte{3}, Changed: true, Author: "root", Changes: []store.Change{{Action: "create", Key: key, Name: name, Result: store.Created}}},
			{Patch: store.PatchID{2}, Time: when, Dir: "spool", Path: "bad.yaml", Outcome: store.Failed, Reasons: []string{"bad.yaml:1:1: no"}},
		},
	})
	commit(t, st, store.Batch{Entries: []store.Entry{{Patch: store.PatchID{3}, Time: when, Dir: "spool", Path: "empty.yaml", Outcome: store.Skipped}}})
	rec, _ := st.ByName(name)
	err := st.RecordUses(t.Context(), []store.Used{
		{Token: rec.ID, Name: name, Key: key, CredentialUse: store.CredentialUse{Number: 2, Use: store.Use{At: when, IP: netip.MustParseAddr("2001:db8::1"), Count: 3}}},
		{Token: rec.ID, Name: name, Key: key, CredentialUse: store.CredentialUse{Number: 9, Use: store.Use{At: when, Count: 1}}}, // gone
	})
	if err != nil {
		t.Fatal(err)
	}
}

func commit(t testing.TB, st store.Store, b store.Batch) {
	t.Helper()
	if err := st.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func openMemory(t testing.TB) store.Store {
	t.Helper()
	st, err := memstore.Open(nil, memstore.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// written is a dump of a store, and what the store held.
func written(t *testing.T, st store.Store) (data []byte, s Summary, have held) {
	t.Helper()
	var buf bytes.Buffer
	err := st.View(t.Context(), func(v store.View) (err error) {
		have = holds(t, v)
		s, err = Write(&buf, when, v)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), s, have
}

// 2, for both backends, a full store and an empty one.
func TestRoundTrip(t *testing.T) {
	badger := func(t testing.TB) store.Store {
		st, err := badgerstore.Open(t.Context(), badgerstore.Options{Path: t.TempDir() + "/store"})
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	for name, open := range map[string]func(testing.TB) store.Store{"memory": openMemory, "badger": badger} {
		t.Run(name, func(t *testing.T) {
			st := open(t)
			defer st.Close()
			for range 2 {
				data, s, want := written(t, st)
				f, err := Open(bytes.NewReader(data))
				if err != nil {
					t.Fatal(err)
				}
				if got := holds(t, f); !reflect.DeepEqual(got, want) {
					t.Errorf("read:\ngot  %+v\nwant %+v", got, want)
				}
				if f.Summary != s || s.Size != int64(len(data)) || !s.Time.Equal(when) {
					t.Errorf("summaries: written %+v, read %+v, %d bytes", s, f.Summary, len(data))
				}
				if got, err := Check(bytes.NewReader(data)); err != nil || got != s {
					t.Errorf("Check = %+v, %v, want %+v", got, err, s)
				}
				if got, err := Summarize(bytes.NewReader(data)); err != nil || got.Totals != s.Totals || !got.Time.Equal(when) {
					t.Errorf("Summarize = %+v, %v", got, err)
				}
				for range f.Records() { // a reader may stop early
					break
				}
				if len(want.Records) == 0 {
					fill(t, st)
				}
			}
		})
	}
}

// The form of a dump changes with its version only.
func TestGolden(t *testing.T) {
	const path = "testdata/golden.dump"
	st := openMemory(t)
	fill(t, st)
	data, _, want := written(t, st)
	if *update {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(bytes.NewReader(golden))
	if err != nil {
		t.Fatal(err)
	}
	if got := holds(t, f); !reflect.DeepEqual(got, want) {
		t.Errorf("the golden dump has\n%+v, want\n%+v", got, want)
	}
}

// 1: a dump with any byte changed, or that ends anywhere else, is refused.
func TestDamaged(t *testing.T) {
	st := openMemory(t)
	fill(t, st)
	whole, _, _ := written(t, st)
	refused := func(what string, at int, data []byte) {
		t.Helper()
		_, err := Check(bytes.NewReader(data))
		_, openErr := Open(bytes.NewReader(data))
		if err == nil || openErr == nil {
			t.Errorf("a dump that is %s at %d is taken: %v, %v", what, at, err, openErr)
		}
		if at >= len(title) && !errors.Is(err, ErrDamaged) {
			t.Errorf("%s at %d: %v, want ErrDamaged", what, at, err)
		}
	}
	for i := range whole {
		refused("cut", i, whole[:i])
		for _, flip := range []byte{0x01, 0x80, 0xff} {
			changed := bytes.Clone(whole)
			changed[i] ^= flip
			refused("changed", i, changed)
		}
	}
	refused("longer", len(whole), append(bytes.Clone(whole), 0))
	refused("twice", len(whole), append(bytes.Clone(whole), whole...))
}

func TestOthers(t *testing.T) {
	for text, want := range map[string]error{
		"":                            ErrForeign,
		"tokens:\n- user: somebody\n": ErrForeign,
		"tokendrop dump 2\nh":         ErrVersion,
		"tokendrop dump 10\n":         ErrVersion,
		"tokendrop du":                ErrDamaged,
	} {
		if _, err := Check(bytes.NewReader([]byte(text))); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}

// A view that fails, or a disk that is full, leaves no dump that is whole.
func TestWriteFails(t *testing.T) {
	st := openMemory(t)
	fill(t, st)
	whole, _, _ := written(t, st)
	own := errors.New("own")
	for room := range len(whole) {
		err := st.View(t.Context(), func(v store.View) error {
			_, err := Write(&small{left: room, err: own}, when, v)
			return err
		})
		if !errors.Is(err, own) {
			t.Fatalf("with room for %d bytes: %v", room, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := st.View(ctx, func(v store.View) error {
		cancel()
		_, err := Write(io.Discard, when, v)
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Write = %v after the end of its context", err)
	}
}

// small is a disk that gets full.
type small struct {
	left int
	err  error
}

func (s *small) Write(p []byte) (int, error) {
	if s.left -= len(p); s.left < 0 {
		return 0, s.err
	}
	return len(p), nil
}

// Whatever is in a file whose checksum is right, it is read without an error or
// refused.
func FuzzOpen(f *testing.F) {
	st := openMemory(f)
	fill(f, st)
	var buf bytes.Buffer
	err := st.View(f.Context(), func(v store.View) error {
		_, err := Write(&buf, when, v)
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes()[:buf.Len()-sha256.Size])
	f.Add([]byte(title))
	f.Add([]byte("tokendrop dump 1\nh\x24\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00e\x04\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := sha256.Sum256(body)
		d, err := Open(bytes.NewReader(append(body, sum[:]...)))
		if err != nil {
			return
		}
		h := holds(t, d)
		if uint64(len(h.Entries)) != d.ID {
			t.Errorf("%d entries are read of %+v", len(h.Entries), d.Totals())
		}
	})
}
