package daemon

import (
	"os"
	"runtime"
)

// leastProcessors is how many goroutines run at once at least. Go looks for
// requests when one of those ends or waits, and otherwise every 10 ms: with a
// single one, whoever applies patches, or waits for the disk, would hold up
// everybody who asks. Of two, the kernel gives the turn to the one that was just
// woken, which costs nothing that can be measured.
const leastProcessors = 2

// shareProcessor has goroutines take turns on a single processor, unless
// $GOMAXPROCS says otherwise.
func shareProcessor() {
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) < leastProcessors {
		runtime.GOMAXPROCS(leastProcessors)
	}
}
