//go:build unix

package daemon

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/memstore"
	"github.com/tokendrop/tokendrop/store/token"
)

// rehashed is a rehasher over a store with n plain tokens, whose commits are
// counted, and what became of each.
type rehashed struct {
	*rehasher
	store   *memstore.Store
	commits atomic.Int64
	fail    atomic.Pointer[error]
}

func newRehashed(t *testing.T, n int) *rehashed {
	t.Helper()
	r := &rehashed{}
	st, err := memstore.Open(nil, memstore.Faults{Before: func(*store.Batch) error {
		if r.commits.Add(1); r.fail.Load() != nil {
			return *r.fail.Load()
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	b := store.Batch{Expect: map[store.Name]store.Revision{}, Entries: []store.Entry{{}}}
	for i := range n {
		rec := store.Record{Name: store.Name{User: "u", Name: keyOf(i).String()}, Credentials: []store.Credential{{Key: keyOf(i), Digest: digestOf(i)}}}
		b.Expect[rec.Name] = 0
		b.Put = append(b.Put, rec)
	}
	if err := st.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	r.commits.Store(0)
	ring, err := token.NewKeyring([][]byte{[]byte(pepperText)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	applier := newApplier(st, provision.Settings{Keys: ring}, time.Now)
	r.store, r.rehasher = st, newRehasher(applier, zerolog.Nop())
	return r
}

func keyOf(i int) (k token.Key) {
	binary.BigEndian.PutUint64(k[:], uint64(i)+1)
	return k
}

func digestOf(i int) token.Digest { return token.DigestOf([32]byte{byte(i >> 8), byte(i), 1}) }

func (r *rehashed) peppered() (n int) {
	for rec := range r.store.Tokens() {
		if rec.Credentials[0].Pepper != (token.PepperID{}) {
			n++
		}
	}
	return n
}

// The first use is stored at once, and later ones together, once a second at
// most, however often a token is used.
func TestRehasherCollects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRehashed(t, 100)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.run(ctx) }()
		r.offer(keyOf(0), digestOf(0))
		synctest.Wait()
		if r.commits.Load() != 1 || r.peppered() != 1 {
			t.Errorf("the first use: %d commits, %d tokens", r.commits.Load(), r.peppered())
		}
		for i := range 100 {
			for range 3 {
				r.offer(keyOf(i), digestOf(i))
			}
		}
		<-time.After(rehashPause - 1)
		synctest.Wait()
		if r.commits.Load() != 1 {
			t.Error("a commit came before the pause was over")
		}
		<-time.After(1)
		synctest.Wait()
		if r.commits.Load() != 2 || r.peppered() != 100 {
			t.Errorf("all others: %d commits, %d tokens", r.commits.Load(), r.peppered())
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// What was used just before the end is stored at the end.
func TestRehasherFlush(t *testing.T) {
	r := newRehashed(t, 3)
	if err := r.flush(t.Context()); err != nil || r.commits.Load() != 0 {
		t.Errorf("nothing was used: %d commits, %v", r.commits.Load(), err)
	}
	for i := range 3 {
		r.offer(keyOf(i), digestOf(i))
	}
	if err := r.flush(t.Context()); err != nil || r.peppered() != 3 {
		t.Errorf("%d of 3 tokens, %v", r.peppered(), err)
	}
}

// What there is no room for is not waited for, and is taken at its next use; so
// is what the store could not take.
func TestRehasherNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRehashed(t, 2*maxProofs)
		full := store.ErrUnavailable
		r.fail.Store(&full)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		use := func() {
			for i := range 2 * maxProofs {
				r.offer(keyOf(i), digestOf(i))
			}
		}
		use()
		go func() { done <- r.run(ctx) }()
		synctest.Wait()
		if r.commits.Load() != 1 || r.peppered() != 0 {
			t.Errorf("with a full disk: %d commits, %d tokens", r.commits.Load(), r.peppered())
		}
		r.fail.Store(nil)
		for tries := 0; r.peppered() < 2*maxProofs && tries < 4; tries++ {
			for i := 2*maxProofs - 1; i >= 0; i-- {
				if rec, _ := r.store.ByKey(keyOf(i)); rec.Credentials[0].Pepper == (token.PepperID{}) {
					r.offer(keyOf(i), digestOf(i)) // as verify does of what is outdated
				}
			}
			<-time.After(rehashPause)
			synctest.Wait()
		}
		if r.peppered() != 2*maxProofs {
			t.Errorf("%d tokens have the pepper, want all", r.peppered())
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Invariant 3.
func TestRehasherEndsWhenTheResultIsUnknown(t *testing.T) {
	r := newRehashed(t, 1)
	unknown := store.ErrUnknown
	r.fail.Store(&unknown)
	r.offer(keyOf(0), digestOf(0))
	if err := r.run(t.Context()); !errors.Is(err, store.ErrUnknown) {
		t.Errorf("run = %v", err)
	}
}

func TestRehasherTellsNoSecret(t *testing.T) {
	var log strings.Builder
	r := newRehashed(t, 1)
	r.log = zerolog.New(&log)
	full := store.ErrUnavailable
	r.fail.Store(&full)
	if err := r.rehash(t.Context(), []provision.Proof{{Credential: keyOf(0), Digest: digestOf(0)}}); err != nil {
		t.Error(err)
	}
	if text := log.String(); !strings.Contains(text, "keep their old form") || strings.Contains(text, digestOf(0).String()[7:20]) {
		t.Errorf("the log: %s", text)
	}
}
