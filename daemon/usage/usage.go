// Package usage remembers when tokens are used, without slowing those who use
// them: uses are counted in memory, and stored by and by.
//
// Invariants:
//
//  1. Count waits for no disk, and for a token that was used shortly before it
//     allocates nothing.
//  2. A token is written once a minute at most, with both of its credentials;
//     its first use after a pause is written within seconds.
//  3. What was counted is added to the store once, and until then Uses tells it
//     beside what is stored.
//  4. When the store cannot be written to, nothing is lost: counting goes on, and
//     writing is tried again. When it is not known what was stored, Run ends.
//  5. Memory is bounded: of tokens beyond maxTokens nothing is counted, and the
//     log says so.
package usage

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/store"
)

const (
	// period is the least time between two writes of one token.
	period = time.Minute
	// gather is how long uses wait for others to be written with them.
	gather = time.Second
	// maxTokens bounds how many tokens are remembered at once, which are those
	// used within some two minutes, or since the store could be written to. Each
	// takes some 200 bytes.
	maxTokens = 1 << 18
	// maxBatch is how many uses are stored in one go, or little more: patches
	// wait for it.
	maxBatch = 1024
)

// Store is where uses are kept. store.Store is one.
type Store interface {
	RecordUses(ctx context.Context, used []store.Used) error
	Uses(ctx context.Context) (map[store.TokenID]store.Uses, error)
}

// Recorder counts uses. New makes one.
type Recorder struct {
	store Store
	now   func() time.Time
	log   zerolog.Logger

	shards [shards]shard
	used   chan struct{} // wakes Run
	lost   atomic.Bool   // some uses were not counted since the last write

	writing sync.Mutex // held while uses are on their way from memory to the store
	failing bool       // the log was told that they cannot be stored
	full    bool       // the log was told that some are not counted
}

// New makes a Recorder that writes to st.
func New(st Store, now func() time.Time, log zerolog.Logger) *Recorder {
	return &Recorder{store: st, now: now, log: log, used: make(chan struct{}, 1)}
}

// Count remembers uses of a credential. Several goroutines may call it.
func (r *Recorder) Count(u store.Used) {
	u.At = u.At.UTC().Truncate(time.Millisecond)
	u.IP = u.IP.Unmap().WithZone("")
	switch r.shard(u.Token).count(&u) {
	case first:
		select {
		case r.used <- struct{}{}:
		default: // Run is awake, or will be
		}
	case refused:
		r.lost.Store(true)
	}
}

// Run writes what is counted until ctx ends, which is no error. Flush writes what
// it leaves. An error is store.ErrUnknown.
func (r *Recorder) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.used:
		}
		for !r.all((*shard).idle) {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(gather):
			}
			if err := r.write(ctx, false); err != nil {
				return err
			}
		}
	}
}

// Flush writes all that is counted, however shortly after the last time. Its
// error is store.ErrUnknown, or that uses were not stored.
func (r *Recorder) Flush(ctx context.Context) error {
	if err := r.write(ctx, true); err != nil {
		return err
	}
	if !r.all((*shard).stored) {
		return errors.New("the last uses of tokens were not stored")
	}
	return nil
}

// Uses tells what is remembered of all tokens that were used.
func (r *Recorder) Uses(ctx context.Context) (map[store.TokenID]store.Uses, error) {
	r.writing.Lock()
	defer r.writing.Unlock()
	uses, err := r.store.Uses(ctx)
	if err != nil {
		return nil, err
	}
	for i := range r.shards {
		r.shards[i].add(uses)
	}
	return uses, nil
}

// write stores what is due, or all.
func (r *Recorder) write(ctx context.Context, all bool) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	var batch []store.Used
	now := r.now()
	for i := range r.shards {
		batch = r.shards[i].take(now, all, batch)
		if len(batch) >= maxBatch {
			if err := r.record(ctx, batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	lost := r.lost.Swap(false)
	if lost && !r.full {
		r.log.Warn().Int("limit", maxTokens).Msg("more tokens are used at once than are remembered: some uses are not counted")
	}
	r.full = lost
	if len(batch) == 0 {
		return nil
	}
	return r.record(ctx, batch)
}

// record stores uses, or puts them back.
func (r *Recorder) record(ctx context.Context, batch []store.Used) error {
	err := r.store.RecordUses(ctx, batch)
	if errors.Is(err, store.ErrUnknown) {
		return fmt.Errorf("storing uses of tokens: %w", err)
	}
	if err != nil {
		for i := range batch {
			r.shard(batch[i].Token).putBack(&batch[i])
		}
	}
	if failed := err != nil && ctx.Err() == nil; failed != r.failing {
		r.tell(err)
		r.failing = failed
	}
	return nil
}

func (r *Recorder) tell(err error) {
	if err != nil {
		r.log.Warn().Err(err).Msg("uses of tokens cannot be stored, and are kept in memory")
	} else {
		r.log.Info().Msg("uses of tokens are stored again")
	}
}

func (r *Recorder) all(are func(*shard) bool) bool {
	for i := range r.shards {
		if !are(&r.shards[i]) {
			return false
		}
	}
	return true
}
