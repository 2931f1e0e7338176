// Package storetest is the suite that every backend of package store passes.
// A backend joins it with a function that makes a fresh disk:
//
//	func TestConformance(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Opener {
//			dir := t.TempDir()
//			return func() (store.Store, error) { return mybackend.Open(dir) }
//		})
//	}
//
// The numbers in the comments of the tests are those of the invariants in
// package store. What only some backends can show, such as durability or
// faults, is tested beside them.
package storetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// Opener opens the disk that it stands for. The suite closes one Store before
// it opens the next.
type Opener func() (store.Store, error)

// Run runs the suite. Each test gets a fresh disk.
func Run(t *testing.T, disk func(t *testing.T) Opener) {
	for _, test := range []struct {
		name string
		run  func(*bench)
	}{
		{"empty", testEmpty},
		{"reopen", testReopen},
		{"names", testNames},
		{"conflicts", testConflicts},
		{"keys", testKeys},
		{"former keys", testFormerKeys},
		{"applied", testApplied},
		{"refused batches", testRefused},
		{"caller's batch", testCallersBatch},
		{"marks", testMarks},
		{"names of marks", testMarkNames},
		{"conflicts of marks", testMarkConflicts},
		{"refused marks", testMarkRefused},
		{"kept marks", testKeptMarks},
		{"rules", testRules},
		{"uses", testUses},
		{"uses of what has gone", testUsesGone},
		{"many uses", testManyUses},
		{"limits", testLimits},
		{"ledger", testLedger},
		{"head", testHead},
		{"large entry", testLargeEntry},
		{"view", testView},
		{"cancelled", testCancelled},
		{"closed", testClosed},
		{"readers", testReaders},
		{"committers", testCommitters},
		{"model", testModel},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := &bench{T: t, open: disk(t)}
			b.reopen()
			t.Cleanup(func() { _ = b.Close() })
			test.run(b)
		})
	}
}

// bench is one test's store, and what the test does with it.
type bench struct {
	*testing.T
	store.Store
	open    Opener
	patches uint64
}

// reopen closes the store, if there is one, and opens it again.
func (b *bench) reopen() {
	b.Helper()
	if b.Store != nil {
		if err := b.Close(); err != nil {
			b.Fatalf("closing: %v", err)
		}
	}
	s, err := b.open()
	if err != nil {
		b.Fatalf("opening: %v", err)
	}
	b.Store = s
}

// commit stores a batch, which has to succeed.
func (b *bench) commit(batch store.Batch) {
	b.Helper()
	before := b.Commits()
	if err := b.Commit(b.Context(), batch); err != nil {
		b.Fatalf("committing: %v", err)
	}
	if after := b.Commits(); after <= before {
		b.Errorf("Commits = %d after %d and another one", after, before)
	}
}

// refuse commits a batch that has to fail with want, and to leave nothing, now
// or later. A nil want is any error.
func (b *bench) refuse(batch store.Batch, want error) {
	b.Helper()
	before, commits := b.state(), b.Commits()
	err := b.Commit(b.Context(), batch)
	if after := b.Commits(); after != commits {
		b.Errorf("Commits = %d after %d and a refused one", after, commits)
	}
	if err == nil || want != nil && !errors.Is(err, want) {
		b.Errorf("Commit = %v, want %v", err, want)
	}
	if errors.Is(err, store.ErrUnknown) {
		b.Errorf("Commit leaves open what happened")
	}
	if after := b.state(); !reflect.DeepEqual(before, after) {
		b.Errorf("a refused batch has left something:\nbefore %+v\nafter  %+v", before, after)
	}
	b.reopen()
	if after := b.state(); !reflect.DeepEqual(before, after) {
		b.Errorf("a refused batch has come back:\nbefore %+v\nafter  %+v", before, after)
	}
}

// state is all that a store holds.
type state struct {
	Tokens map[store.Name]store.Record
	Marks  map[store.MarkID]store.Mark
	Ledger []store.Entry
	Uses   map[store.TokenID]store.Uses
}

