package provision

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/memstore"
)

// bench is an applier over a store that can be reopened and made to fail.
type bench struct {
	t      *testing.T
	disk   memstore.Disk
	faults memstore.Faults
	at     time.Time
	*Applier
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, at: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
	b.reopen()
	return b
}

// reopen starts a new process on the same disk.
func (b *bench) reopen() {
	st, err := memstore.Open(&b.disk, memstore.Faults{
		Before: func(batch *store.Batch) error {
			if b.faults.Before == nil {
				return nil
			}
			return b.faults.Before(batch)
		},
		After: func(batch *store.Batch) error {
			if b.faults.After == nil {
				return nil
			}
			return b.faults.After(batch)
		},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.Applier = &Applier{Store: st, Now: func() time.Time { return b.at }, Random: rand.Reader}
}

// patch makes the n-th patch.
func patch(n byte, text string) Patch {
	return Patch{ID: store.PatchID{n}, Source: store.Source{Dir: "spool", Path: fmt.Sprintf("%d.yaml", n)}, Data: []byte(text)}
}

func creates(name string) string {
	return entry("action: create, user: u, name: " + name + ", generate: true")
}

func regenerates(name string) string { return entry("action: regenerate, user: u, name: " + name) }

func (b *bench) outcomes(patches ...Patch) string {
	b.t.Helper()
	results, err := b.Apply(context.Background(), patches)
	if err != nil {
		b.t.Fatal(err)
	}
	texts := make([]string, len(results))
	for i, r := range results {
		if texts[i] = r.Outcome.String(); texts[i] == "" {
			texts[i] = "deferred"
		}
	}
	return strings.Join(texts, " ")
}

func (b *bench) ledger() []string {
	b.t.Helper()
	var all []string
	for e, err := range b.Store.Ledger(context.Background()) {
		if err != nil {
			b.t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%d %s %s %v", e.ID, e.Path, e.Outcome, e.Changed))
	}
	return all
}

func (b *bench) generation(name string) uint64 {
	r, _ := b.Store.ByName(store.Name{User: "u", Name: name})
	return r.Generation
}

func TestApplySharesATransaction(t *testing.T) {
	b := newBench(t)
	commits := 0
	b.faults.Before = func(*store.Batch) error { commits++; return nil }
	got := b.outcomes(
		patch(1, creates("a")),
		patch(2, "tokens: 1\n"),
		patch(3, creates("b")+"- {action: enable, user: nobody, name: n}\n"),
		patch(4, regenerates("a")),
		patch(5, "# nothing\n---\n"),
		patch(6, creates("a")),
	)
	if got != "installed failed failed installed skipped installed" {
		t.Error(got)
	}
	if commits != 1 {
		t.Errorf("%d commits", commits)
	}
	if b.generation("a") != 2 || b.generation("b") != 0 {
		t.Errorf("a is at generation %d, b at %d; a failed patch must leave nothing", b.generation("a"), b.generation("b"))
	}
	want := []string{"1 1.yaml installed true", "2 2.yaml failed false", "3 3.yaml failed false", "4 4.yaml installed true", "5 5.yaml skipped false", "6 6.yaml installed false"}
	if got := b.ledger(); !slices.Equal(got, want) {
		t.Errorf("ledger\n got %q\nwant %q", got, want)
	}
}

// A commit that fails for now decides nothing.
func TestApplyDefersWhenTheStoreIsBusy(t *testing.T) {
	b := newBench(t)
	b.faults.Before = func(*store.Batch) error { return store.ErrUnavailable }
	if got := b.outcomes(patch(1, creates("a")), patch(2, "tokens: 1\n")); got != "deferred deferred" {
		t.Error(got)
	}
	b.faults.Before = nil
	if got := b.outcomes(patch(1, creates("a")), patch(2, "tokens: 1\n")); got != "installed failed" {
		t.Error(got)
	}
}

// Where there is room for some of what waits together, some is applied.
func TestApplyWithLittleRoom(t *testing.T) {
	b := newBench(t)
	b.faults.Before = func(batch *store.Batch) error {
		if len(batch.Entries) > 2 {
			return store.ErrUnavailable
		}
		return nil
	}
	var group []Patch
	for i, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		group = append(group, patch(byte(i+1), creates(name)))
	}
	if got := b.outcomes(group...); got != strings.TrimSpace(strings.Repeat("installed ", len(group))) {
		t.Error(got)
	}
}

// Nobody knows whether it was stored: the process ends, and the next one asks
// the ledger. Both ways end in one entry and one regeneration.
func TestApplyAfterAnUnknownResult(t *testing.T) {
	for name, faults := range map[string]memstore.Faults{
		"failed and not stored": {Before: func(*store.Batch) error { return store.ErrUnknown }},
		"failed yet stored":     {After: func(*store.Batch) error { return store.ErrUnknown }},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.outcomes(patch(1, creates("a")))
			b.faults = faults
			if _, err := b.Apply(t.Context(), []Patch{patch(2, regenerates("a"))}); !errors.Is(err, store.ErrUnknown) {
				t.Fatalf("Apply = %v", err)
			}
			b.faults = memstore.Faults{}
			b.reopen()
			again := patch(2, regenerates("a"))
			again.Recovered = true
			if got := b.outcomes(again); got != "installed" {
				t.Error(got)
			}
			if b.generation("a") != 2 || len(b.ledger()) != 2 {
				t.Errorf("generation %d, ledger %q", b.generation("a"), b.ledger())
			}
		})
	}
}

