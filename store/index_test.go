package store

import (
	"maps"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tokendrop/tokendrop/store/token"
)

func TestIndexLookup(t *testing.T) {
	x := filled(record("a", 1, 2))
	rule := Rule{Blocked: true, Reason: "left"}
	x.Apply(&Batch{Marks: []Mark{{MarkID: UserRuleID("u"), Value: rule.Value(), Revision: 2}}})
	for _, key := range []token.Key{{1}, {2}} {
		if r, got, ok := x.looked(key); !ok || r.Name.Name != "a" || got != rule {
			t.Errorf("Lookup = %v, %+v, %v", r.Name, got, ok)
		}
	}
	if _, got, ok := x.looked(token.Key{3}); ok || got != (Rule{}) {
		t.Errorf("Lookup = %+v, %v for what is not there", got, ok)
	}
	// Only rules rule.
	x.Apply(&Batch{Marks: []Mark{{MarkID: MarkID{OnceUsed, "u"}, Value: Rule{}.Value(), Revision: 3}}})
	if _, got, _ := x.looked(token.Key{1}); got != rule {
		t.Errorf("the rule is %+v after another mark, want %+v", got, rule)
	}
}

// A lookup of a user whom patterns are about is one of a request, too.
func TestLookupAllocatesNothing(t *testing.T) {
	long := record("a", 1)
	long.User = strings.Repeat("u", 256)
	x := filled(long)
	for i, pattern := range []string{"/users/**/x*", "*b*", "u*"} {
		x.Apply(&Batch{Marks: []Mark{{MarkID: UserRuleID(pattern), Value: Rule{}.Value(), Revision: Revision(i + 2)}}})
	}
	var f Found
	allocs := testing.AllocsPerRun(100, func() {
		if x.Lookup(token.Key{1}, &f); !f.Known() {
			t.Error("the token is not there")
		}
	})
	if allocs > 0 {
		t.Errorf("a lookup allocates %v times", allocs)
	}
}

// Contract, invariant 1: what is said about a user changes with the tokens of
// the batch that says it.
func TestIndexAppliesAtOnce(t *testing.T) {
	const rounds, width = 500, 100
	x := &Index{}
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !done.Load() {
				r, rule, ok := x.looked(token.Key{1})
				if ok && rule.Reason != strconv.FormatUint(r.Generation, 10) {
					t.Errorf("Lookup gives a token at %d with a rule at %s", r.Generation, rule.Reason)
					return
				}
			}
		})
	}
	for round := range uint64(rounds) {
		b := Batch{Marks: []Mark{{MarkID: UserRuleID("u"), Value: Rule{Reason: strconv.FormatUint(round, 10)}.Value(), Revision: 1}}}
		for i := range byte(width) {
			r := record(strconv.Itoa(int(i)), i)
			r.Generation = round
			b.Put = append(b.Put, r)
		}
		x.Apply(&b)
	}
	done.Store(true)
	readers.Wait()
}

// Contract, invariant 4.
func TestIndexChecksMarks(t *testing.T) {
	x := &Index{}
	id, other := OnceID("d", "n"), OnceID("d", "o")
	x.Apply(&Batch{Marks: []Mark{{MarkID: id, Revision: 3}}})
	for name, tt := range map[string]struct {
		expect map[MarkID]Revision
		ok     bool
	}{
		"as it is":       {map[MarkID]Revision{id: 3}, true},
		"absent as read": {map[MarkID]Revision{other: 0}, true},
		"older":          {map[MarkID]Revision{id: 2}, false},
		"there by now":   {map[MarkID]Revision{id: 0}, false},
		"gone":           {map[MarkID]Revision{other: 3}, false},
		"one of two":     {map[MarkID]Revision{id: 3, other: 1}, false},
	} {
		if err := x.Check(&Batch{ExpectMarks: tt.expect}); (err == nil) != tt.ok {
			t.Errorf("%s: Check = %v", name, err)
		}
	}
}

// What is loaded is what would have been applied.
func TestIndexLoad(t *testing.T) {
	records := []Record{record("a", 1, 2), record("b", 3), record("c", 4, 4)}
	marks := []Mark{{MarkID: OnceID("d", "n"), Value: "v", Revision: 1}, {MarkID: UserRuleID("u"), Value: "bleft", Revision: 2}}
	applied, loaded := &Index{}, &Index{}
	applied.Apply(&Batch{Put: records, Marks: marks})
	loaded.LoadMarks(marks)
	for i := range records {
		if err := loaded.Load(records[i].Name, AppendRecord(nil, &records[i]), nil); err != nil {
			t.Fatal(err)
		}
	}
	// And both go on alike.
	b := Batch{Put: []Record{record("a", 5)}, Delete: []Name{{"u", "b"}}, Marks: []Mark{{MarkID: UserRuleID("u"), Value: "a", Revision: 3}}}
	for range 2 {
		for key := range byte(6) {
			want, wantRule, wantOK := applied.looked(token.Key{key})
			got, rule, ok := loaded.looked(token.Key{key})
			if got.Name != want.Name || rule != wantRule || ok != wantOK {
				t.Errorf("Lookup = %v, %+v, %v, want %v, %+v, %v", got.Name, rule, ok, want.Name, wantRule, wantOK)
			}
		}
		if loaded.Len() != applied.Len() || loaded.LenMarks() != applied.LenMarks() || !maps.Equal(loaded.marks, applied.marks) {
			t.Errorf("%d tokens and marks %v, want %d and %v", loaded.Len(), loaded.marks, applied.Len(), applied.marks)
		}
		applied.Apply(&b)
		loaded.Apply(&b)
	}
}
