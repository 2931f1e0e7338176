package admin

import (
	"runtime"
	"time"

	"github.com/tokendrop/tokendrop/store"
)

// Census counts tokens.
type Census struct {
	States map[State]int
	// Expiring are the active tokens that expire within each of ExpiryDays, those
	// of the shorter ones included.
	Expiring map[int]int
}

// ExpiryDays are how long before its expiry a token is told of.
var ExpiryDays = []int{30, 7, 1}

// Count takes a Census, and lets others work meanwhile.
func (l *Local) Count() Census {
	c := Census{States: map[State]int{}, Expiring: map[int]int{}}
	for _, state := range States {
		c.States[state] = 0
	}
	for _, days := range ExpiryDays {
		c.Expiring[days] = 0
	}
	now, visited := l.Now(), 0
	l.Store.Walk(func(rec *store.Record, rule store.Rule) {
		c.add(rec, stateOf(rec, rule, now), now)
		if visited++; visited%countTurn == 0 {
			runtime.Gosched()
		}
	})
	return c
}

// countTurn is how many tokens are counted before it is others' turn, which is
// well under a millisecond.
const countTurn = 512

func (c *Census) add(rec *store.Record, state State, now time.Time) {
	c.States[state]++
	if state != Active || rec.ExpiresAt.IsZero() {
		return
	}
	for _, days := range ExpiryDays {
		if !rec.ExpiresAt.After(now.UTC().AddDate(0, 0, days)) {
			c.Expiring[days]++
		}
	}
}
