package patches

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"
)

// companionSuffix is what a companion's name has behind that of its patch.
const companionSuffix = ".sig"

// maxCompanion is the largest companion that is read, in bytes. A larger one
// is handed over as an empty one.
const maxCompanion = 64 << 10

// accompany sees whether the companion of a patch that is ready is whole too,
// and makes the patch wait where it is not. Among the claims a patch has the
// companion that was claimed with it, and waits for no other.
func (d *Dir) accompany(it *item, now time.Time) {
	it.accompanied = false
	if !d.cfg.Companions && !it.claimed() {
		return
	}
	var seen sighting
	in, name, err := d.locate(it, companionSuffix)
	if err == nil {
		seen, err = d.sight(in, name)
	}
	switch {
	case err == nil:
		d.settleCompanion(it, seen, now)
		return
	case errors.Is(err, fs.ErrNotExist):
	case !isStray(err):
		d.block(it, Unreadable, companionError(it, err), now)
		return
	case it.claimed():
		d.giveBack(it.path, in, strings.TrimSuffix(name, companionSuffix))
	default:
		d.leaveAlone(it.path+companionSuffix, err.Error())
	}
	it.companion = settling{}
	if until := it.settling.since.Add(d.cfg.CompanionWait); !it.claimed() && until.After(now) {
		it.wait(Unsigned, until)
	}
}

func (d *Dir) settleCompanion(it *item, seen sighting, now time.Time) {
	var dec decision
	it.companion, dec = it.companion.look(now, seen, d.cfg.Settle, it.atStart)
	switch {
	case dec.ready:
		it.accompanied = true
	case dec.why == Unreadable:
		d.block(it, Unreadable, companionError(it, fs.ErrPermission), now)
	default:
		it.wait(dec.why, dec.until)
		it.detail = path.Base(it.path) + companionSuffix
	}
}

func companionError(it *item, err error) error {
	return fmt.Errorf("%s: %w", path.Base(it.path)+companionSuffix, err)
}

// readCompanion reads what lies beside a claim that is being read, with every
// check made again.
func (d *Dir) readCompanion(c *claim) error {
	in, name, err := d.locate(c.item, companionSuffix)
	if err != nil {
		return companionError(c.item, err)
	}
	f, err := in.open(name)
	if err != nil {
		return companionError(c.item, err)
	}
	defer f.close()
	seen, err := d.sightOpen(f)
	if err != nil {
		return companionError(c.item, err)
	}
	if !seen.same(c.companion.last) {
		return errUnsettled
	}
	c.patch.Companion = []byte{}
	if seen.info.size <= maxCompanion {
		c.patch.Companion, err = f.readWhole(seen.info)
	}
	return err
}

// endCompanion gives the companion of a claim an outcome, or none if the suffix
// is empty. It goes before the patch does: recovery goes by the patch's claim.
func (d *Dir) endCompanion(c *claim, suffix string) error {
	if !c.accompanied {
		return nil
	}
	dir, name := c.place()
	in, err := d.tree.folder(dir)
	if err == nil && suffix != "" {
		err = d.showCompanion(c, in, name+companionSuffix, companionSuffix+suffix)
	}
	if err == nil { // where the claim is divided, it has gone with the other text
		err = in.remove(name + companionSuffix)
	}
	if err != nil {
		return fmt.Errorf("writing outcome of %s: %w", companionSuffix, err)
	}
	return d.step("companion finished")
}

// showCompanion writes the outcome's file. One that was not read is moved as it
// is, with all that is in it.
func (d *Dir) showCompanion(c *claim, in *folder, name, suffix string) error {
	info := c.companion.last.info
	if info.size > maxCompanion {
		if c.divided {
			return nil
		}
		return d.reveal(c, in, name, suffix)
	}
	temp, err := d.write(c, "companion", c.patch.Companion, info.mode, suffix == companionSuffix+failedSuffix)
	if err == nil {
		err = d.reveal(c, d.tree.claims, temp, suffix)
	}
	return err
}

// giveBack returns a companion that no claim goes with to where it was. Where
// there is a newer one it is of no use to anybody.
func (d *Dir) giveBack(rel string, from *folder, name string) {
	home, base := split(rel)
	to, err := d.tree.make(home, newFolderMode)
	if err == nil {
		err = from.putBack(name+companionSuffix, to, base+companionSuffix)
	}
	if errors.Is(err, fs.ErrExist) {
		err = from.remove(name + companionSuffix)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // it has none
		d.leaveAlone(path.Join(claimDir, path.Dir(rel), name+companionSuffix), err.Error())
	}
}
