package storetest

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/tokendrop/tokendrop/store"
)

// 1: a reader that has seen one token or mark of a batch sees the others.
func testReaders(b *bench) {
	const rounds, width = 50, 4
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for !done.Load() && b.checkRound(width) {
			}
		})
	}
	for round := range uint64(rounds) {
		var records []store.Record
		for i := range width {
			r := record(name(i), key(int(round)%2*width+i))
			r.Generation = round + 1
			records = append(records, r)
		}
		text := strconv.FormatUint(round+1, 10)
		b.commit(b.mark(b.write(records...), mark(roundMark, text), userRule("**", store.Rule{Reason: text})))
	}
	done.Store(true)
	readers.Wait()
}

// roundMark has the number of the round that it was written in.
var roundMark = store.SerialID("spool/x.yaml")

// checkRound reads once all that each round writes. It tells whether all was
// of one round, or the later read of a later one.
func (b *bench) checkRound(width int) bool {
	first, _ := b.ByName(name(0))
	for i := 1; i < width; i++ {
		if r, _ := b.ByName(name(i)); r.Generation < first.Generation {
			b.Errorf("token %d is at %d while the first is at %d", i, r.Generation, first.Generation)
			return false
		}
	}
	before := first.Generation
	if m, ok := b.Mark(roundMark); ok {
		at, err := strconv.ParseUint(m.Value, 10, 64)
		if err != nil || at < before {
			b.Errorf("the mark is %q while the first token is at %d", m.Value, before)
			return false
		}
		before = at
	}
	visited := 0
	b.Walk(func(*store.Record, store.Rule) { visited++ })
	if before > 0 && visited != width {
		b.Errorf("%d tokens are visited of %d", visited, width)
		return false
	}
	if r, _ := b.ByName(name(0)); r.Generation < before {
		b.Errorf("the first token is at %d while the mark is at %d", r.Generation, before)
		return false
	}
	for i := range 2 * width {
		r, rule, ok := looked(b, key(i))
		if ok && rule.Reason != strconv.FormatUint(r.Generation, 10) {
			b.Errorf("Lookup gives a token at %d with a rule at %s", r.Generation, rule.Reason)
			return false
		}
	}
	return b.checkWhole(width)
}

// checkWhole finds all tokens of one round at once.
func (b *bench) checkWhole(width int) bool {
	generation, count := uint64(0), 0
	for r := range b.Tokens() {
		if count++; count > 1 && r.Generation != generation {
			b.Error("Tokens yields a part of a batch")
			return false
		}
		generation = r.Generation
	}
	if count != 0 && count != width {
		b.Errorf("Tokens yields %d tokens of %d", count, width)
		return false
	}
	return true
}

// 4, 6, 9: of writers that count up the same token each wins once, and a patch
// that two of them have is applied once.
func testCommitters(b *bench) {
	const writers, each = 4, 10
	b.commit(b.write(record(name(0), key(0))))
	var wins, applied atomic.Int64
	var running sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			for i := range each {
				// Two writers share the identifier of every patch.
				n := entry(1<<30*uint64(w/2+1) + uint64(i))
				switch err := b.countUp(n); {
				case err == nil:
					wins.Add(1)
				case errors.Is(err, store.ErrApplied):
					applied.Add(1)
				default:
					b.Errorf("Commit = %v", err)
				}
			}
		})
	}
	running.Wait()
	if wins.Load() != writers*each/2 || applied.Load() != writers*each/2 {
		b.Errorf("%d commits and %d refusals, want %d each", wins.Load(), applied.Load(), writers*each/2)
	}
	if r, _ := b.ByName(name(0)); r.Generation != 1+uint64(wins.Load()) {
		b.Errorf("generation = %d after %d commits", r.Generation, wins.Load())
	}
	b.reopen()
	if s := b.state(); len(s.Ledger) != 1+int(wins.Load()) {
		b.Errorf("%d entries after %d commits", len(s.Ledger), wins.Load())
	}
}

// countUp reads, plans and commits until there is no conflict.
func (b *bench) countUp(n store.Entry) error {
	for {
		r, _ := b.ByName(name(0))
		batch := store.Batch{Expect: map[store.Name]store.Revision{r.Name: r.Revision}, Entries: []store.Entry{n}}
		r.Generation++
		batch.Put = []store.Record{r}
		if err := b.Commit(b.Context(), batch); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}
