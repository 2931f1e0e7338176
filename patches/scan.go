package patches

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"strconv"
	"syscall"
	"time"
)

// find looks at what may have changed: everything in a full scan, otherwise
// what was hinted at and what is due.
func (d *Dir) find(now time.Time) {
	if d.full || !d.scanAt.After(now) {
		d.scan(now)
	}
	for rel := range d.hints {
		if d.files[rel] == nil {
			d.files[rel] = &item{path: rel}
		}
		d.look(d.files[rel], now)
	}
	clear(d.hints)
	for _, it := range d.files {
		if it.due(now) {
			d.look(it, now)
		}
	}
	for _, it := range d.claims {
		if it.due(now) {
			d.look(it, now)
		}
	}
}

// scan walks the whole directory.
func (d *Dir) scan(now time.Time) {
	before := d.files
	d.files = map[string]*item{}
	clear(d.owners)
	clear(d.passedOver)
	d.round++
	d.watch.renew()
	d.keep.rescan()
	d.walk(".", func(rel string) {
		it := before[rel]
		if it == nil {
			it = &item{path: rel, atStart: !d.scanned}
		}
		d.files[rel] = it
		d.look(it, now)
	})
	for rel, it := range before {
		if _, alone := d.said[rel]; d.files[rel] == nil && !alone {
			d.miss(it, now)
		}
	}
	d.tellWatched()
	maps.DeleteFunc(d.said, func(_ string, l leftAlone) bool { return l.round != d.round })
	d.warn()
	d.full, d.scanned, d.scanAt = false, true, now.Add(d.cfg.Rescan)
}

// walk calls found with the path of every file that is a patch by its name and
// kind. A directory is watched before it is read, so that nothing appears in
// between unseen.
func (d *Dir) walk(rel string, found func(string)) {
	if len(d.tree.abs(rel)) >= maxPath {
		d.passOver(rel, "its path is longer than a system call takes")
		return
	}
	d.tree.trim(rel)
	at, err := d.real(rel)
	if err == nil {
		_, err = d.home(at)
	}
	switch {
	case errors.Is(err, errOther):
		return
	case errors.Is(err, errDistrusted):
		d.passOver(rel, err.Error())
		d.watch.add(d.tree.abs(rel)) // it may be mended
		return
	case err != nil:
		d.unreadable(rel, "cannot be opened", err)
		return
	}
	if at == rel { // what Kubernetes has published changes as a whole only
		d.watch.add(d.tree.abs(rel))
	}
	entries, err := d.entries(at)
	if err != nil {
		d.unreadable(rel, "cannot be read", err)
		return
	}
	for _, e := range entries {
		d.beats.Add(1)
		at := path.Join(rel, e.Name())
		judged := Eligible
		if e.IsDir() {
			judged = EligibleFolder
		}
		ok, why := judged(e.Name())
		switch {
		case why != "":
			d.leaveAlone(at, why)
		case !ok || d.exclude[at]:
		case e.IsDir():
			d.walk(at, found)
		case !e.Type().IsRegular() && !(d.keep != nil && e.Type() == fs.ModeSymlink):
			d.leaveAlone(at, notPlain)
		default:
			found(at)
		}
	}
}

const notPlain = "it is not a regular file with one link"

// passOver leaves a subdirectory alone, with all that may be in it.
func (d *Dir) passOver(rel, why string) {
	d.leaveAlone(rel, why)
	d.passedOver[rel] = why
	d.unlisted()
}

// unreadable passes over a subdirectory. One that has gone since its name was
// read, as the directories do that Puppet locks files with, is nothing to tell.
func (d *Dir) unreadable(rel, what string, err error) {
	if rel == "." || !errors.Is(err, fs.ErrNotExist) {
		d.passOver(rel, what+": "+err.Error())
		return
	}
	d.unlisted()
}

// unlisted notes that there may be more in the directory than was seen.
func (d *Dir) unlisted() {
	if d.keep != nil {
		d.keep.listed = false
	}
}

// leftAlone is why something is not touched, and the scan that saw it last.
type leftAlone struct {
	why   string
	round int
}

// leaveAlone says once why something is not touched.
func (d *Dir) leaveAlone(rel, why string) {
	if _, ok := d.said[rel]; !ok {
		d.log.Warn().Str("path", strconv.Quote(rel)).Str("why", why).Msg("left alone")
	}
	d.said[rel] = leftAlone{why, d.round}
}

