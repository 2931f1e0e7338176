package usage

import (
	"crypto/rand"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/daemon/verify"
	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// BenchmarkDecision decides in parallel, with and without counting the use.
func BenchmarkDecision(b *testing.B) {
	register, texts := registered(b, 10_000)
	gate := verify.DefaultGate(verify.DefaultName)
	for _, counting := range []bool{false, true} {
		b.Run(fmt.Sprintf("counting=%v", counting), func(b *testing.B) {
			r := New(newKept(), time.Now, zerolog.Nop())
			ask := func(text string) {
				now := time.Now()
				d := register.Ask(&verify.Question{Text: text, Gate: &gate}, now)
				defer d.Release()
				if d.Reason != verify.Yes {
					b.Errorf("%v", d.Reason)
				}
				if counting {
					r.Count(store.Used{Token: d.Record.ID, Name: d.Record.Name, Key: d.Presented(), CredentialUse: store.CredentialUse{
						Number: d.Credential.Number, Use: store.Use{At: now, Count: 1},
					}})
				}
			}
			for _, text := range texts { // none is used for the first time
				ask(text)
			}
			var start atomic.Int64
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for i := int(start.Add(997)); pb.Next(); i++ {
					ask(texts[i%len(texts)])
				}
			})
		})
	}
}

// registered are tokens in memory, and their texts.
func registered(b *testing.B, tokens int) (*verify.Register, []string) {
	b.Helper()
	index := &store.Index{}
	batch := store.Batch{Put: make([]store.Record, tokens)}
	texts := make([]string, tokens)
	for i := range tokens {
		tok, err := token.Generate(rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		batch.Put[i] = store.Record{
			Name: store.Name{User: "user", Name: fmt.Sprint(i)}, Type: store.FullAccess, Audience: "api", Active: true,
			ID: store.TokenID(i + 1), Credentials: []store.Credential{{Key: tok.Key, Digest: tok.Digest(), Number: 1}},
		}
		texts[i] = tok.Reveal()
	}
	index.Apply(&batch)
	return &verify.Register{Tokens: index}, texts
}
