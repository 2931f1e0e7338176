package provision

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/badgerstore"
)

const oneEntry = `  - user: /users/root
    name: test-token%d
    key: 9201cd9b-4e62-415e-b523-e198dd7e4756
    digest: sha256:pZGBhjBhSAQOa04eTub/IONhsLhCetBU0IWh7MZOgT0=
    expires_at: 2027-12-31
`

func manifestOf(entries int) []byte {
	var b strings.Builder
	b.WriteString("version: 1\naction: create\ntokens:\n")
	for i := range entries {
		fmt.Fprintf(&b, oneEntry, i)
	}
	return []byte(b.String())
}

// BenchmarkDecode prints how many manifests are validated a second.
func BenchmarkDecode(b *testing.B) {
	for _, entries := range []int{1, maxEntries} {
		b.Run(fmt.Sprintf("entries=%d", entries), func(b *testing.B) {
			data := manifestOf(entries)
			b.ReportAllocs()
			for b.Loop() {
				if _, problems := (Decoder{}).Decode("x.yaml", data); problems != nil {
					b.Fatal(problems)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "manifests/s")
		})
	}
}

// BenchmarkApplyOne applies one patch of 10,000 entries to a store of files, from
// its bytes until it is durable: within a second, the first time and when it is
// dropped again.
func BenchmarkApplyOne(b *testing.B) {
	for _, bb := range []struct {
		name   string
		source func(i int) string
	}{
		{"digests", func(i int) string {
			return fmt.Sprintf("key: 00000000-0000-4000-8000-%012d, digest: 'sha256:%064x'", i, i)
		}},
		{"generated", func(int) string { return "generate: true" }},
	} {
		var text strings.Builder
		text.WriteString("action: create\ntokens:\n")
		for i := range maxEntries {
			fmt.Fprintf(&text, "- {user: /users/u%d, name: deploy, expires_at: 2099-12-31, %s}\n", i, bb.source(i))
		}
		b.Run(bb.name, func(b *testing.B) { benchApply(b, text.String(), false) })
		b.Run(bb.name+"-again", func(b *testing.B) { benchApply(b, text.String(), true) })
	}
}

func benchApply(b *testing.B, text string, again bool) {
	id := uint64(0)
	apply := func(a *Applier) {
		id++
		p := Patch{Source: store.Source{Dir: "spool", Path: "x.yaml"}, Data: []byte(text)}
		binary.BigEndian.PutUint64(p.ID[:], id)
		results, err := a.Apply(b.Context(), []Patch{p})
		if err != nil || results[0].Outcome != store.Installed {
			b.Fatal(err, results)
		}
	}
	for b.Loop() {
		b.StopTimer()
		st, err := badgerstore.Open(b.Context(), badgerstore.Options{Path: b.TempDir() + "/store", Log: zerolog.Nop()})
		if err != nil {
			b.Fatal(err)
		}
		a := &Applier{Store: st, Now: time.Now, Random: rand.Reader}
		if again {
			apply(a)
		}
		b.StartTimer()
		apply(a)
		b.StopTimer()
		if err := st.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/patch")
}
