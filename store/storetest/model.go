package storetest

import (
	"errors"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// seedVariable has the seed of a run that is to be repeated.
const seedVariable = "STORETEST_SEED"

// testModel does random things to the store and to a model of it, and compares
// what comes of each, and every so often all that they hold.
func testModel(b *bench) {
	seed := rand.Uint64()
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			b.Fatal(err)
		}
	}
	b.Logf("%s=%d", seedVariable, seed)
	m := &model{bench: b, rand: rand.New(rand.NewPCG(seed, 0)), want: newState()}
	for step := range 300 {
		m.step()
		reopened := m.rand.IntN(20) == 0
		if reopened {
			b.reopen()
		}
		if reopened || step%10 == 9 {
			m.compare(step)
		}
	}
}

// model is a store as plain as can be.
type model struct {
	*bench
	rand *rand.Rand
	want state
	last store.Revision
}

func (m *model) compare(step int) {
	got := m.state()
	for n, r := range got.Tokens { // the model does not know how they are made
		r.ID = 0
		got.Tokens[n] = r
	}
	if !reflect.DeepEqual(got, m.want) {
		m.Fatalf("step %d:\ngot  %+v\nwant %+v", step, got, m.want)
	}
}

func (m *model) step() {
	batch := m.batch()
	want := m.expected(batch)
	err := m.Commit(m.Context(), batch)
	if wrong := batch.Validate(); wrong != nil { // it has no entry
		want = wrong
	}
	if !errors.Is(err, want) {
		m.Fatalf("Commit = %v, want %v, of %+v", err, want, batch)
	}
	if want == nil {
		m.apply(batch)
	}
}

// batch is a random one, of few names, keys and patches, so that they meet.
func (m *model) batch() store.Batch {
	batch := store.Batch{Expect: make(map[store.Name]store.Revision)}
	for _, i := range m.rand.Perm(12)[:m.rand.IntN(4)] {
		n := name(i)
		batch.Expect[n] = m.want.Tokens[n].Revision
		switch m.rand.IntN(8) {
		case 0:
			batch.Delete = append(batch.Delete, n)
		case 1: // only read
		default:
			batch.Put = append(batch.Put, m.record(n))
		}
		if m.rand.IntN(10) == 0 {
			batch.Expect[n] += store.Revision(m.rand.IntN(3))
		}
	}
	m.addMarks(&batch)
	for range m.rand.IntN(4) {
		batch.Entries = append(batch.Entries, m.someEntry())
	}
	return batch
}

// modelMarks are few, so that they meet, and rules for the users of few names.
var modelMarks = []store.MarkID{
	store.UserRuleID("/users/ua"), store.UserRuleID("/users/u*"), store.UserRuleID("/users/**"),
	store.RevokedID(key(1), ""), store.OnceID("spool", "setup"), store.SerialID("spool/x.yaml"),
	store.KeptID(store.Source{Dir: "spool", Path: "x.yaml"}), store.KeptID(store.Source{Dir: "spool", Path: "y.yaml"}),
}

func (m *model) addMarks(batch *store.Batch) {
	batch.ExpectMarks = make(map[store.MarkID]store.Revision)
	for _, i := range m.rand.Perm(len(modelMarks))[:m.rand.IntN(3)] {
		id := modelMarks[i]
		batch.ExpectMarks[id] = m.want.Marks[id].Revision
		switch { // otherwise only read
		case id.Kind == store.Kept && m.rand.IntN(2) == 0:
			batch.Unmark = append(batch.Unmark, id)
		case m.rand.IntN(4) > 0:
			rule := store.Rule{Blocked: m.rand.IntN(2) == 0, Reason: strconv.Itoa(m.rand.IntN(100))}
			batch.Marks = append(batch.Marks, mark(id, rule.Value()))
		}
		if m.rand.IntN(20) == 0 {
			batch.ExpectMarks[id] += store.Revision(m.rand.IntN(3))
		}
	}
}

func (m *model) record(n store.Name) store.Record {
	keys := []token.Key{key(m.rand.IntN(40))}
	if m.rand.IntN(3) == 0 {
		keys = append(keys, key(m.rand.IntN(40)))
	}
	r := record(n, keys...)
	if m.rand.IntN(4) == 0 {
		r = formerly(r, key(m.rand.IntN(40)))
	}
	switch m.rand.IntN(8) {
	case 0:
		r.Credentials[0].Pepper = token.PepperID{byte(m.rand.IntN(3))}
	case 1:
		c := &r.Credentials[len(r.Credentials)-1]
		c.Digest, c.Extra = token.Digest{}, &store.Extra{Imported: token.HMACSHA256.Digest("strapi", r.User, []byte("salt"))}
	}
	r.Active = m.rand.IntN(2) == 0
	r.Source.Dir = []string{"spool", "other"}[m.rand.IntN(2)]
	r.Generation = m.rand.Uint64()
	return r
}

func (m *model) someEntry() store.Entry {
	if m.rand.IntN(20) == 0 && m.patches > 0 {
		return entry(1 + m.rand.Uint64N(m.patches))
	}
	return m.entry()
}

// expected is the error that a batch has to meet.
func (m *model) expected(batch store.Batch) error {
	patches := make(map[store.PatchID]bool)
	for _, n := range append(m.want.Ledger[:len(m.want.Ledger):len(m.want.Ledger)], batch.Entries...) {
		if patches[n.Patch] {
			return store.ErrApplied
		}
		patches[n.Patch] = true
	}
	for n, revision := range batch.Expect {
		if m.want.Tokens[n].Revision != revision {
			return store.ErrConflict
		}
	}
	for id, revision := range batch.ExpectMarks {
		if m.want.Marks[id].Revision != revision {
			return store.ErrConflict
		}
	}
	owner := make(map[token.Key]store.Name)
	for _, r := range m.after(batch) {
		for _, key := range r.Keys() {
			if other, owned := owner[key]; owned && other != r.Name {
				return store.ErrConflict
			}
			owner[key] = r.Name
		}
	}
	return nil
}

// after is what the tokens are once the batch is applied.
func (m *model) after(batch store.Batch) map[store.Name]store.Record {
	tokens := make(map[store.Name]store.Record)
	for n, r := range m.want.Tokens {
		tokens[n] = r
	}
	for _, n := range batch.Delete {
		delete(tokens, n)
	}
	for _, r := range batch.Put {
		r.Revision = m.next(batch)
		tokens[r.Name] = r
	}
	return tokens
}

// next is the revision of what a batch writes.
func (m *model) next(batch store.Batch) store.Revision {
	return m.last + store.Revision(max(1, len(batch.Entries)))
}

func (m *model) apply(batch store.Batch) {
	m.want.Tokens = m.after(batch)
	for _, mark := range batch.Marks {
		mark.Revision = m.next(batch)
		m.want.Marks[mark.MarkID] = mark
	}
	for _, n := range batch.Entries {
		n.ID = uint64(len(m.want.Ledger)) + 1
		m.want.Ledger = append(m.want.Ledger, n)
	}
	for _, id := range batch.Unmark {
		delete(m.want.Marks, id)
	}
	m.last = m.next(batch)
}