// state reads the store, and checks that its ways of reading agree.
func (b *bench) state() state {
	b.Helper()
	s := newState()
	for r := range b.Tokens() {
		if _, twice := s.Tokens[r.Name]; twice {
			b.Errorf("token %v is there twice", r.Name)
		}
		s.Tokens[r.Name] = r
	}
	for m := range b.Marks() {
		if _, twice := s.Marks[m.MarkID]; twice {
			b.Errorf("mark %q is there twice", m.MarkID)
		}
		s.Marks[m.MarkID] = m
	}
	b.checkReaders(s)
	b.checkForms(s)
	b.checkWalk(s)
	b.checkIDs(s)
	var err error
	if s.Uses, err = b.Uses(b.Context()); err != nil {
		b.Fatalf("reading uses: %v", err)
	}
	for n, err := range b.Ledger(b.Context()) {
		if err != nil {
			b.Fatalf("reading the ledger: %v", err)
		}
		if n.ID != uint64(len(s.Ledger))+1 { // 7
			b.Fatalf("entry %d comes at place %d", n.ID, len(s.Ledger)+1)
		}
		one, ok, err := b.Entry(b.Context(), n.Patch)
		if err != nil || !ok || !reflect.DeepEqual(one, n) {
			b.Fatalf("Entry = %+v, %v, %v, the ledger has %+v", one, ok, err, n)
		}
		s.Ledger = append(s.Ledger, n)
	}
	b.checkLatest(s.Ledger)
	if want := headOf(s.Ledger); b.Head() != want { // 11
		b.Errorf("Head = %d %x, want %d %x", b.Head().ID, b.Head().Chain, want.ID, want.Chain)
	}
	return s
}

func newState() state {
	return state{
		Tokens: make(map[store.Name]store.Record), Marks: make(map[store.MarkID]store.Mark),
		Uses: make(map[store.TokenID]store.Uses),
	}
}

// 10: every token has an ID, and no other token has it.
func (b *bench) checkIDs(s state) {
	b.Helper()
	seen := make(map[store.TokenID]store.Name)
	for name, r := range s.Tokens {
		if other, twice := seen[r.ID]; twice || r.ID == 0 {
			b.Errorf("the tokens %v and %v have the ID %d", name, other, r.ID)
		}
		seen[r.ID] = name
	}
}

func (b *bench) checkWalk(s state) {
	b.Helper()
	visited := make(map[store.Name]bool)
	b.Walk(func(r *store.Record, rule store.Rule) {
		want := s.Tokens[r.Name]
		same := bytes.Equal(store.AppendRecord(nil, r), store.AppendRecord(nil, &want))
		if visited[r.Name] || !same || rule != ruleOf(s.Marks, r.User) {
			b.Errorf("visited is %+v with %+v, twice: %v, want %+v", r, rule, visited[r.Name], want)
		}
		visited[r.Name] = true
	})
	if len(visited) != len(s.Tokens) {
		b.Errorf("%d tokens are visited of %d", len(visited), len(s.Tokens))
	}
}

func (b *bench) checkForms(s state) {
	b.Helper()
	want, opaque := make(map[store.Form]int), false
	for _, r := range s.Tokens {
		for i := range r.Credentials {
			opaque = opaque || r.Credentials[i].Opaque || r.Credentials[i].Imported() != nil
			if f := r.Credentials[i].Form(); f != (store.Form{}) {
				want[f]++
			}
		}
	}
	if got := b.Forms(); len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		b.Errorf("Forms = %v, want %v", got, want)
	}
	if b.HasOpaque() != opaque {
		b.Errorf("HasOpaque = %v", !opaque)
	}
}

// looked is all that Lookup finds.
func looked(s store.Store, key token.Key) (store.Record, store.Rule, bool) {
	var f store.Found
	s.Lookup(key, &f)
	r, ok := f.Record()
	if !ok {
		return store.Record{}, f.Rule, false
	}
	return *r, f.Rule, true
}

