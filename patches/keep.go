package patches

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// keeping is what a directory in keep mode has beside its files. It is nil for
// a directory whose patches are claimed.
type keeping struct {
	volumes  map[string]string // what generation has found since the last scan, by folder
	resyncAt time.Time
	listed   bool // this pass has listed all of the directory

	// Set while a file is away that was there, and may come back: when that is
	// told, and when at the latest.
	sweepAt, sweepBy time.Time
}

// startKeeping begins with a directory that was just opened.
func (d *Dir) startKeeping(now time.Time) {
	d.keep = &keeping{volumes: map[string]string{}, resyncAt: now.Add(d.cfg.Resync)}
	if d.cfg.AfterApply != Keep {
		d.log.Info().Msg("drop directory is read-only, its files stay as they are")
	}
}

// rescan begins a scan.
func (k *keeping) rescan() {
	if k != nil {
		k.listed = true
		clear(k.volumes)
	}
}

// miss notes that a file is away that was handed over: some writers remove a file
// and write it again, and some remove many one by one.
func (d *Dir) miss(it *item, now time.Time) {
	k := d.keep
	if k == nil || it.memory.outcome == 0 {
		return
	}
	if k.sweepAt.IsZero() {
		k.sweepBy = now.Add(max(d.cfg.Settle, d.cfg.Rescan))
	}
	k.sweepAt = now.Add(d.cfg.Settle)
	if k.sweepBy.Before(k.sweepAt) {
		k.sweepAt = k.sweepBy
	}
}

// memory is what is remembered of a kept file.
type memory struct {
	outcome Outcome     // the last that was one; zero if there was none
	seen    [2]identity // the file and its companion, as they were handed over for it
	stale   bool        // it is handed over again in any case

	// Of Failed:
	reasons []string
	since   time.Time
	tries   int
	next    time.Time // when it is tried again
}

// identity changes with a file's content, owner and mode.
type identity struct {
	dev, ino     uint64
	size         int64
	mtime, ctime int64
}

func (i info) identity() identity {
	return identity{i.dev, i.ino, i.size, i.mtime.UnixNano(), i.ctime.UnixNano()}
}

// A failed patch is tried again after these, doubling.
const (
	retryMin = 5 * time.Second
	retryMax = 10 * time.Minute
)

// wants tells whether a file that is whole is to be handed over.
func (m memory) wants(now time.Time, seen [2]identity) bool {
	return m.outcome == Deferred || m.stale || m.seen != seen || m.outcome == Failed && !m.next.After(now)
}

// learn is the memory after a verdict.
func (m memory) learn(now time.Time, seen [2]identity, v Verdict) memory {
	next := memory{outcome: v.Outcome, seen: seen}
	if v.Outcome != Failed {
		return next
	}
	next.reasons, next.since = v.Reasons, now
	if m.outcome == Failed && m.seen == seen {
		next.since, next.tries = m.since, m.tries+1
	}
	next.next = now.Add(min(retryMin<<min(next.tries, 16), retryMax))
	return next
}

// seen is what was last seen of a file and its companion.
func (it *item) seen() [2]identity {
	seen := [2]identity{it.settling.last.info.identity()}
	if it.accompanied {
		seen[1] = it.companion.last.info.identity()
	}
	return seen
}

// rest leaves a kept file until it changes, or until it is tried again.
func (it *item) rest() {
	it.wait("", it.memory.next)
	it.detail, it.logged = "", ""
}

// resting tells that the file waits for nothing.
func (it *item) resting() bool { return !it.ready && it.why == "" }

// keepOn sees what is due in keep mode, before a pass looks at files.
func (d *Dir) keepOn(now time.Time) {
	if d.keep == nil {
		return
	}
	d.keep.listed = false
	select {
	case <-d.reevaluate: // whoever asks for this pass may have asked for that before
		d.evaluate(now)
	default:
	}
	if d.cfg.Resync > 0 && !d.keep.resyncAt.After(now) {
		d.evaluate(now)
	}
	if at := d.keep.sweepAt; !at.IsZero() && !at.After(now) {
		d.full, d.keep.sweepAt = true, time.Time{}
	}
	d.full = d.full || d.swapped()
}

// evaluate makes the next pass of a directory in keep mode hand over all files.
func (d *Dir) evaluate(now time.Time) {
	if d.keep == nil {
		return
	}
	d.full, d.keep.resyncAt = true, now.Add(d.cfg.Resync)
	for _, it := range d.files {
		it.memory.stale = true
	}
}

// errSwapped ends a pass whose files were replaced, all at once, by others.
var errSwapped = errors.New("a volume has been swapped")

// offer makes patches of kept files that have been read, unless they are of a
// generation that is no more.
func (d *Dir) offer(claims []*claim, now time.Time) error {
	if d.keep == nil {
		return nil
	}
	if d.swapped() {
		return errSwapped
	}
	for _, c := range claims {
		c.patch.ID, c.patch.Kept, c.patch.Recovered = d.ids.next(now), true, false
	}
	return nil
}

// remember notes the outcome of a kept file.
func (d *Dir) remember(c *claim, v Verdict, now time.Time) {
	c.memory = c.memory.learn(now, c.seen(), v)
	c.tries = 0
	c.rest()
}

// sweep tells the handler what the directory holds, once all of it was listed
// and handed over, and nothing has vanished just now.
func (d *Dir) sweep(ctx context.Context) error {
	if d.keep == nil || !d.keep.listed || !d.keep.sweepAt.IsZero() {
		return nil
	}
	if d.swapped() {
		return errSwapped
	}
	s := Sweep{Dir: d.cfg.Name, Present: slices.Collect(maps.Keys(d.files)), Whole: len(d.files) > 0}
	for _, it := range d.files {
		s.Whole = s.Whole && it.resting() && (it.memory.outcome == Installed || it.memory.outcome == Skipped)
	}
	for rel := range d.said {
		s.Whole = false
		if d.eligible(rel) && d.files[rel] == nil {
			s.Present = append(s.Present, rel)
		}
	}
	slices.Sort(s.Present)
	if err := d.handler.Swept(ctx, s); err != nil {
		return fmt.Errorf("going by what %s holds: %w", d.cfg.Name, err)
	}
	return nil
}
