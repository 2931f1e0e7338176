package store

import (
	"fmt"
	"testing"
)

// BenchmarkLookup looks up a known and an unknown key while much is said about
// users: its time does not tell which is which.
func BenchmarkLookup(b *testing.B) {
	const tokens = 5000
	x := &Index{}
	var batch Batch
	for i := range uint64(tokens) {
		batch.Put = append(batch.Put, numbered(i, 1))
	}
	for i := range 2000 {
		batch.Marks = append(batch.Marks, Mark{MarkID: MarkID{UserRule, fmt.Sprintf("team-%d-*", i)}, Value: "block"})
	}
	x.Apply(&batch)
	took := make(map[bool]float64)
	var f Found
	for _, known := range []bool{true, false} {
		key := keyOf(1)
		if !known {
			key = keyOf(tokens)
		}
		b.Run(fmt.Sprintf("known=%v", known), func(b *testing.B) {
			for b.Loop() {
				if x.Lookup(key, &f); f.Known() != known || len(f.Credentials()) == 0 {
					b.Fatal("it was not found, or found where it is not")
				}
			}
			took[known] = float64(b.Elapsed()) / float64(b.N)
			b.ReportMetric(took[known]/took[true], "of-a-known-one")
		})
	}
}
