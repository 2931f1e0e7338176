package storetest

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/tokendrop/tokendrop/store"
)

// 1: a reader that has seen one token of a batch sees the others, and sees no
// batch whose entries are not there.
func testReaders(b *bench) {
	const rounds, width = 50, 4
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for !done.Load() {
				first, _ := b.ByName(name(0))
				for i := 1; i < width; i++ {
					if r, _ := b.ByName(name(i)); r.Generation < first.Generation {
						b.Errorf("token %d is at %d while the first is at %d", i, r.Generation, first.Generation)
						return
					}
				}
				generation, count := uint64(0), 0
				for r := range b.Tokens() {
					if count++; count > 1 && r.Generation != generation {
						b.Error("Tokens yields a part of a batch")
						return
					}
					generation = r.Generation
				}
				if count != 0 && count != width {
					b.Errorf("Tokens yields %d tokens of %d", count, width)
					return
				}
			}
		})
	}
	for round := range rounds {
		var records []store.Record
		for i := range width {
			r := record(name(i), key(round%2*width+i))
			r.Generation = uint64(round + 1)
			records = append(records, r)
		}
		b.commit(b.write(records...))
	}
	done.Store(true)
	readers.Wait()
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
