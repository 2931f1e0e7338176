package daemon

import (
	"context"
	"time"
)

// progressEvery is how often somebody is told how far the first passes are.
const progressEvery = 50 * time.Millisecond

// awaitFirstPasses waits until every directory has had its first pass, and tells
// how far they are meanwhile. It returns false if ctx ended before.
func (d *daemon) awaitFirstPasses(ctx context.Context) bool {
	tell := d.Progress
	if tell == nil {
		tell = func(int, int) {}
	}
	defer tell(0, 0)
	ticks := time.NewTicker(progressEvery)
	defer ticks.Stop()
	for _, dir := range d.drops.dirs() {
		for waits := true; waits; {
			select {
			case <-dir.Started():
				waits = false
			case <-ticks.C:
				if p, err := d.service.Progress(ctx); err == nil {
					tell(p.Done, p.All)
				}
			case <-ctx.Done():
				return false
			}
		}
	}
	return true
}