// A patch that is handed in again, although it was not expected to be in the
// ledger, is found there.
func TestApplyTwice(t *testing.T) {
	b := newBench(t)
	p := patch(1, creates("a")+"- {action: regenerate, user: u, name: a}\n")
	bad := patch(2, "tokens: 1\n")
	first, err := b.Apply(t.Context(), []Patch{p, bad})
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.Apply(t.Context(), []Patch{p, bad, patch(3, regenerates("a"))})
	if err != nil {
		t.Fatal(err)
	}
	if b.generation("a") != 3 {
		t.Errorf("generation %d, want 3", b.generation("a"))
	}
	if second[1].Outcome != store.Failed || !slices.Equal(first[1].Reasons, second[1].Reasons) {
		t.Errorf("the second time: %+v", second[1])
	}
}

// Other bytes under an ID that the ledger knows were never decided on: a
// writer that no lease could show has changed the claim before a crash.
func TestApplyOtherBytesUnderTheSameID(t *testing.T) {
	b := newBench(t)
	b.outcomes(patch(1, creates("a")))
	rewritten := patch(1, creates("b"))
	rewritten.Recovered = true
	results, err := b.Apply(t.Context(), []Patch{rewritten})
	if err != nil {
		t.Fatal(err)
	}
	if !results[0].Another || results[0].Outcome != 0 || b.generation("b") != 0 {
		t.Errorf("%+v, b at generation %d", results[0], b.generation("b"))
	}
}

func TestApplyTellsWhatTheTextSays(t *testing.T) {
	b := newBench(t)
	results, err := b.Apply(t.Context(), []Patch{patch(1, "on_success: remove\n"+entry("action: create, user: u, name: n, "+tok(0)))})
	if err != nil {
		t.Fatal(err)
	}
	r := results[0]
	if r.OnSuccess != Remove || strings.Contains(string(r.Redacted), numbered[0]) || !strings.Contains(string(r.Redacted), "REDACTED") {
		t.Errorf("on success %q, redacted to %q", r.OnSuccess, r.Redacted)
	}
}

func TestApplyRefuses(t *testing.T) {
	b := newBench(t)
	p := patch(1, creates("a"))
	p.Data, p.Refusal = nil, "the file is too large"
	results, err := b.Apply(t.Context(), []Patch{p})
	if err != nil {
		t.Fatal(err)
	}
	if results[0].Outcome != store.Failed || !slices.Equal(results[0].Reasons, []string{"1.yaml: the file is too large"}) {
		t.Errorf("%+v", results[0])
	}
}

// What does not fit into a transaction with others waits for the next one;
// what fits into none fails, saying so.
func TestApplyWithinLimits(t *testing.T) {
	b := newBench(t)
	b.Store = limited{b.Store, store.Limits{Writes: 5, Bytes: 1 << 20}}
	large := creates("a")
	for i := range 5 {
		large += fmt.Sprintf("- {action: create, user: u, name: l%d, generate: true}\n", i)
	}
	if got := b.outcomes(patch(1, creates("a")), patch(2, creates("b")), patch(3, creates("c")), patch(4, large), patch(5, creates("d"))); got != "installed installed installed failed installed" {
		t.Error(got)
	}
	if got := len(b.ledger()); got != 5 {
		t.Errorf("%d entries", got)
	}
}

// limited is a store with limits of its own.
type limited struct {
	store.Store
	limits store.Limits
}

func (l limited) Limits() store.Limits { return l.limits }

func (l limited) Commit(ctx context.Context, b store.Batch) error {
	if !l.limits.Allows(b.Size()) {
		return store.ErrTooLarge
	}
	return l.Store.Commit(ctx, b)
}

// BenchmarkApply applies patches of one token, all that wait at once.
func BenchmarkApply(b *testing.B) {
	st, err := memstore.Open(nil, memstore.Faults{})
	if err != nil {
		b.Fatal(err)
	}
	a := &Applier{Store: st, Now: time.Now, Random: rand.Reader}
	const group = 256
	n := 0
	for b.Loop() {
		patches := make([]Patch, group)
		for i := range patches {
			n++
			patches[i] = Patch{ID: store.PatchID{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}, Source: store.Source{Dir: "d", Path: "x.yaml"}, Data: []byte(creates(fmt.Sprint("t", n)))}
		}
		if _, err := a.Apply(b.Context(), patches); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "patches/s")
}
