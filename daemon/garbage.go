package daemon

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// By default Go lets garbage take as much memory as what is in use. Tokens are
// most of that, and the collector has nothing to look at in them: it may come
// earlier the more there are.
const (
	gcDefault = 100
	gcLeast   = 20
	// garbageMost is what garbage may take, in bytes, where that is not less than
	// gcLeast in a hundred.
	garbageMost = 32 << 20
	// garbageEvery is how often it is looked how much is in use by now.
	garbageEvery = time.Minute
)

// gcPercent is what $GOGC should be with that many bytes in use.
func gcPercent(used uint64) int {
	return int(min(max(garbageMost*100/max(used, 1), gcLeast), gcDefault))
}

// boundGarbage bounds what garbage takes until ctx ends, unless $GOGC does.
func boundGarbage(ctx context.Context) error {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	defer debug.SetGCPercent(gcDefault)
	used := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	ticker := time.NewTicker(garbageEvery)
	defer ticker.Stop()
	for {
		metrics.Read(used)
		debug.SetGCPercent(gcPercent(used[0].Value.Uint64()))
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
