package storetest

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// 7.
func testLedger(b *bench) {
	var want []store.PatchID
	for size := 1; size < 6; size++ {
		batch := b.write(record(name(size), key(size)))
		for len(batch.Entries) < size {
			batch.Entries = append(batch.Entries, b.entry())
		}
		for _, n := range batch.Entries {
			want = append(want, n.Patch)
		}
		b.commit(batch)
		if r, _ := b.ByName(name(size)); r.Revision != store.Revision(len(want)) {
			b.Errorf("revision %d after %d entries", r.Revision, len(want))
		}
	}
	for range 2 {
		var got []store.PatchID
		for _, n := range b.state().Ledger {
			got = append(got, n.Patch)
		}
		if !reflect.DeepEqual(got, want) {
			b.Errorf("the ledger is in another order:\ngot  %v\nwant %v", got, want)
		}
		b.reopen()
	}
	for range b.Ledger(b.Context()) { // a reader may stop early
		break
	}
	b.commit(b.write())
}

// checkLatest expects what Latest yields to be the ledger, by patches.
func (b *bench) checkLatest(ledger []store.Entry) {
	b.Helper()
	want := slices.Clone(ledger)
	slices.SortFunc(want, func(a, b store.Entry) int { return bytes.Compare(b.Patch[:], a.Patch[:]) })
	for n, err := range b.Latest(b.Context()) {
		if err != nil {
			b.Fatalf("reading the latest entries: %v", err)
		}
		if len(want) == 0 || !reflect.DeepEqual(n, want[0]) {
			b.Fatalf("entry %d is not the next one of %d", n.ID, len(want))
		}
		want = want[1:]
	}
	if len(want) > 0 {
		b.Errorf("%d entries are not among the latest", len(want))
	}
	for range b.Latest(b.Context()) { // a reader may stop early
		break
	}
}

func headOf(ledger []store.Entry) (head store.Head) {
	for i := range ledger {
		head = head.Next(&ledger[i])
	}
	return head
}

// 11: ledgers that differ in anything have different heads.
func testHead(b *bench) {
	if b.Head() != (store.Head{}) {
		b.Errorf("Head = %+v of an empty ledger", b.Head())
	}
	batch := b.write(record(name(1), key(1)))
	batch.Entries = append(batch.Entries, b.entry(), b.entry())
	b.commit(batch)
	ledger := b.state().Ledger
	if got := b.Head(); got.ID != 3 || got.Chain == [32]byte{} {
		b.Errorf("Head = %+v after three entries", got)
	}
	heads := map[store.Head]string{b.Head(): "the ledger"}
	for what, change := range map[string]func(n *store.Entry){
		"patch":   func(n *store.Entry) { n.Patch[15]++ },
		"path":    func(n *store.Entry) { n.Path += "x" },
		"outcome": func(n *store.Entry) { n.Outcome = store.Failed },
		"author":  func(n *store.Entry) { n.Author = "x" },
		"changes": func(n *store.Entry) { n.Changes = append(n.Changes, store.Change{Action: "delete"}) },
	} {
		other := slices.Clone(ledger)
		change(&other[0])
		if same, twice := heads[headOf(other)]; twice {
			b.Errorf("another %s does not show in the head of %s", what, same)
		}
		heads[headOf(other)] = what
	}
}

// An entry is as large as its patch, and is read whole.
func testLargeEntry(b *bench) {
	batch := b.write(record(name(1), key(1)))
	large := &batch.Entries[0]
	for i := range 10_000 {
		n := store.Name{User: strings.Repeat("u", 256), Name: strings.Repeat("n", 100) + name(i).Name}
		large.Changes = append(large.Changes, store.Change{Action: "ensure", Key: key(i), Name: n, Result: store.Unchanged})
	}
	batch.Entries = append(batch.Entries, b.entry())
	b.commit(batch)
	for range 2 {
		got := b.state().Ledger
		if len(got) != 2 || !reflect.DeepEqual(got[0].Changes, large.Changes) {
			b.Error("the entry is not what was stored")
		}
		b.reopen()
	}
}

// A batch exactly at either limit is stored, one over it is not.
func testLimits(b *bench) {
	limits := b.Limits()
	bytes := b.filled(limits.Bytes)
	last := &bytes.Put[len(bytes.Put)-1].Description
	*last += "d"
	b.tooLarge(bytes)
	*last = (*last)[1:]
	b.commit(bytes)
	b.reopen()
	b.expectTokens(len(bytes.Put))

	// Deletions, puts, marks and entries count alike.
	var old []store.Name
	for _, r := range bytes.Put {
		old = append(old, r.Name)
	}
	var records []store.Record
	var marks []store.Mark
	for i := range 1000 {
		marks = append(marks, mark(store.RevokedID(key(i), ""), ""))
	}
	for i := range limits.Writes - 1 - len(old) - len(marks) {
		records = append(records, record(name(1<<20+i), key(1<<20+i)))
	}
	b.tooLarge(b.mark(b.remove(b.write(append(records, record(name(1<<19), token.Key{1}))...), old...), marks...))
	b.tooLarge(b.mark(b.remove(b.write(records...), old...), append(marks, mark(store.OnceID("d", "n"), ""))...))
	b.commit(b.mark(b.remove(b.write(records...), old...), marks...))
	b.reopen()
	b.expectTokens(len(records))
	for _, m := range marks {
		b.expectMark(m.MarkID, "", 2)
	}
	entries := 0
	for range b.Ledger(b.Context()) {
		entries++
	}
	if entries != 2 {
		b.Errorf("%d ledger entries, want 2", entries)
	}
}

func (b *bench) tooLarge(batch store.Batch) {
	b.Helper()
	if err := b.Commit(b.Context(), batch); !errors.Is(err, store.ErrTooLarge) {
		b.Errorf("Commit = %v, want ErrTooLarge", err)
	}
}

// filled is a batch of new tokens of exactly that size.
func (b *bench) filled(bytes int) store.Batch {
	const description = 64 << 10
	var records []store.Record
	for size := description; size < bytes; size += description + 512 {
		r := record(name(len(records)), key(len(records)))
		r.Description = strings.Repeat("d", description)
		records = append(records, r)
	}
	batch := b.write(records...)
	for batch.Size().Bytes != bytes {
		d := &batch.Put[len(records)-1].Description
		*d = strings.Repeat("d", len(*d)+bytes-batch.Size().Bytes)
	}
	return batch
}

func (b *bench) expectTokens(want int) {
	b.Helper()
	got := 0
	for range b.Tokens() {
		got++
	}
	if got != want {
		b.Errorf("%d tokens, want %d", got, want)
	}
}