func (b *bench) checkReaders(s state) {
	b.Helper()
	users := make(map[string][]store.Record)
	from := map[string]int{"spool": 0, "other": 0, "": 0}
	for name, r := range s.Tokens {
		users[name.User] = append(users[name.User], r)
		from[r.Source.Dir]++
		if got, ok := b.ByName(name); !ok || !reflect.DeepEqual(got, r) {
			b.Errorf("ByName = %+v, %v, want %+v", got, ok, r)
		}
		for _, key := range r.Keys() {
			if got, ok := b.ByKey(key); !ok || got.Name != name {
				b.Errorf("ByKey = %v, %v, want %v", got.Name, ok, name)
			}
			got, rule, ok := looked(b, key)
			if want := ruleOf(s.Marks, name.User); !ok || got.Name != name || rule != want {
				b.Errorf("Lookup = %v, %+v, %v, want %v, %+v", got.Name, rule, ok, name, want)
			}
		}
	}
	for user, want := range users {
		slices.SortFunc(want, func(x, y store.Record) int { return strings.Compare(x.Name.Name, y.Name.Name) })
		if got := b.OfUser(user); !reflect.DeepEqual(got, want) {
			b.Errorf("OfUser = %+v, want %+v", got, want)
		}
		names := b.NamesOf(map[string]bool{user: true})
		if slices.Sort(names[user]); len(names) != 1 || !slices.EqualFunc(names[user], want, func(n string, r store.Record) bool { return n == r.Name.Name }) {
			b.Errorf("NamesOf = %q, want those of %+v", names, want)
		}
	}
	for dir, want := range from {
		if got := b.CountFrom(dir); got != want {
			b.Errorf("CountFrom(%q) = %d, want %d", dir, got, want)
		}
	}
	for id, m := range s.Marks {
		if got, ok := b.Mark(id); !ok || got != m {
			b.Errorf("Mark = %+v, %v, want %+v", got, ok, m)
		}
	}
}

// entry is the ledger entry of a new patch.
func (b *bench) entry() store.Entry {
	b.patches++
	return entry(b.patches)
}

func entry(number uint64) store.Entry {
	n := store.Entry{Time: when, Dir: "spool", Path: "x.yaml", Outcome: store.Installed, Changed: true}
	// Identifiers do not ascend as the numbers of the entries do.
	binary.BigEndian.PutUint64(n.Patch[:], number*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(n.Patch[8:], number)
	return n
}

var when = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// name is a token's name; there are as many as there are numbers.
func name(number int) store.Name {
	return store.Name{User: "/users/u" + string(rune('a'+number%26)), Name: "n" + strconv.Itoa(number)}
}

func key(number int) token.Key {
	return token.Key{byte(number >> 24), byte(number >> 16), byte(number >> 8), byte(number), 0, 0, 0x40, 0, 0x80}
}

// record is a token with one credential for each key.
func record(name store.Name, keys ...token.Key) store.Record {
	r := store.Record{
		Name: name, Type: store.FullAccess, Audience: store.DefaultAudience, Active: true,
		IssuedAt: when, CreatedAt: when, UpdatedAt: when, Generation: 1,
		Source: store.Source{Dir: "spool", Path: "x.yaml"},
	}
	for _, k := range keys {
		r.Credentials = append(r.Credentials, store.Credential{Key: k, Digest: token.DigestOf([32]byte(append(k[:], k[:]...))), IssuedAt: when})
	}
	return r
}

// formerly gives the first credential of a token a key that it had before.
func formerly(r store.Record, k token.Key) store.Record {
	r.Credentials[0].Extra = &store.Extra{Former: k}
	return r
}

// write is a batch that puts records over what the store holds.
func (b *bench) write(records ...store.Record) store.Batch {
	batch := store.Batch{Expect: make(map[store.Name]store.Revision), Put: records, Entries: []store.Entry{b.entry()}}
	for _, r := range records {
		old, _ := b.ByName(r.Name)
		batch.Expect[r.Name] = old.Revision
	}
	return batch
}

// remove adds deletions to a batch.
func (b *bench) remove(batch store.Batch, names ...store.Name) store.Batch {
	for _, n := range names {
		old, _ := b.ByName(n)
		batch.Expect[n] = old.Revision
		batch.Delete = append(batch.Delete, n)
	}
	return batch
}

func cancelled(parent context.Context) context.Context {
	ctx, cancel := context.WithCancel(parent)
	cancel()
	return ctx
}
