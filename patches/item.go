package patches

import "time"

// item is a patch that has no outcome yet.
type item struct {
	path  string // where it lies, or lay before it was claimed
	id    ID     // zero until it is claimed
	fresh bool   // claimed by the present pass, so no handler has seen it

	atStart  bool // found by the first scan
	settling settling
	// accompanied: its companion is whole and goes with it; what was seen of
	// that last is in companion.
	accompanied bool
	companion   settling
	ready       bool
	why         Reason
	detail      string
	until       time.Time // when to look again; zero: when there is a hint or a scan
	looked      time.Time // the pass that looked last
	logged      Reason    // the last that was logged
	tries       int       // how often it was put off
	spent       info      // the state that has its outcome already; see divide
	memory      memory    // in keep mode
}

func (it *item) claimed() bool { return it.id != ID{} }

// place is where the file lies now, relative to the drop directory.
func (it *item) place() (dir, name string) {
	if it.claimed() {
		return split(claimPath(it.path, it.id))
	}
	return split(it.path)
}

// due tells whether it is time to look at the item. One that an earlier pass
// found ready, and did not take, is looked at again too.
func (it *item) due(now time.Time) bool {
	if it.ready {
		return !it.looked.Equal(now)
	}
	return !it.until.IsZero() && !it.until.After(now)
}

func (it *item) wait(why Reason, until time.Time) {
	it.ready, it.why, it.until = false, why, until
}

// Claims that are put off are handed over again after these.
const (
	putOffMin = 250 * time.Millisecond
	putOffMax = 30 * time.Second
)

// putOff keeps a claim for later.
func (it *item) putOff(now time.Time, why Reason, detail string) {
	it.detail = detail
	it.wait(why, now.Add(min(putOffMin<<min(it.tries, 16), putOffMax)))
	it.tries++
}
