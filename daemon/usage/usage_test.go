package usage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/store"
)

// kept is a Store that notes who was written when.
type kept struct {
	mu     sync.Mutex
	uses   map[store.TokenID]store.Uses
	writes map[store.TokenID][]time.Time
	fail   error
	hold   chan struct{} // writes wait until it is closed; nil: they do not
}

func newKept() *kept {
	return &kept{uses: map[store.TokenID]store.Uses{}, writes: map[store.TokenID][]time.Time{}}
}

func (k *kept) RecordUses(ctx context.Context, used []store.Used) error {
	if k.hold != nil {
		<-k.hold
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail != nil {
		return k.fail
	}
	wrote := map[store.TokenID]bool{}
	for _, u := range used {
		k.uses[u.Token] = k.uses[u.Token].Add(u.CredentialUse)
		wrote[u.Token] = true
	}
	for id := range wrote {
		k.writes[id] = append(k.writes[id], time.Now())
	}
	return ctx.Err()
}

func (k *kept) Uses(context.Context) (map[store.TokenID]store.Uses, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.uses), nil
}

func (k *kept) setFail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fail = err
}

// running is a recorder at work in a bubble of time.
type running struct {
	*Recorder
	t      *testing.T
	log    *bytes.Buffer
	ended  chan error
	cancel context.CancelFunc
}

func start(t *testing.T, k *kept) *running {
	var log bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{New(k, time.Now, zerolog.New(&log)), t, &log, make(chan error, 1), cancel}
	go func() { r.ended <- r.Run(ctx) }()
	return r
}

// stop ends it as the daemon does.
func (r *running) stop() {
	r.t.Helper()
	r.cancel()
	if err := <-r.ended; err != nil {
		r.t.Errorf("Run = %v", err)
	}
	if err := r.Flush(r.t.Context()); err != nil {
		r.t.Errorf("Flush = %v", err)
	}
}

func (r *running) use(id store.TokenID, number uint64) {
	r.Count(store.Used{Token: id, CredentialUse: store.CredentialUse{Number: number, Use: store.Use{At: time.Now(), Count: 1}}})
}

// told is what the recorder says of a token.
func (r *running) told(id store.TokenID) store.Uses {
	r.t.Helper()
	all, err := r.Uses(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return all[id]
}

func (r *running) expectCount(id store.TokenID, want uint64) {
	r.t.Helper()
	uses := r.told(id)
	if got := uses.Total().Count; got != want {
		r.t.Errorf("token %d was used %d times, want %d", id, got, want)
	}
}

// wait lets time pass.
func wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// 2, 3: the first use is written at once, a token in steady use once a minute,
// whatever it is used with; all of it is told at any time.
func TestOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKept()
		r := start(t, k)
		began := time.Now()
		var count uint64
		for range 600 { // five minutes
			r.use(1, 1+count%2)
			count++
			r.expectCount(1, count)
			wait(500 * time.Millisecond)
			r.expectCount(1, count)
		}
		writes := k.writes[1]
		if len(writes) != 5 || writes[0].Sub(began) > 2*time.Second {
			t.Errorf("%d writes in five minutes, the first after %v", len(writes), writes[0].Sub(began))
		}
		for i := 1; i < len(writes); i++ {
			if gap := writes[i].Sub(writes[i-1]); gap < period || gap > period+2*gather {
				t.Errorf("%v between two writes", gap)
			}
		}
		last := time.Now()
		r.use(1, 1)
		r.stop()
		u := k.uses[1]
		if got := u.Total(); got.Count != count+1 || !got.At.Equal(last) {
			t.Errorf("stored are %+v, want %d uses, the last at %v", got, count+1, last)
		}
		if u.Of(1).Count != count/2+1 || u.Of(2).Count != count/2 {
			t.Errorf("stored are %+v", u)
		}
	})
}

// 2: who comes back after a pause is written at once, and nothing stays in
// memory meanwhile, nor does anything wake.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKept()
		r := start(t, k)
		for range 3 {
			r.use(1, 1)
			came := time.Now()
			wait(2 * gather)
			if w := k.writes[1]; len(w) == 0 || w[len(w)-1].Before(came) {
				t.Errorf("a use after a pause is not written: %v", w)
			}
			wait(3 * period)
			if !r.all((*shard).idle) {
				t.Error("a token that is not used is remembered")
			}
		}
		r.stop()
		if n := len(k.writes[1]); n != 3 {
			t.Errorf("%d writes, want 3", n)
		}
	})
}

// 4: while the store cannot be written to, counting goes on and is told; it is
// written when that is over, once. The log tells of either once.
func TestUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKept()
		k.fail = fmt.Errorf("%w: full", store.ErrUnavailable)
		r := start(t, k)
		for range 5 {
			r.use(1, 1)
			wait(period + 2*gather)
		}
		r.expectCount(1, 5)
		k.setFail(nil)
		wait(period + 2*gather)
		r.expectCount(1, 5)
		if u := k.uses[1]; u.Total().Count != 5 || len(k.writes[1]) != 1 {
			t.Errorf("stored are %d uses in %d writes", u.Total().Count, len(k.writes[1]))
		}
		r.stop()
		for _, text := range []string{"cannot be stored", "stored again"} {
			if n := strings.Count(r.log.String(), text); n != 1 {
				t.Errorf("%q is in the log %d times:\n%s", text, n, r.log)
			}
		}
	})
}

