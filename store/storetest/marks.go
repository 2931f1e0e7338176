package storetest

import (
	"strconv"
	"strings"

	"github.com/tokendrop/tokendrop/store"
)

func mark(id store.MarkID, value string) store.Mark { return store.Mark{MarkID: id, Value: value} }

func userRule(pattern string, rule store.Rule) store.Mark {
	return mark(store.UserRuleID(pattern), rule.Value())
}

// mark adds marks to a batch, over what the store holds.
func (b *bench) mark(batch store.Batch, marks ...store.Mark) store.Batch {
	if batch.ExpectMarks == nil {
		batch.ExpectMarks = make(map[store.MarkID]store.Revision)
	}
	for _, m := range marks {
		old, _ := b.Mark(m.MarkID)
		batch.ExpectMarks[m.MarkID] = old.Revision
		batch.Marks = append(batch.Marks, m)
	}
	return batch
}

// 1, 2: marks are there again as they were, with the tokens of their batch.
func testMarks(b *bench) {
	revoked, once, serial := store.RevokedID(key(1), ""), store.OnceID("spool", "setup"), store.SerialID("spool/x.yaml")
	batch := b.mark(b.write(record(name(1), key(1))), mark(revoked, ""), mark(once, "sum"), mark(serial, "7"))
	batch.Entries = append(batch.Entries, b.entry())
	b.commit(batch)
	b.commit(b.mark(b.write(record(name(2), key(2))), mark(serial, "8"))) // written over
	b.commit(b.mark(b.remove(b.write(), name(1)), mark(store.RevokedID(key(1), "u"), "")))
	for range 2 {
		b.expectMark(revoked, "", 2)
		b.expectMark(once, "sum", 2)
		b.expectMark(serial, "8", 3)
		b.expectMark(store.RevokedID(key(1), "u"), "", 4)
		if m, ok := b.Mark(store.OnceID("spool", "other")); ok || m.Revision != 0 {
			b.Errorf("Mark = %+v, %v for what is not there", m, ok)
		}
		if got := b.state(); len(got.Marks) != 4 || len(got.Tokens) != 1 {
			b.Errorf("%d marks and %d tokens, want 4 and 1", len(got.Marks), len(got.Tokens))
		}
		b.reopen()
	}
}

func (b *bench) expectMark(id store.MarkID, value string, revision store.Revision) {
	b.Helper()
	if m, ok := b.Mark(id); !ok || m.MarkID != id || m.Value != value || m.Revision != revision {
		b.Errorf("Mark = %+v, %v, want %q at revision %d", m, ok, value, revision)
	}
}

// Marks are told apart whatever is in their names.
func testMarkNames(b *bench) {
	long := strings.Repeat("d", 256)
	ids := []store.MarkID{
		store.RevokedID(key(1), ""), store.RevokedID(key(1), "u"), store.RevokedID(key(2), ""),
		store.UserRuleID(""), store.UserRuleID("u"), store.UserRuleID("\x00\xff"), store.UserRuleID("**"),
		store.OnceID("", ""), store.OnceID("a", "bc"), store.OnceID("ab", "c"), store.OnceID("", "abc"),
		store.OnceID("\x01", "a"), store.OnceID("a\x00", "b"), store.OnceID("a", "\x00b"),
		store.KeptID(store.Source{}), store.KeptID(store.Source{Dir: "a", Path: "bc"}), store.KeptID(store.Source{Dir: "ab", Path: "c"}),
		store.SerialID(""), store.SerialID("a/bc"), store.SerialID(long + strings.Repeat("p", 4096)),
	}
	batch := b.write()
	for i, id := range ids {
		batch = b.mark(batch, mark(id, strconv.Itoa(i)))
	}
	b.commit(batch)
	for range 2 {
		for i, id := range ids {
			b.expectMark(id, strconv.Itoa(i), 1)
		}
		if got := b.state(); len(got.Marks) != len(ids) {
			b.Errorf("%d marks are left of %d", len(got.Marks), len(ids))
		}
		b.reopen()
	}
}

