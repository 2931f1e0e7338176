package patches

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// pass does all that can be done at that time, and tells when to come back
// where no hint comes earlier. Its error is the handler's.
func (d *Dir) pass(ctx context.Context, now time.Time) (next time.Time, err error) {
	if d.began.IsZero() {
		d.began = now
	}
	d.beginFor()
	defer func() {
		if err == nil && ctx.Err() == nil { // otherwise there is more to do than waits
			d.signal(now)
		}
		next = d.wake(now)
		d.publish()
	}()
	if !d.attach(now) {
		d.full, d.scanAt = false, now.Add(d.cfg.Rescan)
		return next, nil
	}
	defer d.tree.forget() // subdirectories may be others the next time
	d.findOthers()
	d.keepOn(now)
	d.find(now)
	err = d.apply(ctx, now)
	if errors.Is(err, errSwapped) {
		d.full, err = true, nil
	}
	return next, err
}

// apply leads what is ready through, group by group.
func (d *Dir) apply(ctx context.Context, now time.Time) error {
	ready := d.ready(now)
	d.ahead.Store(int64(len(ready)))
	defer func() {
		d.ahead.Store(0)
		d.passed.Store(0)
	}()
	for len(ready) > 0 && ctx.Err() == nil {
		if err := d.handler.Ready(); err != nil {
			d.waitForHandler(ready, err, now)
			return nil
		}
		d.tree.trim(".")
		n := groupEnd(ready)
		if err := d.group(ctx, ready[:n], now); err != nil {
			return err
		}
		if d.pause.After(now) {
			return nil
		}
		d.passed.Add(int64(n))
		ready = ready[n:]
	}
	if ctx.Err() == nil {
		return d.sweep(ctx)
	}
	return nil
}

// readyWait is how long it is not asked again what was not ready.
const readyWait = time.Second

// waitForHandler leaves everything where it is for a while.
func (d *Dir) waitForHandler(ready []*item, why error, now time.Time) {
	for _, it := range ready {
		it.detail = why.Error()
	}
	d.pause = now.Add(readyWait)
}

// ready lists what can be handed over: claims in the order of their IDs, then
// dropped files in the byte order of their paths. A file does not overtake a
// claim that had its name and is settling still: the one that was dropped last
// is to hold.
func (d *Dir) ready(now time.Time) []*item {
	if d.pause.After(now) {
		return nil
	}
	var claims, files []*item
	behind := map[string]bool{}
	for _, it := range d.claims {
		if !it.ready && (it.why == Settling || it.why == Empty) {
			behind[it.path] = true
		}
		if it.ready && !d.isSpent(it) {
			it.fresh = false
			claims = append(claims, it)
		}
	}
	for _, it := range d.files {
		if it.ready && !behind[it.path] {
			files = append(files, it)
		}
	}
	slices.SortFunc(claims, func(a, b *item) int { return a.id.compare(b.id) })
	slices.SortFunc(files, func(a, b *item) int { return strings.Compare(a.path, b.path) })
	return append(claims, files...)
}

// isSpent tells that a late writer has closed the file without a change, and
// drops the claim: its content has its outcome.
func (d *Dir) isSpent(it *item) bool {
	if !it.settling.last.info.same(it.spent) {
		return false
	}
	dir, name := it.place()
	if in, err := d.tree.folder(dir); err == nil {
		_ = in.remove(name + companionSuffix) // most often there is none
		_ = in.remove(name)
	}
	d.forget(it)
	return true
}

// group claims, reads, hands over and finishes some patches.
func (d *Dir) group(ctx context.Context, items []*item, now time.Time) error {
	if err := d.step("settled"); err != nil {
		return err
	}
	items, err := d.claim(items, now)
	if err != nil {
		return err
	}
	var claims []*claim
	defer func() {
		for _, c := range claims {
			c.file.close()
		}
	}()
	for _, it := range items {
		if c, ok := d.read(it, now); ok {
			claims = append(claims, c)
		}
	}
	if err := d.offer(claims, now); err != nil {
		return err
	}
	verdicts, err := d.handOver(ctx, claims)
	if err != nil {
		return err
	}
	for i, c := range claims {
		d.beats.Add(1)
		if err := d.conclude(c, verdicts[i], now); err != nil {
			return err
		}
	}
	return nil
}

// hold lets nothing overtake what was put off: it goes first when the world is
// not busy any more.
func (d *Dir) hold(it *item) {
	if it.until.After(d.pause) {
		d.pause = it.until
	}
}

// handOver gets a verdict on each claim.
func (d *Dir) handOver(ctx context.Context, claims []*claim) ([]Verdict, error) {
	if len(claims) == 0 {
		return nil, nil
	}
	group := make([]Patch, len(claims))
	for i, c := range claims {
		group[i] = c.patch
	}
	d.beats.Add(1)
	verdicts, err := d.handler.Handle(ctx, group)
	d.beats.Add(1)
	if err != nil {
		return nil, fmt.Errorf("handling patches of %s: %w", d.cfg.Name, err)
	}
	if len(verdicts) != len(group) {
		return nil, fmt.Errorf("handling patches of %s: %d verdicts for %d patches", d.cfg.Name, len(verdicts), len(group))
	}
	d.tellDone(group, verdicts)
	return verdicts, d.step("handled")
}

// wake is when the next pass is due.
func (d *Dir) wake(now time.Time) time.Time {
	next := d.scanAt
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	waits := func(it *item) {
		if it.ready && d.pause.After(now) { // otherwise it is behind a claim
			sooner(d.pause)
		}
		sooner(it.until)
	}
	for _, it := range d.claims {
		waits(it)
	}
	for _, it := range d.files {
		waits(it)
	}
	if d.keep != nil {
		sooner(d.keep.sweepAt)
		if d.cfg.Resync > 0 {
			sooner(d.keep.resyncAt)
		}
	}
	if !d.isStarted() {
		sooner(d.began.Add(d.cfg.StartWait))
	}
	if d.full {
		sooner(now)
	}
	return next
}

// signal closes Started when nothing of the first scan holds it any more.
func (d *Dir) signal(now time.Time) {
	if !d.isStarted() && (now.Sub(d.began) >= d.cfg.StartWait || !d.holdsStart()) {
		close(d.started)
	}
}

func (d *Dir) isStarted() bool {
	select {
	case <-d.started:
		return true
	default:
		return false
	}
}

func (d *Dir) holdsStart() bool {
	if d.full { // there is more to find at once
		return true
	}
	holds := func(it *item) bool { return it.atStart && !it.ready && it.why.Passes() }
	for _, it := range d.files {
		if holds(it) {
			return true
		}
	}
	for _, it := range d.claims {
		if holds(it) {
			return true
		}
	}
	return false
}
