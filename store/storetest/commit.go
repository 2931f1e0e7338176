package storetest

import (
	"context"
	"errors"
	"reflect"
	"strings"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

func testEmpty(b *bench) {
	if s := b.state(); len(s.Tokens)+len(s.Marks)+len(s.Ledger) != 0 {
		b.Errorf("a fresh store holds %+v", s)
	}
	if _, ok := b.ByName(name(1)); ok {
		b.Error("ByName finds what is not there")
	}
	if _, ok := b.ByKey(key(1)); ok {
		b.Error("ByKey finds what is not there")
	}
	if own := b.OfUser(name(1).User); len(own) != 0 {
		b.Errorf("OfUser = %+v for who is not there", own)
	}
	if _, ok, err := b.Entry(b.Context(), entry(1).Patch); ok || err != nil {
		b.Errorf("Entry = %v, %v for what is not there", ok, err)
	}
	b.reopen()
	b.commit(b.write(record(name(1), key(1))))
}

// 2, 7: all is there again, revisions included, and the numbers go on.
func testReopen(b *bench) {
	full := record(name(1), key(1), key(2))
	full.Description, full.ExpiresAt, full.Credentials[0].GoodUntil = "d", when, when
	b.commit(b.write(full, record(name(2), key(3))))
	b.commit(b.remove(b.write(record(name(3), key(4))), name(2)))
	want := b.state()
	if r := want.Tokens[name(3)].Revision; r != 2 {
		b.Errorf("revision = %d, want the number of the batch's last entry", r)
	}
	b.reopen()
	if got := b.state(); !reflect.DeepEqual(got, want) {
		b.Errorf("reopened:\ngot  %+v\nwant %+v", got, want)
	}
	if _, ok := b.ByKey(key(3)); ok {
		b.Error("the key of a deleted token is there")
	}
	b.commit(b.write(record(name(1), key(2))))
	if got := b.state(); len(got.Ledger) != 3 {
		b.Errorf("the ledger has %d entries, want 3", len(got.Ledger))
	}
}

// 5: names are told apart whatever is in them.
func testNames(b *bench) {
	names := []store.Name{
		{User: "a", Name: "b"},
		{User: "ab", Name: ""},
		{User: "", Name: "ab"},
		{User: "a\x00", Name: "b"},
		{User: "a", Name: "\x00b"},
		{User: "/users/root", Name: "ü"},
		{User: "\xff", Name: "\x00"},
		{User: strings.Repeat("u", 256), Name: strings.Repeat("n", 128)},
	}
	var records []store.Record
	for i, n := range names {
		records = append(records, record(n, key(i)))
	}
	b.commit(b.write(records...))
	b.reopen()
	if got := b.state(); len(got.Tokens) != len(names) {
		b.Errorf("%d tokens are left of %d", len(got.Tokens), len(names))
	}
	for i, n := range names {
		if r, ok := b.ByName(n); !ok || r.Key() != key(i) {
			b.Errorf("token %q is not the one that was stored", n)
		}
	}
}

// 4.
func testConflicts(b *bench) {
	b.commit(b.write(record(name(1), key(1)), record(name(2), key(2))))
	stale := b.write(record(name(1), key(1)))
	b.commit(b.write(record(name(1), key(1))))
	b.refuse(stale, store.ErrConflict)

	absent := b.write(record(name(1), key(1)))
	absent.Expect[name(1)] = 0
	b.refuse(absent, store.ErrConflict)

	gone := b.write(record(name(3), key(3)))
	gone.Expect[name(3)] = 1
	b.refuse(gone, store.ErrConflict)

	removed := b.remove(b.write(), name(2))
	removed.Expect[name(2)]++
	b.refuse(removed, store.ErrConflict)

	// What was only read counts as well, and a good write beside a bad
	// expectation is not stored.
	read := b.write(record(name(4), key(4)))
	read.Expect[name(2)] = 0
	b.refuse(read, store.ErrConflict)
}

// 5.
func testKeys(b *bench) {
	b.commit(b.write(record(name(1), key(1)), record(name(2), key(2), key(3))))
	b.refuse(b.write(record(name(3), key(1))), store.ErrConflict)
	b.refuse(b.write(record(name(3), key(3))), store.ErrConflict)
	b.refuse(b.write(record(name(3), key(4)), record(name(4), key(4))), store.ErrConflict)

	// A key may move to another token, and two may change places.
	b.commit(b.write(record(name(1), key(2)), record(name(2), key(1), key(3))))
	b.expectKey(key(2), name(1))
	b.expectKey(key(1), name(2))
	b.commit(b.remove(b.write(record(name(5), key(2))), name(1)))
	b.expectKey(key(2), name(5))
	b.commit(b.write(record(name(2), key(3))))
	b.commit(b.write(record(name(6), key(1)))) // which name(2) has given up

	// Two credentials of one token may share a key, and give it up together.
	b.commit(b.write(record(name(7), key(5), key(5))))
	b.refuse(b.write(record(name(8), key(5))), store.ErrConflict)
	b.expectKey(key(5), name(7))
	b.commit(b.write(record(name(7), key(6))))
	b.commit(b.write(record(name(8), key(5))))
	b.reopen()
	b.expectKey(key(1), name(6))
	b.expectKey(key(2), name(5))
	b.expectKey(key(3), name(2))
	b.state()
}

// 5: a key that a credential had before selects the token as well, and is
// nobody else's.
func testFormerKeys(b *bench) {
	b.commit(b.write(formerly(record(name(1), key(1)), key(2))))
	for range 2 {
		b.expectKey(key(1), name(1))
		b.expectKey(key(2), name(1))
		b.refuse(b.write(record(name(2), key(2))), store.ErrConflict)
		b.refuse(b.write(formerly(record(name(2), key(3)), key(1))), store.ErrConflict)
		b.refuse(b.write(formerly(record(name(2), key(3)), key(2))), store.ErrConflict)
		b.refuse(b.write(formerly(record(name(2), key(3)), key(4)), record(name(3), key(4))), store.ErrConflict)
		b.reopen()
	}
	b.commit(b.write(formerly(record(name(1), key(1)), key(3)))) // which gives the other one up
	b.commit(b.write(formerly(record(name(2), key(4)), key(2))))
	b.commit(b.remove(b.write(record(name(3), key(2))), name(2)))
	b.expectKey(key(2), name(3))
	b.expectKey(key(3), name(1))
	b.commit(b.write(record(name(1), key(1))))
	if _, ok := b.ByKey(key(3)); ok {
		b.Error("a former key that was given up is still found")
	}
	b.state()
}

func (b *bench) expectKey(k token.Key, want store.Name) {
	b.Helper()
	if r, ok := b.ByKey(k); !ok || r.Name != want {
		b.Errorf("ByKey = %v, %v, want %v", r.Name, ok, want)
	}
}

// 6.
func testApplied(b *bench) {
	first := b.write(record(name(1), key(1)))
	b.commit(first)
	b.refuse(first, store.ErrApplied) // the retry of a commit that has won

	again := b.write(record(name(2), key(2)))
	again.Entries = append(again.Entries, first.Entries[0])
	b.refuse(again, store.ErrApplied)

	twice := b.write(record(name(2), key(2)))
	twice.Entries = append(twice.Entries, twice.Entries[0])
	b.refuse(twice, store.ErrApplied)
}

func testRefused(b *bench) {
	b.commit(b.write(record(name(1), key(1))))
	silent := b.write(record(name(2), key(2)))
	silent.Entries = nil
	b.refuse(silent, nil)

	blind := b.write(record(name(2), key(2)))
	clear(blind.Expect)
	b.refuse(blind, nil)

	blind = b.remove(b.write(), name(1))
	clear(blind.Expect)
	b.refuse(blind, nil)

	b.refuse(b.write(record(name(2))), nil) // no credential
	b.refuse(b.write(record(name(2), key(2)), record(name(2), key(3))), nil)
	b.refuse(b.remove(b.write(record(name(1), key(2))), name(1)), nil)
}

// A batch that fails may be committed again as it is, so that Commit leaves no
// trace in it.
func testCallersBatch(b *bench) {
	id := store.OnceID("spool", "setup")
	batch := b.mark(b.write(record(name(1), key(1))), mark(id, "1"))
	b.commit(batch)
	if batch.Put[0].Revision != 0 || batch.Marks[0].Revision != 0 || batch.Entries[0].ID != 0 {
		b.Error("Commit has changed the batch of its caller")
	}
	batch.Put[0], batch.Marks[0].Value = record(name(9), key(9)), "9"
	b.expectMark(id, "1", 1)
	if r, ok := b.ByName(name(1)); !ok || r.Key() != key(1) {
		b.Error("the store shares the batch of its caller")
	}
}

func testCancelled(b *bench) {
	batch := b.write(record(name(1), key(1)))
	if err := b.Commit(cancelled(b.Context()), batch); !errors.Is(err, context.Canceled) {
		b.Errorf("Commit = %v with a cancelled context", err)
	}
	if s := b.state(); len(s.Tokens)+len(s.Ledger) != 0 {
		b.Errorf("a cancelled commit has left %+v", s)
	}
	b.commit(batch)
	if _, _, err := b.Entry(cancelled(b.Context()), entry(1).Patch); !errors.Is(err, context.Canceled) {
		b.Errorf("Entry = %v with a cancelled context", err)
	}
	for _, err := range b.Ledger(cancelled(b.Context())) {
		if !errors.Is(err, context.Canceled) {
			b.Errorf("Ledger yields %v with a cancelled context", err)
		}
	}
}

func testClosed(b *bench) {
	id := store.OnceID("spool", "setup")
	b.commit(b.mark(b.write(record(name(1), key(1))), mark(id, "1")))
	late := b.write(record(name(2), key(2)))
	if err := b.Close(); err != nil {
		b.Fatalf("closing: %v", err)
	}
	if err := b.Commit(b.Context(), late); err == nil || errors.Is(err, store.ErrUnknown) {
		b.Errorf("Commit after Close = %v", err)
	}
	if _, _, err := b.Entry(b.Context(), entry(1).Patch); err == nil {
		b.Error("Entry after Close has no error")
	}
	b.expectKey(key(1), name(1)) // readers stay usable
	b.expectMark(id, "1", 1)
	if err := b.Close(); err != nil {
		b.Errorf("closing again: %v", err)
	}
	b.reopen()
	if s := b.state(); len(s.Tokens) != 1 || len(s.Ledger) != 1 {
		b.Errorf("reopened: %+v", s)
	}
}
