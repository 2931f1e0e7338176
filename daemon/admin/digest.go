package admin

import (
	"encoding/hex"
	"sync"
	"time"

	"github.com/tokendrop/tokendrop/store"
)

// Digests takes the digest of a store, and remembers it as long as the store
// stays what it is. The zero Digests remembers none.
type Digests struct {
	mu      sync.Mutex
	text    string
	commits uint64
	// from and until bound when it is good: tokens expire, and clocks are set back.
	from, until time.Time
}

// digestTries bounds how often a store is gone through that changes meanwhile.
const digestTries = 3

// Of is the digest of that store in hex, empty while the store keeps changing.
// It is asked about one store.
func (d *Digests) Of(s store.Contents, now time.Time) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.text != "" && d.commits == s.Commits() && !now.Before(d.from) && (d.until.IsZero() || now.Before(d.until)) {
		return d.text
	}
	d.text = ""
	for range digestTries {
		taken, commits, ok := store.DigestOf(s, now)
		if ok {
			sum := taken.Sum()
			d.text, d.commits = hex.EncodeToString(sum[:]), commits
			d.from, d.until = now.Round(0), taken.Until() // by the clock on the wall
			break
		}
	}
	return d.text
}