// 4, and 1: neither a token nor a mark is stored without the other.
func testMarkConflicts(b *bench) {
	id, other := store.SerialID("spool/x.yaml"), store.SerialID("spool/y.yaml")
	b.commit(b.mark(b.write(), mark(id, "1")))
	stale := b.mark(b.write(record(name(1), key(1))), mark(id, "2"), mark(other, "2"))
	b.commit(b.mark(b.write(), mark(id, "1")))
	b.refuse(stale, store.ErrConflict)

	absent := b.mark(b.write(record(name(1), key(1))), mark(id, "2"))
	absent.ExpectMarks[id] = 0
	b.refuse(absent, store.ErrConflict)

	gone := b.mark(b.write(), mark(other, "2"))
	gone.ExpectMarks[other] = 1
	b.refuse(gone, store.ErrConflict)

	// What was only read counts as well.
	for _, read := range []store.MarkID{id, other} {
		batch := b.mark(b.write(record(name(1), key(1))))
		old, _ := b.Mark(read)
		batch.ExpectMarks[read] = old.Revision + 1
		b.refuse(batch, store.ErrConflict)
		batch.ExpectMarks[read] = old.Revision
		b.commit(batch)
		b.commit(b.remove(b.write(), name(1)))
	}

	token := b.mark(b.write(record(name(1), key(1))), mark(id, "2"))
	token.Expect[name(1)] = 1
	b.refuse(token, store.ErrConflict)
}

func testMarkRefused(b *bench) {
	id := store.OnceID("spool", "setup")
	blind := b.mark(b.write(record(name(1), key(1))), mark(id, ""))
	clear(blind.ExpectMarks)
	b.refuse(blind, nil)
	b.refuse(b.mark(b.write(), mark(id, "1"), mark(id, "2")), nil)
	b.refuse(b.mark(b.write(), mark(store.MarkID{Key: "x"}, "")), nil)
	b.refuse(b.mark(b.write(), mark(store.MarkID{Kind: 255, Key: "x"}, "")), nil)
	b.commit(b.mark(b.write(), mark(id, "")))
}

// 1, 4: marks of kind Kept go where they are taken back, are written without an
// entry, and no state of one is ever taken for another.
func testKeptMarks(b *bench) {
	at := func(path string) store.MarkID { return store.KeptID(store.Source{Dir: "spool", Path: path}) }
	silent := func(marks ...store.Mark) store.Batch {
		batch := b.mark(b.write(), marks...)
		batch.Entries = nil
		return batch
	}
	b.commit(silent(mark(at("x"), "1"))) // the first that is ever written
	b.expectMark(at("x"), "1", 1)
	b.reopen()
	stale := silent(mark(at("x"), "stale"))
	b.commit(silent(mark(at("x"), "2")))
	b.refuse(stale, store.ErrConflict)
	b.commit(b.unmark(b.mark(b.write(record(name(1), key(1))), mark(at("y"), "1")), at("x")))
	b.refuse(stale, store.ErrConflict)
	b.commit(silent(mark(at("x"), "1")))
	b.refuse(stale, store.ErrConflict)
	last, _ := b.Mark(at("x"))
	gone := b.unmark(silent(), at("x"))
	b.commit(gone)
	for range 2 {
		if m, ok := b.Mark(at("x")); ok || m.Revision != 0 {
			b.Errorf("Mark = %+v, %v for what was taken back", m, ok)
		}
		if got := b.state(); len(got.Marks) != 1 || len(got.Ledger) != 1 {
			b.Errorf("%d marks and %d entries, want one of each", len(got.Marks), len(got.Ledger))
		}
		b.refuse(gone, store.ErrConflict)
		b.reopen()
	}
	b.commit(silent(mark(at("x"), "3")))
	if m, _ := b.Mark(at("x")); m.Revision <= last.Revision {
		b.Errorf("revision %d comes after %d, before a reopen", m.Revision, last.Revision)
	}

	for _, batch := range []store.Batch{
		b.unmark(b.write(), store.RevokedID(key(1), "")), // it stays
		b.unmark(silent(mark(at("y"), "2")), at("y")),
		b.unmark(silent(), at("y"), at("y")),
		silent(mark(at("y"), "2"), mark(store.SerialID("spool/y"), "2")),
		silent(),
	} {
		b.refuse(batch, nil)
	}
	for _, change := range []store.Batch{b.write(record(name(2), key(2))), b.remove(b.write(), name(1))} {
		change = b.mark(change, mark(at("y"), "2"))
		change.Entries = nil
		b.refuse(change, nil)
	}
	blind := b.unmark(silent(), at("y"))
	clear(blind.ExpectMarks)
	b.refuse(blind, nil)
}

