package daemon

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

const (
	// expiryEvery is how often it is looked which tokens expire soon.
	expiryEvery = time.Hour
	// maxExpiring is how many tokens are named at a time, for each of
	// admin.ExpiryDays; of the others the number is told.
	maxExpiring = 20
)

// expiryWatch says in the log, once for a token and each of admin.ExpiryDays,
// that it expires so soon. It remembers no token: those are told of that have
// come so near to their expiry since the last look, and at the first all that
// are so near. One that was not issued for longer than that is no news.
type expiryWatch struct {
	store store.Store
	log   zerolog.Logger
	last  time.Time
}

// run looks until ctx ends.
func (w *expiryWatch) run(ctx context.Context, now func() time.Time) error {
	ticker := time.NewTicker(expiryEvery)
	defer ticker.Stop()
	for {
		w.look(now())
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// expiring is a token that will expire.
type expiring struct {
	name store.Name
	key  token.Key
	at   time.Time
}

// look tells of the tokens that have come near to their expiry.
func (w *expiryWatch) look(now time.Time) {
	found, counts := map[int][]expiring{}, map[int]int{}
	w.store.Walk(func(rec *store.Record, rule store.Rule) {
		days := nearest(rec, w.last, now)
		if days == 0 || rule.Blocked || !rec.Active {
			return
		}
		if counts[days]++; counts[days] <= maxExpiring {
			found[days] = append(found[days], expiring{cloned(rec.Name), rec.Key(), rec.ExpiresAt})
		}
	})
	w.last = now
	for _, days := range admin.ExpiryDays {
		list := found[days]
		slices.SortFunc(list, func(a, b expiring) int { return cmp.Or(a.at.Compare(b.at), a.name.Compare(b.name)) })
		for _, e := range list {
			w.log.Warn().Str("within", within(days)).Str("user", e.name.User).Str("name", e.name.Name).
				Stringer("key", e.key).Time("expires_at", e.at).Msg("token expires soon")
		}
		if more := counts[days] - len(list); more > 0 {
			w.log.Warn().Str("within", within(days)).Int("tokens", more).Msg("further tokens expire soon")
		}
	}
}

func within(days int) string { return fmt.Sprintf("%dd", days) }

// nearest is the least of admin.ExpiryDays that a token has come within after
// last, and until now; 0 if it has come within none, or was issued within it.
func nearest(rec *store.Record, last, now time.Time) (least int) {
	if rec.ExpiresAt.IsZero() || !now.Before(rec.ExpiresAt) {
		return 0
	}
	for _, days := range admin.ExpiryDays { // from the most to the least
		since := rec.ExpiresAt.UTC().AddDate(0, 0, -days)
		if since.After(now) {
			break
		}
		least = 0
		if since.After(last) && rec.IssuedAt.Before(since) {
			least = days
		}
	}
	return least
}

// cloned is the name in memory of its own.
func cloned(n store.Name) store.Name {
	return store.Name{User: strings.Clone(n.User), Name: strings.Clone(n.Name)}
}
