package patches

import (
	"context"
	"errors"
	"slices"
)

// Done is the outcome of one patch.
type Done struct {
	Path    string // relative to the directory
	Outcome Outcome
	Reasons []string
}

// ErrOver is what Look returns when Run has ended.
var ErrOver = errors.New("the directory is not watched any more")

// onlooker is told of outcomes and of the ends of passes.
type onlooker struct {
	begun  bool // a pass over everything has begun since it came
	done   []Done
	passed chan struct{} // holds one where a pass that had begun has ended
}

// Look asks for a pass over the whole directory now; in keep mode all files are
// handed over again. It returns when one has ended and enough says so of what is
// left, which is asked again after every further pass, or when ctx or Run ends.
// What had its outcome meanwhile is told in the order in which it had it, the
// last outcome of each path.
func (d *Dir) Look(ctx context.Context, enough func(Status) bool) ([]Done, Status, error) {
	o := &onlooker{passed: make(chan struct{}, 1)}
	d.mu.Lock()
	d.onlookers = append(d.onlookers, o)
	d.mu.Unlock()
	defer d.leave(o)
	d.Reevaluate()
	select {
	case d.asked <- struct{}{}:
	default: // a pass that has not begun is asked for already
	}
	for {
		select {
		case <-ctx.Done():
			return nil, Status{}, ctx.Err()
		case <-d.over:
			return nil, Status{}, ErrOver
		case <-o.passed:
		}
		if s := d.Status(); enough(s) {
			return d.outcomes(o), s, nil
		}
	}
}

func (d *Dir) leave(o *onlooker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.onlookers = slices.DeleteFunc(d.onlookers, func(other *onlooker) bool { return other == o })
}

// outcomes are those that an onlooker was told, each path's last.
func (d *Dir) outcomes(o *onlooker) []Done {
	d.mu.Lock()
	defer d.mu.Unlock()
	last := make(map[string]int, len(o.done))
	for i := range o.done {
		last[o.done[i].Path] = i
	}
	var done []Done
	for i := range o.done {
		if last[o.done[i].Path] == i {
			done = append(done, o.done[i])
		}
	}
	return done
}

// beginFor notes that a pass over everything begins.
func (d *Dir) beginFor() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.onlookers {
		o.begun = o.begun || d.full
	}
}

// tellDone tells onlookers the verdicts that are outcomes.
func (d *Dir) tellDone(group []Patch, verdicts []Verdict) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.onlookers {
		for i, v := range verdicts {
			if v.Outcome == Installed || v.Outcome == Failed || v.Outcome == Skipped {
				o.done = append(o.done, Done{group[i].Path, v.Outcome, v.Reasons})
			}
		}
	}
}

// tellPassed tells onlookers that a pass has ended, whose Status is published.
func (d *Dir) tellPassed() {
	for _, o := range d.onlookers {
		if !o.begun {
			continue
		}
		select {
		case o.passed <- struct{}{}:
		default: // it has not looked since the last one
		}
	}
}
