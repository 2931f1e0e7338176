package patches

import "time"

// How long a file is waited for.
const (
	emptyWait = 2 * time.Second // before an empty file counts as empty
	// oldAge makes a file of the first scan settled where no lease can be had.
	oldAge = time.Minute
	// Looks at a file that is being written follow each other within these:
	// the close of a writer is not notified.
	lookMin = time.Millisecond
	lookMax = 250 * time.Millisecond
)

// Reason is why a patch waits.
type Reason string

// The reasons. The first three pass by themselves and hold the start.
const (
	BeingWritten Reason = "being written"
	Settling     Reason = "settling"
	Empty        Reason = "empty"
	Unsigned     Reason = "unsigned" // its companion is not there
	Unreadable   Reason = "cannot be read by the daemon"
	Unclaimable  Reason = "cannot be moved by the daemon"
	Unfinishable Reason = "its outcome cannot be written"
	PutOff       Reason = "put off by the store"
	PassedOver   Reason = "a subdirectory that cannot be used"
	Displaced    Reason = "claimed, no regular file with one link, and its name is taken"
)

// Passes tells that the wait ends by itself, so that the start waits too.
func (r Reason) Passes() bool { return r == BeingWritten || r == Settling || r == Empty }

// access is what trying to read a file has shown.
type access int

const (
	unleased access = iota // no lease can be had: time has to tell
	quiet                  // a lease was granted: nobody has the file open for writing
	writing                // a lease was refused: somebody has
	denied                 // the file cannot be opened
)

// sighting is one look at a file.
type sighting struct {
	info   info
	access access
}

// same tells whether nothing happened between two looks.
func (s sighting) same(o sighting) bool {
	return s.access == o.access && s.info.same(o.info)
}

// settling is what is remembered of a file between looks: the last one, since
// when the file has been like that, and the first one.
type settling struct {
	last         sighting
	since, first time.Time
}

// decision is ready, or a reason to wait and when to look again: never by
// itself if until is zero.
type decision struct {
	ready bool
	why   Reason
	until time.Time
}

// look decides whether a file is whole. It depends on its arguments only.
// atStart says that the first scan found the file.
func (s settling) look(now time.Time, seen sighting, settle time.Duration, atStart bool) (settling, decision) {
	if s.first.IsZero() {
		s.first = now
	}
	if s.since.IsZero() || !s.last.same(seen) {
		s.since = now
	}
	s.last = seen
	return s, s.decide(now, settle, atStart)
}

func (s settling) decide(now time.Time, settle time.Duration, atStart bool) decision {
	switch s.last.access {
	case denied:
		return decision{why: Unreadable}
	case writing:
		return decision{why: BeingWritten, until: now.Add(s.pace(now))}
	}
	if s.last.info.size == 0 {
		return s.after(now, Empty, emptyWait)
	}
	if s.last.access == quiet || atStart && s.last.info.olderThan(now.Add(-oldAge)) {
		return decision{ready: true}
	}
	return s.after(now, Settling, settle)
}

// after is ready once the file has been the same for that long.
func (s settling) after(now time.Time, why Reason, wait time.Duration) decision {
	if until := s.since.Add(wait); until.After(now) {
		return decision{why: why, until: until}
	}
	return decision{ready: true}
}

// pace is short just after a write, when the writer is likely to end, and long
// for one that pauses or has been at it for long.
func (s settling) pace(now time.Time) time.Duration {
	return min(max(now.Sub(s.since), now.Sub(s.first)/32, lookMin), lookMax)
}