// unmark has a batch take marks back.
func (b *bench) unmark(batch store.Batch, ids ...store.MarkID) store.Batch {
	for _, id := range ids {
		old, _ := b.Mark(id)
		if batch.ExpectMarks == nil {
			batch.ExpectMarks = make(map[store.MarkID]store.Revision)
		}
		batch.ExpectMarks[id] = old.Revision
		batch.Unmark = append(batch.Unmark, id)
	}
	return batch
}

// The most specific rule holds, whatever is said in which order, and a rule
// that lets a user in again does not bring a wider one back.
func testRules(b *bench) {
	alice := store.Name{User: "/users/alice", Name: "n"}
	b.commit(b.write(record(alice, key(1))))
	for _, step := range []struct {
		pattern string
		rule    store.Rule
		want    store.Rule
	}{
		{"/users/bob", store.Rule{Blocked: true, Reason: "other"}, store.Rule{}},
		{"/users/alice", store.Rule{Blocked: true, Reason: "left"}, store.Rule{Blocked: true, Reason: "left"}},
		{"/users/alice", store.Rule{Reason: "back"}, store.Rule{Reason: "back"}},
		{"**", store.Rule{Blocked: true, Reason: "closed"}, store.Rule{Reason: "back"}},
	} {
		b.commit(b.mark(b.write(), userRule(step.pattern, step.rule)))
		b.expectRule(alice, step.want)
	}
	carol := store.Name{User: "/users/carol", Name: "n"}
	b.commit(b.write(record(carol, key(2)))) // future tokens too
	b.expectRule(carol, store.Rule{Blocked: true, Reason: "closed"})
	b.commit(b.mark(b.write(), userRule("/users/c*", store.Rule{Reason: "open"})))
	b.expectRule(carol, store.Rule{Reason: "open"})
	b.commit(b.mark(b.write(), userRule("/users/ca*", store.Rule{Blocked: true, Reason: "ca"})))
	b.expectRule(carol, store.Rule{Blocked: true, Reason: "ca"})
	b.commit(b.mark(b.write(), userRule("/users/ca*", store.Rule{})))
	b.expectRule(carol, store.Rule{})
	if r, rule, ok := looked(b, key(9)); ok || r.Credentials != nil || rule != (store.Rule{}) {
		b.Errorf("Lookup = %+v, %+v, %v for what is not there", r, rule, ok)
	}
}

// expectRule looks at the rule for a token's user, also after a reopen.
func (b *bench) expectRule(n store.Name, want store.Rule) {
	b.Helper()
	r, _ := b.ByName(n)
	for range 2 {
		if got, rule, ok := looked(b, r.Key()); !ok || got.Name != n || rule != want {
			b.Errorf("Lookup = %v, %+v, %v, want %+v", got.Name, rule, ok, want)
		}
		b.reopen()
	}
}

// ruleOf is the rule for a user among marks, found in the plainest way.
func ruleOf(marks map[store.MarkID]store.Mark, user string) store.Rule {
	var rule store.Rule
	best := ""
	found := false
	for id, m := range marks {
		if id.Kind != store.UserRule || !store.Match(id.Key, user) && id.Key != user {
			continue
		}
		if !found || store.MoreSpecific(id.Key, best) {
			rule, best, found = store.RuleOf(m.Value), id.Key, true
		}
	}
	return rule
}
