package restore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/badgerstore"
	"github.com/tokendrop/tokendrop/store/dump"
	"github.com/tokendrop/tokendrop/store/memstore"
	"github.com/tokendrop/tokendrop/store/token"
)

var when = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// shelf is a store, and what tests do to it.
type shelf struct {
	*testing.T
	store.Store
	patches uint64
}

func memory(t *testing.T) *shelf {
	t.Helper()
	st, err := memstore.Open(nil, memstore.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	return &shelf{T: t, Store: st}
}

func badger(t *testing.T) *shelf {
	t.Helper()
	st, err := badgerstore.Open(t.Context(), badgerstore.Options{Path: t.TempDir() + "/store"})
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return &shelf{T: t, Store: st}
}

// do commits what change does to a draft.
func (s *shelf) do(change func(*store.Draft), changes ...store.Change) {
	s.Helper()
	s.patches++
	n := store.Entry{Time: when, Dir: "spool", Path: "x.yaml", Outcome: store.Installed, Changed: true, Changes: changes}
	binary.BigEndian.PutUint64(n.Patch[:], s.patches)
	d := store.NewDraft(s.Store)
	change(d)
	if err := s.Commit(s.Context(), d.Batch([]store.Entry{n})); err != nil {
		s.Fatal(err)
	}
}

func name(n string) store.Name { return store.Name{User: "/users/" + n, Name: n} }

func key(n byte) token.Key { return token.Key{n} }

func record(n string, keys ...byte) store.Record {
	r := store.Record{
		Name: name(n), Type: store.FullAccess, Audience: store.DefaultAudience, Active: true, Generation: uint64(len(keys)),
		CreatedAt: when, UpdatedAt: when, IssuedAt: when, Source: store.Source{Dir: "spool", Path: n},
	}
	for i, k := range keys {
		r.Credentials = append(r.Credentials, store.Credential{Key: key(k), Digest: token.DigestOf([32]byte{k}), Number: uint64(i + 1), IssuedAt: when})
	}
	return r
}

func (s *shelf) create(n string, keys ...byte) {
	s.Helper()
	r := record(n, keys...)
	s.do(func(d *store.Draft) { d.Put(r) }, store.Change{Action: "create", Key: r.Key(), Name: r.Name, Result: store.Created})
}

func (s *shelf) change(n string, change func(*store.Record)) {
	s.Helper()
	s.do(func(d *store.Draft) {
		r, _ := d.ByName(name(n))
		r.Credentials = slices.Clone(r.Credentials)
		change(&r)
		d.Put(r)
	})
}

func (s *shelf) drop(n string) { s.Helper(); s.do(func(d *store.Draft) { d.Delete(name(n)) }) }

func (s *shelf) mark(id store.MarkID, value string) {
	s.Helper()
	s.do(func(d *store.Draft) { d.SetMark(id, value) })
}

func (s *shelf) used(n string, count uint64) {
	s.Helper()
	r, _ := s.ByName(name(n))
	err := s.RecordUses(s.Context(), []store.Used{{Token: r.ID, Name: r.Name, Key: r.Key(), CredentialUse: store.CredentialUse{Number: 1, Use: store.Use{At: when, Count: count}}}})
	if err != nil {
		s.Fatal(err)
	}
}

// dump is a backup of what the store holds.
func (s *shelf) dump() *dump.File {
	s.Helper()
	var buf bytes.Buffer
	err := s.View(s.Context(), func(v store.View) error {
		_, err := dump.Write(&buf, when, v)
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	f, err := dump.Open(bytes.NewReader(buf.Bytes()))
	if err != nil {
		s.Fatal(err)
	}
	return f
}

// restored is the store that a backup makes of today's, which may be nil.
func restored(t *testing.T, to *shelf, backup store.View, today *shelf, exactly bool) (*shelf, *Diff) {
	t.Helper()
	entry := store.Entry{Patch: store.PatchID{0xff, byte(backup.Totals().ID)}, Time: when, Dir: "admin", Path: "restore", Author: "root"}
	var diff *Diff
	do := func(v store.View) (err error) {
		s := Sides{Backup: backup, Present: v, Exactly: exactly}
		if today != nil {
			s.Today = today
		}
		diff, err = s.Make(t.Context(), to, entry)
		return err
	}
	var err error
	if today == nil {
		err = do(nil)
	} else {
		err = today.View(t.Context(), do)
	}
	if err != nil {
		t.Fatal(err)
	}
	return to, diff
}

func (s *shelf) names() []string {
	var names []string
	for r := range s.Tokens() {
		names = append(names, r.Name.Name)
	}
	slices.Sort(names)
	return names
}

func (s *shelf) ledger() []store.Entry {
	s.Helper()
	var all []store.Entry
	for n, err := range s.Ledger(s.Context()) {
		if err != nil {
			s.Fatal(err)
		}
		all = append(all, n)
	}
	return all
}

func (s *shelf) uses(n string) uint64 {
	s.Helper()
	all, err := s.Uses(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	r, _ := s.ByName(name(n))
	uses := all[r.ID]
	return uses.Total().Count
}

// story is a store, a backup of it, and what happened after it was taken.
func story(t *testing.T) (*shelf, *dump.File) {
	s := memory(t)
	s.create("deleted", 1)
	s.create("revoked", 2)
	s.create("disabled", 3)
	s.create("same", 4)
	s.create("rotated", 5)
	s.create("half", 6, 7)
	s.create("described", 8)
	s.create("expired", 9)
	s.mark(store.SerialID("spool/x"), "9")
	s.mark(store.OnceID("spool", "first"), "sum")
	s.mark(store.FirstIssueID(name("same")), store.TimeValue(when))
	s.mark(store.UserRuleID("/users/described"), store.Rule{}.Value())
	s.mark(store.WrittenID("/out"), "before")
	s.used("deleted", 3)
	s.used("same", 4)
	f := s.dump()

	s.drop("deleted")
	s.drop("revoked")
	s.mark(store.RevokedID(key(2), ""), "")
	s.change("disabled", func(r *store.Record) { r.Active = false })
	s.change("rotated", func(r *store.Record) {
		r.Generation, r.Credentials[0].Number, r.Credentials[0].Digest = 2, 2, token.DigestOf([32]byte{50})
	})
	s.mark(store.RevokedID(key(7), ""), "")
	s.change("half", func(r *store.Record) { r.Credentials = r.Credentials[:1] })
	s.change("described", func(r *store.Record) { r.Description = "new" })
	s.change("expired", func(r *store.Record) { r.ExpiresAt = when })
	s.create("later", 20)
	s.mark(store.SerialID("spool/x"), "10")
	s.mark(store.OnceID("spool", "second"), "sum")
	s.mark(store.FirstIssueID(name("same")), store.TimeValue(when.Add(-time.Hour)))
	s.mark(store.UserRuleID("/users/described"), store.Rule{Blocked: true, Reason: "left"}.Value())
	s.mark(store.WrittenID("/out"), "after")
	s.used("same", 1)
	return s, f
}

func items(g Group) map[string]string {
	m := map[string]string{}
	for _, i := range g.First {
		called := i.User + "/" + i.Name.Name
		if i.Name == (store.Name{}) {
			called = i.Key.String()[:2]
		}
		m[called] = i.Why
	}
	if int(g.Count) != len(g.First) {
		m["count"] = strconv.Itoa(int(g.Count))
	}
	return m
}

func expectItems(t *testing.T, what string, g Group, want map[string]string) {
	t.Helper()
	if got := items(g); !reflect.DeepEqual(got, want) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// 1, 2, 3: tokens are as they were; what is known since stays.
func TestRestore(t *testing.T) {
	for kind, open := range map[string]func(*testing.T) *shelf{"memory": memory, "badger": badger} {
		t.Run(kind, func(t *testing.T) {
			today, backup := story(t)
			before := today.ledger()
			st, diff := restored(t, open(t), backup, today, false)
			if got, want := st.names(), []string{"deleted", "described", "disabled", "expired", "half", "rotated", "same"}; !slices.Equal(got, want) {
				t.Errorf("tokens %v, want %v", got, want)
			}
			expectItems(t, "revive", diff.Revive, map[string]string{
				"/users/deleted/deleted": WhyGone, "/users/disabled/disabled": WhyDisabled,
				"/users/rotated/rotated": WhyReplaced, "/users/expired/expired": WhyExpired,
			})
			expectItems(t, "drop", diff.Drop, map[string]string{"/users/later/later": ""})
			expectItems(t, "change", diff.Change, map[string]string{"/users/described/described": ""})
			expectItems(t, "withheld", diff.Withheld, map[string]string{"/users/revoked/revoked": WhyRevoked, "/users/half/half": WhyRevoked})
			if diff.Same != 2 || diff.Add.Count+diff.Lift.Count != 0 {
				t.Errorf("%d are the same, %d are added, %d lifted", diff.Same, diff.Add.Count, diff.Lift.Count)
			}
			if r, _ := st.ByName(name("half")); len(r.Credentials) != 1 || r.Key() != key(6) {
				t.Errorf("the revoked credential is back: %+v", r.Credentials)
			}
			for id, want := range map[store.MarkID]string{
				store.SerialID("spool/x"): "10", store.OnceID("spool", "first"): "sum", store.OnceID("spool", "second"): "sum",
				store.FirstIssueID(name("same")): store.TimeValue(when.Add(-time.Hour)), store.RevokedID(key(2), ""): "",
				store.UserRuleID("/users/described"): store.Rule{Blocked: true, Reason: "left"}.Value(), store.WrittenID("/out"): "after",
			} {
				if m, ok := st.Mark(id); !ok || m.Value != want {
					t.Errorf("mark %+v, %v, want %q", m, ok, want)
				}
			}
			if got := st.uses("same"); got != 5 {
				t.Errorf("same was used %d times, want 5", got)
			}
			if got := st.uses("deleted"); got != 3 {
				t.Errorf("deleted was used %d times, want 3", got)
			}
			after := st.ledger()
			if !reflect.DeepEqual(after[:len(after)-1], before) {
				t.Error("the ledger is not what it was")
			}
			last := after[len(after)-1]
			if last.Author != "root" || !last.Changed || last.Outcome != store.Installed || len(last.Changes) != 6 {
				t.Errorf("the restore is recorded as %+v", last)
			}
		})
	}
}

// Exactly what was, but for what is said of files of today.
func TestRestoreExactly(t *testing.T) {
	today, backup := story(t)
	st, diff := restored(t, memory(t), backup, today, true)
	if _, ok := st.ByName(name("revoked")); !ok || st.Revoked(key(2), "") {
		t.Error("the revoked token is not back")
	}
	expectItems(t, "lift", diff.Lift, map[string]string{"02": WhyRevoked, "07": WhyRevoked, "/users/described/": WhyUser})
	for id, want := range map[store.MarkID]string{
		store.SerialID("spool/x"): "9", store.OnceID("spool", "first"): "sum", store.WrittenID("/out"): "after",
		store.UserRuleID("/users/described"): store.Rule{}.Value(),
	} {
		if m, ok := st.Mark(id); !ok || m.Value != want {
			t.Errorf("mark %+v, %v, want %q", m, ok, want)
		}
	}
	if _, ok := st.Mark(store.OnceID("spool", "second")); ok {
		t.Error("a later name is still used")
	}
	if got, want := len(st.ledger()), len(today.ledger())+1; got != want {
		t.Errorf("%d entries, want %d", got, want)
	}
}

// Without a store of today all is as it was, with one entry more.
func TestRestoreAlone(t *testing.T) {
	today, backup := story(t)
	_ = today
	st, diff := restored(t, memory(t), backup, nil, false)
	again := st.dump()
	if again.Totals().Records != backup.Totals().Records || again.Totals().Marks != backup.Totals().Marks || again.Summary.Uses != backup.Summary.Uses || again.ID != backup.ID+1 {
		t.Errorf("restored %+v of %+v", again.Summary, backup.Summary)
	}
	for rec := range st.Tokens() {
		i := slices.IndexFunc(slices.Collect(recordsOf(t, backup)), func(r store.Record) bool { return same(&r, &rec) && r.ID == rec.ID })
		if i < 0 {
			t.Errorf("%v is not as it was", rec.Name)
		}
	}
	if diff.Add.Count != 8 || diff.Revive.Count != 0 {
		t.Errorf("%d are added, %d revived", diff.Add.Count, diff.Revive.Count)
	}
	if st.uses("deleted") != 3 || st.uses("same") != 4 {
		t.Errorf("used %d and %d times", st.uses("deleted"), st.uses("same"))
	}
}

func recordsOf(t *testing.T, v store.View) func(func(store.Record) bool) {
	return func(yield func(store.Record) bool) {
		for r, err := range v.Records() {
			if err != nil {
				t.Fatal(err)
			}
			if !yield(r) {
				return
			}
		}
	}
}

// 2: of stores that have gone apart no entry is lost. 3: who is blocked here
// stays blocked, whatever the other store has said.
func TestRestoreElsewhere(t *testing.T) {
	_, backup := story(t)
	other := memory(t)
	other.patches = 1000
	other.create("own", 30)
	other.mark(store.UserRuleID("/users/*"), store.Rule{Blocked: true}.Value())
	st, diff := restored(t, memory(t), backup, other, false)
	ledger := st.ledger()
	if want := backup.ID + 2 + 1; uint64(len(ledger)) != want {
		t.Fatalf("%d entries, want %d", len(ledger), want)
	}
	if last := ledger[len(ledger)-2]; !slices.Equal(last.Patch[:8], []byte{0, 0, 0, 0, 0, 0, 3, 0xea}) {
		t.Errorf("the own entries come %+v", last.Patch)
	}
	var f store.Found
	if st.Lookup(key(8), &f); !f.Known() || !f.Rule.Blocked {
		t.Errorf("described is %+v, %v: let in by a rule of another store", f.Rule, f.Known())
	}
	if diff.Add.Count != 8 || diff.Drop.Count != 1 {
		t.Errorf("%d are added, %d dropped", diff.Add.Count, diff.Drop.Count)
	}
}

// A backup that goes on where today's store ends, as after an old image was
// started, brings its ledger along.
func TestRestoreAhead(t *testing.T) {
	today, _ := story(t)
	ahead := today.dump()
	old, _ := restored(t, memory(t), ahead, nil, false)
	old.patches = 500
	old.create("more", 99)
	st, diff := restored(t, memory(t), old.dump(), today, false)
	if got, want := len(st.ledger()), len(today.ledger())+3; got != want {
		t.Errorf("%d entries, want %d", got, want)
	}
	expectItems(t, "add", diff.Add, map[string]string{"/users/more/more": ""})
}

// Tokens are spread over entries, however few there are.
func TestRestoreMany(t *testing.T) {
	s := memory(t)
	for patch := range 3 {
		s.do(func(d *store.Draft) {
			for i := range 4000 {
				r := record(strconv.Itoa(patch*10_000+i), 0)
				binary.BigEndian.PutUint32(r.Credentials[0].Key[:], uint32(patch*10_000+i+1))
				d.Put(r)
			}
		})
	}
	st, _ := restored(t, badger(t), s.dump(), nil, false)
	if got := st.dump(); got.Totals().Records != 12_000 || got.ID != 4 {
		t.Errorf("restored %+v", got.Summary)
	}
}

// Single tokens come back, and nothing else changes.
func TestOnly(t *testing.T) {
	today, backup := story(t)
	before := len(today.ledger())
	only := func(wanted ...string) (diff *Diff, err error) {
		err = today.View(t.Context(), func(v store.View) error {
			s := Sides{Backup: backup, Present: v, Today: today, Wanted: func(r *store.Record) bool { return slices.Contains(wanted, r.Name.Name) }}
			var batch store.Batch
			diff, batch, err = s.Only(today.Limits(), store.Entry{Patch: store.PatchID{0xee, byte(today.Head().ID)}, Time: when, Dir: "admin", Path: "restore"})
			if err != nil {
				return err
			}
			return today.Commit(t.Context(), batch)
		})
		return diff, err
	}
	diff, err := only("deleted", "revoked", "rotated", "same")
	if err != nil {
		t.Fatal(err)
	}
	expectItems(t, "revive", diff.Revive, map[string]string{"/users/deleted/deleted": WhyGone, "/users/rotated/rotated": WhyReplaced})
	expectItems(t, "withheld", diff.Withheld, map[string]string{"/users/revoked/revoked": WhyRevoked})
	if diff.Drop.Count+diff.Add.Count+diff.Change.Count != 0 || diff.Same != 1 {
		t.Errorf("too much happens: %+v", diff)
	}
	if got, want := today.names(), []string{"deleted", "described", "disabled", "expired", "half", "later", "rotated", "same"}; !slices.Equal(got, want) {
		t.Errorf("tokens %v, want %v", got, want)
	}
	if n := len(today.ledger()); n != before+1 {
		t.Errorf("%d entries are new", n-before)
	}
	today.drop("deleted")
	today.create("thief", 1)
	if _, err := only("deleted"); err == nil {
		t.Error("a key has two tokens")
	}
}
