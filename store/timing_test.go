package store

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// What is said about users does not tell by its time whether a key is known.
func TestLookupJudgesUnknownKeysToo(t *testing.T) {
	const patterns, rounds = 2000, 41
	x := &Index{}
	b := Batch{Put: []Record{numbered(1, 1)}}
	for i := range patterns {
		b.Marks = append(b.Marks, Mark{MarkID: MarkID{UserRule, fmt.Sprintf("team-%d-*", i)}, Value: "block"})
	}
	x.Apply(&b)
	known, unknown := keyOf(1), keyOf(2)
	if _, _, ok := x.looked(known, nil); !ok {
		t.Fatal("the token is not there")
	}
	median := func(lookup func()) time.Duration {
		var took []time.Duration
		for range rounds {
			began := time.Now()
			lookup()
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		return took[rounds/2]
	}
	room := new(Room)
	of := median(func() { x.looked(known, room) })
	none := median(func() { x.looked(unknown, room) })
	if of > 3*none || none > 3*of {
		t.Errorf("a known key takes %v, an unknown one %v", of, none)
	}
}