// 4: what is lost at the end is said, and what is unknown ends everything.
func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKept()
		k.fail = store.ErrUnavailable
		r := start(t, k)
		r.use(1, 1)
		wait(2 * gather)
		r.cancel()
		if err := <-r.ended; err != nil {
			t.Errorf("Run = %v", err)
		}
		if err := r.Flush(t.Context()); err == nil || errors.Is(err, store.ErrUnknown) {
			t.Errorf("Flush = %v although uses are not stored", err)
		}

		k.setFail(store.ErrUnknown)
		r = start(t, k)
		r.use(1, 1)
		wait(2 * gather)
		if err := <-r.ended; !errors.Is(err, store.ErrUnknown) {
			t.Errorf("Run = %v, want ErrUnknown", err)
		}
		r.use(2, 1)
		if err := r.Flush(t.Context()); !errors.Is(err, store.ErrUnknown) {
			t.Errorf("Flush = %v, want ErrUnknown", err)
		}
	})
}

// 1: no use waits for a write that does not end.
func TestCountDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKept()
		k.hold = make(chan struct{})
		r := start(t, k)
		r.use(1, 1)
		wait(2 * gather) // its write is under way
		r.use(1, 1)
		r.use(2, 1)
		close(k.hold)
		r.expectCount(1, 2)
		r.expectCount(2, 1)
		r.stop()
	})
}

// What it is asked to remember has no zone, one form of an address, and no
// finer unit of time than the store.
func TestForms(t *testing.T) {
	r := New(newKept(), time.Now, zerolog.Nop())
	at := time.Date(2026, 3, 1, 12, 0, 0, 1_999_999, time.FixedZone("", 3600))
	for i, address := range []string{"::ffff:192.0.2.1", "fe80::1%eth0"} {
		u := store.CredentialUse{Use: store.Use{At: at, IP: netip.MustParseAddr(address), Count: 1}}
		r.Count(store.Used{Token: store.TokenID(i), CredentialUse: u})
	}
	all, err := r.Uses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for id, address := range []string{"192.0.2.1", "fe80::1"} {
		uses := all[store.TokenID(id)]
		want := store.Use{At: time.Date(2026, 3, 1, 11, 0, 0, 1e6, time.UTC), IP: netip.MustParseAddr(address), Count: 1}
		if got := uses.Total(); got != want {
			t.Errorf("remembered is %+v, want %+v", got, want)
		}
	}
}

// 5: memory has an end, which the log tells once; tokens that are remembered
// count on, and there is room again when others are not used any more.
func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKept()
		r := start(t, k)
		ids := slices.DeleteFunc(sequence(shards*4000), func(id store.TokenID) bool { return r.shard(id) != &r.shards[0] })
		one, rest := ids[0], ids[1:]
		limit := maxTokens / shards
		for id := store.TokenID(shards * 4000); len(rest) < limit; id++ {
			if r.shard(id) == &r.shards[0] {
				rest = append(rest, id)
			}
		}
		r.use(one, 1)
		for _, id := range rest {
			r.use(id, 1)
		}
		r.use(one, 1)
		wait(2 * gather)
		r.expectCount(one, 2)
		r.expectCount(rest[limit-2], 1)
		r.expectCount(rest[limit-1], 0)
		wait(2 * period)
		r.use(rest[limit-1], 1)
		r.expectCount(rest[limit-1], 1)
		r.stop()
		if n := strings.Count(r.log.String(), "not counted"); n != 1 {
			t.Errorf("the log tells of it %d times:\n%s", n, r.log)
		}
	})
}

func sequence(n int) []store.TokenID {
	ids := make([]store.TokenID, n)
	for i := range ids {
		ids[i] = store.TokenID(i + 1)
	}
	return ids
}

// 3: of many uses of many tokens at once each is counted once, while they are
// written and told.
func TestManyAtOnce(t *testing.T) {
	const tokens, users, each = 10_000, 8, 5
	k := newKept()
	r := New(k, time.Now, zerolog.Nop())
	var using sync.WaitGroup
	for range users {
		using.Go(func() {
			for range each {
				for _, id := range sequence(tokens) {
					r.Count(store.Used{Token: id, CredentialUse: store.CredentialUse{Number: 1, Use: store.Use{At: time.Unix(1, 0), Count: 1}}})
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { using.Wait(); close(done) }()
	for busy := true; busy; {
		select {
		case <-done:
			busy = false
		default:
		}
		if err := r.write(t.Context(), true); err != nil {
			t.Error(err)
		}
		if _, err := r.Uses(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := r.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	for _, id := range sequence(tokens) {
		if u := k.uses[id]; u.Total().Count != users*each {
			t.Fatalf("token %d was used %d times, want %d", id, u.Total().Count, users*each)
		}
	}
}

// 1: nothing is allocated for a token that is in use, before and after a write.
func TestCountDoesNotAllocate(t *testing.T) {
	r := New(newKept(), time.Now, zerolog.Nop())
	u := store.Used{Token: 1, CredentialUse: store.CredentialUse{Number: 1, Use: store.Use{At: time.Unix(1, 0), Count: 1}}}
	for range 2 {
		r.Count(u)
		if n := testing.AllocsPerRun(100, func() { r.Count(u) }); n != 0 {
			t.Errorf("a use allocates %v times", n)
		}
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
