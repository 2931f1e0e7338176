package patches

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"time"
)

// attach makes sure that the tree is open, is what the path leads to, and that
// nobody else may write to it. Where that cannot be, it says so in the status
// and returns false.
func (d *Dir) attach(now time.Time) bool {
	if d.tree != nil {
		if seen, err := d.judgePath(now); err == nil && d.tree.current(seen) {
			return true
		}
	}
	d.detach()
	d.watch = newWatch(path.Dir(d.cfg.Path)) // before it is opened, so that nothing happens in between
	seen, err := d.judgePath(now)
	if err == nil {
		d.tree, err = openTree(d.cfg.Path, seen, d.cfg.AfterApply == Keep, d.sync)
	}
	d.setState(stateOf(err), err)
	if err != nil {
		return false
	}
	d.full, d.leased = true, d.tree.leased
	if d.tree.claims == nil {
		d.startKeeping(now)
		return true
	}
	d.recover(".", now)
	d.tree.forget() // of the folders that were removed because they were empty
	return true
}

// detach forgets everything about the directory that is not on disk.
func (d *Dir) detach() {
	d.watch.close()
	d.watch = nil
	if d.tree != nil {
		d.tree.close()
	}
	d.tree, d.keep = nil, nil
	d.files, d.claims = map[string]*item{}, map[ID]*item{}
	d.hints, d.said = map[string]bool{}, map[string]leftAlone{}
	d.passedOver = map[string]string{}
	d.owners = map[uint32]string{}
	d.pause = time.Time{}
}

func stateOf(err error) State {
	switch {
	case err == nil:
		return Working
	case errors.Is(err, fs.ErrNotExist):
		return Absent
	case errors.Is(err, errLocked):
		return Locked
	}
	return Refused
}

// recover takes up the claims that are found below claimDir, and removes what
// was being written beside them: it had no outcome's name yet.
func (d *Dir) recover(rel string, now time.Time) {
	at := path.Join(claimDir, rel)
	in, err := d.tree.folder(at)
	if err != nil {
		d.leaveAlone(at, err.Error())
		return
	}
	entries, err := in.list(d.tree.abs(at))
	if err != nil {
		d.leaveAlone(at, err.Error())
		return
	}
	for _, e := range entries {
		id, base, isClaim := parseClaim(e.Name())
		name, isCompanion := strings.CutSuffix(e.Name(), companionSuffix)
		_, of, isOfClaim := parseClaim(name)
		switch {
		case isCompanion && isOfClaim:
			if _, err := in.stat(name); errors.Is(err, fs.ErrNotExist) { // its patch was not claimed any more
				d.giveBack(path.Join(rel, of), in, name)
			}
		case isClaim:
			d.ids.seen(id)
			d.claims[id] = &item{path: path.Join(rel, base), id: id, atStart: !d.scanned, until: now}
		case e.IsDir():
			d.recover(path.Join(rel, e.Name()), now)
			_ = in.removeFolder(e.Name()) // unless there are claims in it
		case strings.HasPrefix(e.Name(), tempPrefix):
			_ = in.remove(e.Name())
		case e.Name() != lockName:
			d.leaveAlone(path.Join(at, e.Name()), "it is no claim")
		}
	}
}
