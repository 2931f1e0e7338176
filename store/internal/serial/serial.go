// Package serial is the part of a commit that is the same for every backend
// which is the only writer of its disk: one commit after the other, checked
// against memory, stored, and only then shown.
//
// Invariants, beside those of package store:
//
//  1. A Disk is written by one goroutine at a time.
//  2. What the index holds, the disk has stored before.
//  3. After an error that leaves the result open nothing is read from the disk
//     or written to it any more: what it shows may not last.
package serial

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/tokendrop/tokendrop/store"
)

// ErrClosed is what a store answers after Close.
var ErrClosed = errors.New("the store is closed")

// Count is how far a store has come. But for the first two it only ever grows.
type Count struct {
	Tokens, Marks int
	Head          store.Head     // of the ledger
	Revision      store.Revision // of what was written last
	Restricted    uint64         // number of the last entry that took something away; see store.Index.Restricts
}

// Change is a batch as it is to be stored.
type Change struct {
	*store.Batch

	Count Count           // what the store holds afterwards
	Gone  []store.TokenID // tokens that it has no more, with what is known of their uses
}

// Disk is what a backend stores batches on.
type Disk interface {
	// Applied tells whether the patch has a ledger entry.
	Applied(patch store.PatchID) (bool, error)

	// Write stores a batch whole, and returns when it is durable. An error that
	// wraps ErrUnknown leaves open whether it was stored; after any other it is
	// not, and never will be.
	Write(change Change) error

	// ReadUses reads what is remembered of a token's uses.
	ReadUses(id store.TokenID) (store.Uses, error)

	// WriteUses stores what is to be remembered of tokens' uses in the place of
	// what was. It returns as Write does, but for that some tokens' uses may be
	// stored after ErrUnknown and others not.
	WriteUses(uses map[store.TokenID]store.Uses) error
}

// Committer is the larger half of a store.Store. Its Index answers readers; a
// backend fills that before it calls Start.
type Committer struct {
	store.Index

	disk   Disk
	limits store.Limits

	mu      sync.Mutex
	last    Count
	stopped error // why no commit is taken any more
}

// Start makes the committer ready. The disk is where last says; the Index tells
// how many tokens and marks there are.
func (c *Committer) Start(disk Disk, limits store.Limits, last Count) {
	c.disk, c.limits, c.last = disk, limits, last
}

// Count is how far the store has come.
func (c *Committer) Count() Count {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// Head implements store.Store.
func (c *Committer) Head() store.Head {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last.Head
}

// Limits implements store.Store.
func (c *Committer) Limits() store.Limits { return c.limits }

// Commit implements store.Store. The context counts until writing starts: to
// give up later would leave the result open.
func (c *Committer) Commit(ctx context.Context, batch store.Batch) error {
	if err := batch.Validate(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	if !c.limits.Allows(batch.Size()) {
		return store.ErrTooLarge
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped != nil {
		return c.stopped
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	if err := c.check(&batch); err != nil {
		return err
	}
	// It grows with every batch, by as many as it has entries.
	revision := c.last.Revision + store.Revision(max(1, len(batch.Entries)))
	batch = number(batch, c.last.Head.ID, revision)
	after := c.countAfter(&batch, revision)
	if err := c.written(c.disk.Write(Change{&batch, after, c.Gone(&batch)})); err != nil {
		return err
	}
	c.Apply(&batch)
	c.last = after
	return nil
}

// written takes no further commit when it is not known what was written.
func (c *Committer) written(err error) error {
	if errors.Is(err, store.ErrUnknown) {
		c.stopped = err
	}
	return err
}

// Settled calls do while no commit is under way. It fails without a call when
// the store is closed, or the result of a commit was left open.
func (c *Committer) Settled(do func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped != nil {
		return c.stopped
	}
	return do()
}

// Stop refuses every later commit. It waits for one that is under way, and
// returns why the store had stopped before, nil if it had not.
func (c *Committer) Stop() (before error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before = c.stopped
	if before == nil {
		c.stopped = ErrClosed
	}
	return before
}

// check tests what the batch presumes. That a patch was applied comes first: a
// retry of a commit that had won finds its tokens changed as well.
func (c *Committer) check(b *store.Batch) error {
	patches := make(map[store.PatchID]bool, len(b.Entries))
	for i := range b.Entries {
		patch := b.Entries[i].Patch
		applied, err := c.disk.Applied(patch)
		if err != nil {
			return fmt.Errorf("looking for a patch in the ledger: %w", err)
		}
		if applied || patches[patch] {
			return store.ErrApplied
		}
		patches[patch] = true
	}
	return c.Check(b)
}

// idBits is how many bits of a TokenID are the place in the batch that created
// the token, which Limits keep below. The others are the number of its last entry.
const idBits = 16

// number gives entries their numbers after last, and records and marks their
// revision. The caller's batch stays as it was, so that it can be committed
// again.
func number(b store.Batch, last uint64, revision store.Revision) store.Batch {
	b.Entries = slices.Clone(b.Entries)
	for i := range b.Entries {
		last++
		b.Entries[i].ID = last
	}
	b.Put = slices.Clone(b.Put)
	for i := range b.Put {
		b.Put[i].Revision = revision
		if b.Put[i].ID == 0 {
			b.Put[i].ID = store.TokenID(last<<idBits | uint64(i))
		}
	}
	b.Marks = slices.Clone(b.Marks)
	for i := range b.Marks {
		b.Marks[i].Revision = revision
	}
	return b
}

// countAfter is what the store holds once the numbered batch is applied.
func (c *Committer) countAfter(b *store.Batch, revision store.Revision) Count {
	n := Count{c.Len(), c.LenMarks(), c.last.Head, revision, c.last.Restricted}
	for i := range b.Entries {
		n.Head = n.Head.Next(&b.Entries[i])
	}
	if c.Restricts(b) {
		n.Restricted = n.Head.ID
	}
	for i := range b.Put {
		if b.Expect[b.Put[i].Name] == 0 {
			n.Tokens++
		}
	}
	for _, name := range b.Delete {
		if b.Expect[name] != 0 {
			n.Tokens--
		}
	}
	for i := range b.Marks {
		if b.ExpectMarks[b.Marks[i].MarkID] == 0 {
			n.Marks++
		}
	}
	for _, id := range b.Unmark {
		if b.ExpectMarks[id] != 0 {
			n.Marks--
		}
	}
	return n
}
