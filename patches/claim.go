package patches

import (
	"errors"
	"fmt"
	"os/user"
	"strconv"
	"sync"
	"time"
)

// A group is handed over and made durable together. It ends at whichever of
// these it reaches first.
const (
	groupCount = 1000
	groupBytes = 32 << 20

	// fileShare is the part of the process's open files that a group may have:
	// the rest is for those who ask.
	fileShare = 4
)

// groupMax is groupCount, or less where few files may be open at once.
var groupMax = sync.OnceValue(func() int {
	limit, err := fileLimit()
	if err != nil {
		return groupCount
	}
	return int(min(groupCount, max(limit/fileShare, 1)))
})

// claim is a claimed patch that has been read. Its file stays open until the
// outcome is written, so that a late writer is found.
type claim struct {
	*item
	file *file
	info info // as it was read
	// divided: the file was written to since; it is another claim now.
	divided bool
	patch   Patch
}

// groupEnd is how many of the items make up the first group.
func groupEnd(items []*item) int {
	var bytes int64
	for i, it := range items {
		bytes += it.settling.last.info.size + it.companion.last.info.size
		if i == groupMax() || i > 0 && bytes > groupBytes {
			return i
		}
	}
	return len(items)
}

// syncEach is how many claims are synced one by one; for more of them it costs
// less to sync the file system.
const syncEach = 8

// claim moves the group's dropped files among the claims, and makes all of
// them durable before anybody decides on one, names and bytes: otherwise a
// power cut could bring a file back under its old name, or a part of it, after
// its content was applied, and it would be applied twice. What cannot be moved
// is left where it is.
//
// Kept files stay as they are.
func (d *Dir) claim(group []*item, now time.Time) ([]*item, error) {
	if d.keep != nil {
		return group, nil
	}
	var claimed []*item
	touched := map[string]bool{}
	for _, it := range group {
		if !it.claimed() {
			if err := d.take(it, now, touched); errors.Is(err, errStopped) {
				return nil, err
			} else if err != nil {
				d.block(it, Unclaimable, err, now)
				continue
			}
			if err := d.step("claimed"); err != nil {
				return nil, err
			}
		}
		claimed = append(claimed, it)
	}
	err := d.syncBytes(d.tree, claimed)
	if err == nil {
		err = d.syncAll(touched)
	}
	if err != nil {
		for _, it := range claimed {
			d.block(it, Unfinishable, err, now)
			d.hold(it)
		}
		claimed = nil
	}
	return claimed, d.step("synced")
}

// take renames one file into a claim, after its companion, and notes the
// directories it changed.
func (d *Dir) take(it *item, now time.Time, touched map[string]bool) error {
	id := d.ids.next(now)
	home, base := split(it.path)
	dir, name := split(claimPath(it.path, id))
	from, err := d.home(home)
	if err != nil {
		return fmt.Errorf("claiming patch: %w", err)
	}
	to, err := d.tree.make(dir, 0o700)
	if err != nil {
		return fmt.Errorf("claiming patch: %w", err)
	}
	if it.accompanied {
		if err := from.rename(base+companionSuffix, to, name+companionSuffix); err != nil {
			return fmt.Errorf("claiming patch: %w", companionError(it, err))
		}
		if err := d.step("companion claimed"); err != nil {
			return err
		}
	}
	if err := from.rename(base, to, name); err != nil {
		d.giveBack(it.path, to, name)
		return fmt.Errorf("claiming patch: %w", err)
	}
	touched[dir], touched[home] = true, true
	delete(d.files, it.path)
	it.id, it.fresh, it.tries = id, true, 0
	d.claims[id] = it
	return nil
}

// syncBytes makes the content of claims durable: their writers need not have.
func (t *tree) syncBytes(claimed []*item) error {
	if len(claimed) > syncEach {
		done, err := t.claims.syncFileSystem()
		if done || err != nil {
			return err
		}
	}
	for _, it := range claimed {
		dir, name := it.place()
		in, err := t.folder(dir)
		if err != nil {
			continue // read will say so
		}
		err = in.syncFile(name)
		if err == nil && it.accompanied {
			err = in.syncFile(name + companionSuffix)
		}
		if err != nil {
			return fmt.Errorf("making claims durable: %w", err)
		}
	}
	return nil
}

// syncFile makes a file's bytes durable, if it can be opened.
func (f *folder) syncFile(name string) error {
	file, err := f.open(name)
	if err != nil {
		return nil // reading it will say so
	}
	defer file.close()
	if st, err := file.stat(); err != nil || !st.plain() { // a FIFO would fail, and all of the group with it
		return nil
	}
	return file.sync()
}

func (d *Dir) syncAll(rels map[string]bool) error {
	for rel := range rels {
		f, err := d.tree.folder(rel)
		if err == nil {
			err = d.sync(f)
		}
		if err != nil {
			return fmt.Errorf("making claims durable: %w", err)
		}
	}
	return nil
}

var errUnsettled = errors.New("the file has changed since it settled")

// read opens and reads a claim, with every check made again. A claim that
// fails one stays and settles again.
func (d *Dir) read(it *item, now time.Time) (*claim, bool) {
	c, err := d.tryRead(it)
	if err == nil {
		return c, true
	}
	d.look(it, now)
	switch {
	case it.ready && errors.Is(err, errUnsettled): // once more, from the start
		it.wait(Settling, now.Add(lookMin))
	case it.ready:
		d.block(it, Unreadable, err, now)
	}
	return nil, false
}

func (d *Dir) tryRead(it *item) (_ *claim, err error) {
	in, name, err := d.locate(it, "")
	if err != nil {
		return nil, err
	}
	f, err := in.open(name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	seen, err := d.sightOpen(f)
	if err != nil {
		return nil, err
	}
	if !seen.same(it.settling.last) {
		return nil, errUnsettled
	}
	c := &claim{item: it, file: f, info: seen.info, patch: d.describe(it, seen.info)}
	if c.patch.Refusal == "" {
		if c.patch.Data, err = f.readWhole(seen.info); err != nil {
			return nil, err
		}
	}
	f.unlease()
	if it.accompanied {
		err = d.readCompanion(c)
	}
	return c, err
}

// readWhole reads a file that nobody is to change meanwhile.
func (f *file) readWhole(before info) ([]byte, error) {
	data, err := f.read(before.size + 1)
	if err != nil {
		return nil, err
	}
	after, err := f.stat()
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != before.size || !after.same(before) {
		return nil, errUnsettled
	}
	return data, nil
}

// describe makes the patch without its data.
func (d *Dir) describe(it *item, st info) Patch {
	p := Patch{
		ID: it.id, Dir: d.cfg.Name, Path: it.path,
		Recovered: !it.fresh, ModTime: st.mtime, Owner: d.owner(st.uid),
	}
	if st.size > d.cfg.MaxSize {
		p.Refusal = fmt.Sprintf("the file has %d bytes, which is more than max_size allows (%d)", st.size, d.cfg.MaxSize)
	}
	return p
}

// owner is UserName, which is asked once in a scan.
func (d *Dir) owner(uid uint32) string {
	name, ok := d.owners[uid]
	if !ok {
		name = UserName(uid)
		d.owners[uid] = name
	}
	return name
}

// UserName is the name of a user of the system, or the number of one without.
func UserName(uid uint32) string {
	number := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(number); err == nil {
		return u.Username
	}
	return number
}
