package daemon

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/memstore"
	"github.com/tokendrop/tokendrop/store/token"
)

const day = 24 * time.Hour

func TestNearest(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	long := now.Add(-1000 * day)
	for name, tt := range map[string]struct {
		expires, issued, last time.Time
		want                  int
	}{
		"never expires":              {time.Time{}, long, time.Time{}, 0},
		"has expired":                {now, long, time.Time{}, 0},
		"not yet near":               {now.Add(30*day + 1), long, time.Time{}, 0},
		"just near":                  {now.Add(30 * day), long, now.Add(-1), 30},
		"told of already":            {now.Add(30*day - 1), long, now.Add(-1), 0},
		"first look":                 {now.Add(8 * day), long, time.Time{}, 30},
		"nearer":                     {now.Add(7 * day), long, now.Add(-time.Hour), 7},
		"very near":                  {now.Add(day), long, now.Add(-time.Hour), 1},
		"between two":                {now.Add(3 * day), long, now.Add(-time.Hour), 0},
		"issued for no longer":       {now.Add(20 * day), now.Add(-10 * day), time.Time{}, 0},
		"issued for longer than 7":   {now.Add(6 * day), now.Add(-10 * day), time.Time{}, 7},
		"issued for an hour":         {now.Add(time.Minute), now.Add(-time.Hour), time.Time{}, 0},
		"of no known age":            {now.Add(day), time.Time{}, time.Time{}, 1},
		"the clock was set back":     {now.Add(30 * day), long, now.Add(day), 0},
		"the clock was set far back": {now.Add(400 * day), long, now.Add(500 * day), 0},
	} {
		rec := store.Record{ExpiresAt: tt.expires, IssuedAt: tt.issued}
		if got := nearest(&rec, tt.last, now); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}

// Each token is told of once at each threshold, no more than some by name, and
// none that is not good anyway.
func TestExpiryWatch(t *testing.T) {
	st, err := memstore.Open(nil, memstore.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	b := store.Batch{Expect: map[store.Name]store.Revision{}, Entries: []store.Entry{{Patch: store.PatchID{1}}}}
	blocked := store.Mark{MarkID: store.UserRuleID("blocked"), Value: store.Rule{Blocked: true}.Value()}
	b.Marks, b.ExpectMarks = []store.Mark{blocked}, map[store.MarkID]store.Revision{blocked.MarkID: 0}
	put := func(user string, active bool, in time.Duration) {
		n := len(b.Put) + 1
		r := store.Record{
			Name: store.Name{User: user, Name: fmt.Sprintf("n%02d", n)}, Active: active, ExpiresAt: now.Add(in),
			Credentials: []store.Credential{{Key: token.Key{byte(n)}}},
		}
		b.Put, b.Expect[r.Name] = append(b.Put, r), 0
	}
	for range maxExpiring + 2 {
		put("u", true, 10*day)
	}
	put("v", true, 100*day)
	put("u", false, 10*day)
	put("blocked", true, 10*day)
	if err := st.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	w := expiryWatch{store: st, log: zerolog.New(&log)}
	lines := func(after time.Duration) (named, summed int) {
		log.Reset()
		w.look(now.Add(after))
		return strings.Count(log.String(), `"message":"token expires soon"`), strings.Count(log.String(), `"message":"further tokens expire soon"`)
	}
	for _, step := range []struct {
		after         time.Duration
		named, summed int
	}{{0, maxExpiring, 1}, {time.Hour, 0, 0}, {3 * day, maxExpiring, 1}, {3*day + 1, 0, 0}, {70 * day, 1, 0}, {92 * day, 0, 0}, {93 * day, 1, 0}, {200 * day, 0, 0}} {
		if named, summed := lines(step.after); named != step.named || summed != step.summed {
			t.Errorf("after %v: %d named, %d summed up, want %d and %d\n%s", step.after, named, summed, step.named, step.summed, &log)
		}
	}
	lines(99 * day)
	if lines(99*day + 1); log.Len() > 0 {
		t.Errorf("told twice: %s", &log)
	}
}
