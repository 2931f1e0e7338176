package patches

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// State is what can be said of a drop directory as a whole.
type State string

// The states.
const (
	Starting State = "starting"
	Working  State = "ok"
	Absent   State = "absent"
	Locked   State = "locked by another daemon"
	Refused  State = "refused"
)

// Status is a drop directory at one moment.
type Status struct {
	Name, Path string
	State      State
	Detail     string // why it is in that state, empty for ok
	// Watched: changes are notified. Otherwise the rescan finds them.
	Watched bool
	// Leased: files settle the moment their last writer is gone. Otherwise
	// they have to lie unchanged for a while.
	Leased  bool
	Waiting []Waiting // in the byte order of their paths
	// LeftAlone says of what looks like a patch, or like a subdirectory, why it is
	// never touched, by its path relative to the directory.
	LeftAlone map[string]string
	// Keep: files stay as they are and nothing is written into the directory,
	// because it is configured so, or because of ReadOnly: it is mounted so.
	Keep, ReadOnly bool
	Failed         []Failure // in keep mode, in the byte order of their paths
	// Vanishing: in keep mode, files are gone that may come back, and do not count
	// as gone yet.
	Vanishing bool
	// Warnings are what is likely to be wrong though everything works.
	Warnings []string
}

// Failure is a patch of a directory in keep mode whose last verdict was Failed.
type Failure struct {
	Path    string   // relative to the directory
	Reasons []string // of the last verdict
	Since   time.Time
	Next    time.Time // when it is tried again, unless it changes before
}

// Waiting is a patch without an outcome, or a subdirectory with all that may be
// in it.
type Waiting struct {
	Path    string // relative to the directory
	Reason  Reason
	Detail  string // what the system said, or empty
	Claimed bool
	Since   time.Time // of the last change in what is seen of the file
}

// Status tells how the directory was at the end of the last pass. It may be
// called at any time.
func (d *Dir) Status() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.status
	s.Waiting = slices.Clone(s.Waiting)
	s.Failed = slices.Clone(s.Failed)
	s.Warnings = slices.Clone(s.Warnings)
	s.LeftAlone = maps.Clone(s.LeftAlone)
	return s
}

// setState notes and logs a change of state.
func (d *Dir) setState(state State, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	detail := ""
	if err != nil {
		detail = err.Error()
	}
	if d.status.State == state && d.status.Detail == detail {
		return
	}
	d.status.State, d.status.Detail = state, detail
	switch state {
	case Working:
		d.log.Info().Str("path", d.cfg.Path).Msg("drop directory opened")
	case Absent:
		d.log.Warn().Str("path", d.cfg.Path).Msg("drop directory is absent, waiting for it")
	default:
		d.log.Error().Str("path", d.cfg.Path).Err(err).Msg("drop directory cannot be used")
	}
}

// publish makes the end of a pass visible in Status.
func (d *Dir) publish() {
	var waiting []Waiting
	var failed []Failure
	for _, items := range [][]*item{slices.Collect(maps.Values(d.files)), slices.Collect(maps.Values(d.claims))} {
		for _, it := range items {
			if !it.resting() {
				waiting = append(waiting, it.waiting())
			}
			if it.memory.outcome == Failed {
				failed = append(failed, Failure{it.path, it.memory.reasons, it.memory.since, it.memory.next})
			}
		}
	}
	for rel, why := range d.passedOver {
		waiting = append(waiting, Waiting{Path: rel, Reason: PassedOver, Detail: why, Since: d.scanAt.Add(-d.cfg.Rescan)})
	}
	left := make(map[string]string, len(d.said))
	for rel, l := range d.said {
		left[rel] = l.why
	}
	slices.SortFunc(waiting, func(a, b Waiting) int { return strings.Compare(a.Path, b.Path) })
	slices.SortFunc(failed, func(a, b Failure) int { return strings.Compare(a.Path, b.Path) })
	d.mu.Lock()
	defer d.mu.Unlock()
	d.status.Keep, d.status.ReadOnly = d.keep != nil, d.tree != nil && d.tree.readOnly
	d.status.Failed, d.status.Warnings = failed, d.warnings
	d.status.Vanishing = d.keep != nil && !d.keep.sweepAt.IsZero()
	d.status.Watched = d.tree != nil && d.watch.err == nil
	d.status.Leased = d.tree != nil && d.leased
	d.status.Waiting, d.status.LeftAlone = waiting, left
	d.tellPassed()
}

func (it *item) waiting() Waiting {
	w := Waiting{Path: it.path, Reason: it.why, Detail: it.detail, Claimed: it.claimed(), Since: it.settling.since}
	if it.ready {
		w.Reason = PutOff
	}
	return w
}