// look sees whether the item is ready, and forgets it where it is gone or no
// patch at all.
func (d *Dir) look(it *item, now time.Time) {
	d.beats.Add(1)
	it.looked = now
	dir, _ := it.place()
	d.tree.trim(dir)
	in, name, err := d.locate(it, "")
	if err == nil {
		var seen sighting
		if seen, err = d.sight(in, name); err == nil {
			d.weigh(it, seen, now)
			return
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, errOther), errors.Is(err, errDistrusted): // the scan says so
		d.forget(it)
		d.miss(it, now)
		d.full = d.full || d.keep != nil // so that the handler learns of it
	case errors.Is(err, errFolder) && !it.claimed():
		d.forget(it)
		d.full = true // to walk it
	case it.claimed() && isStray(err):
		d.putBack(it, now)
	case isStray(err):
		d.leaveAlone(it.path, err.Error())
		d.forget(it)
	default:
		d.block(it, Unreadable, err, now)
	}
}

// weigh decides by what was seen whether the item is ready.
func (d *Dir) weigh(it *item, seen sighting, now time.Time) {
	if d.settle(it, seen, now); it.ready {
		d.accompany(it, now)
	}
	if it.ready && d.keep != nil && !it.memory.wants(now, it.seen()) {
		it.rest()
	}
}

// locate finds where the item's file lies, or with the suffix its companion.
func (d *Dir) locate(it *item, suffix string) (in *folder, name string, err error) {
	if it.claimed() {
		dir, name := it.place()
		in, err = d.tree.folder(dir)
		return in, name + suffix, err
	}
	rel, err := d.real(it.path + suffix)
	if err != nil {
		return nil, "", err
	}
	dir, name := split(rel)
	in, err = d.home(dir)
	return in, name, err
}

var (
	errNotPlain = errors.New(notPlain)
	errFolder   = errors.New("it is a directory")
)

// isStray tells that what has the name of a patch is none, whatever is in it.
func isStray(err error) bool {
	var link linkError
	return errors.Is(err, errNotPlain) || errors.Is(err, errFolder) || errors.As(err, &link)
}

// sight looks at a file. What is not plain is not opened.
func (d *Dir) sight(in *folder, name string) (sighting, error) {
	st, err := in.stat(name)
	if err != nil {
		return sighting{}, err
	}
	if st.folder() {
		return sighting{}, errFolder
	}
	if !st.plain() {
		return sighting{}, errNotPlain
	}
	f, err := in.open(name)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return sighting{st, denied}, nil
	case errors.Is(err, syscall.EAGAIN): // somebody's own lease is in the way
		return sighting{st, writing}, nil
	case err != nil:
		return sighting{}, err
	}
	defer f.close()
	return d.sightOpen(f)
}

// sightOpen looks at a file that is open. Where a lease is had, it is given up
// with the file.
func (d *Dir) sightOpen(f *file) (sighting, error) {
	seen := sighting{access: unleased}
	if d.tree.leased {
		seen.access = f.lease()
		d.leased = seen.access != unleased
	}
	st, err := f.stat()
	if err != nil {
		return sighting{}, err
	}
	if !st.plain() {
		return sighting{}, errNotPlain
	}
	seen.info = st
	return seen, nil
}

// settle notes what was seen, and says once of a file that it is unreadable.
func (d *Dir) settle(it *item, seen sighting, now time.Time) {
	var dec decision
	it.settling, dec = it.settling.look(now, seen, d.cfg.Settle, it.atStart)
	if dec.why == Unreadable {
		d.block(it, Unreadable, fs.ErrPermission, now)
		return
	}
	it.ready, it.why, it.until, it.detail = dec.ready, dec.why, dec.until, ""
}

// block keeps an item waiting for a cause that only somebody else can remove.
// Where nobody is notified of that, it is tried again by time.
func (d *Dir) block(it *item, why Reason, err error, now time.Time) {
	if it.logged != why {
		it.logged = why
		d.log.Warn().Str("path", it.path).Err(err).Str("why", string(why)).Msg("patch waits")
	}
	if it.claimed() || why == Unclaimable || why == Unfinishable {
		it.putOff(now, why, err.Error())
		return
	}
	it.detail = err.Error()
	it.wait(why, time.Time{})
}

func (d *Dir) forget(it *item) {
	if it.claimed() {
		delete(d.claims, it.id)
		return
	}
	delete(d.files, it.path)
}

// putBack returns what is no patch from the claims to where it was, unless its
// name has been taken meanwhile.
func (d *Dir) putBack(it *item, now time.Time) {
	dir, name := it.place()
	from, err := d.tree.folder(dir)
	if err == nil {
		var to *folder
		home, base := split(it.path)
		if to, err = d.tree.folder(home); err == nil {
			err = from.putBack(name, to, base)
		}
	}
	if err == nil {
		d.giveBack(it.path, from, name)
	}
	if err != nil {
		d.block(it, Displaced, err, now)
		return
	}
	d.leaveAlone(it.path, notPlain)
	d.forget(it)
}
