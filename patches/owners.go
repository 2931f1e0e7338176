package patches

import (
	"fmt"
	"os"
	"os/user"
	"path"
	"strconv"
	"strings"
	"time"
)

// judgePath judges every directory that the configured path leads through, and
// returns what it leads to.
func (d *Dir) judgePath(now time.Time) (info, error) {
	if d.trust == nil || d.full || !d.scanAt.After(now) {
		d.trust = d.newTrust()
	}
	places, err := lead(d.cfg.Path)
	if err != nil {
		return info{}, fmt.Errorf("opening the drop directory: %w", err)
	}
	return places[len(places)-1].info, d.condemn(".", d.trust.judge(places))
}

// home opens a directory that patches lie in: one that nobody else may write to
// and that is no other drop directory.
func (d *Dir) home(rel string) (*folder, error) {
	f, err := d.tree.folder(rel)
	if err != nil || rel == "." || f.trusted {
		return f, err
	}
	if _, err := d.home(path.Dir(rel)); err != nil {
		return nil, err
	}
	if d.others[f.info.key()] {
		return nil, errOther
	}
	err = d.judge(rel, f)
	f.trusted = err == nil
	return f, err
}

// findOthers notes what the paths of other drop directories lead to now: links
// and mounts may put one into this one under another name.
func (d *Dir) findOthers() {
	clear(d.others)
	for _, name := range d.cfg.Exclude {
		if st, err := statPath(name); err == nil {
			d.others[st.key()] = true
		}
	}
}

// judge judges a subdirectory of the drop directory that is open.
func (d *Dir) judge(rel string, f *folder) error {
	p := place{path: d.tree.abs(rel), info: f.info}
	if f.info.mode&shared != 0 {
		p.readOnly = f.readOnly()
		p.list = f.writers()
	}
	return d.condemn(rel, d.trust.judge([]place{p}))
}

// condemn makes of a refusal what the configuration makes of it: an error, or
// a warning in the log whenever it is another one.
func (d *Dir) condemn(rel string, refused error) error {
	if refused == nil || d.cfg.Strict {
		delete(d.warned, rel)
		return refused
	}
	if d.warned[rel] != refused.Error() {
		d.warned[rel] = refused.Error()
		d.log.Warn().Err(refused).Msg("directory is used though others may write to it, because strict is off")
	}
	return nil
}

// newTrust looks up who is named in dir_owners: users may come and go.
func (d *Dir) newTrust() *trust {
	t := &trust{
		uid: uint32(os.Geteuid()), gid: uint32(os.Getegid()),
		users: map[uint32]bool{}, groups: map[uint32]bool{}, nameOf: d.nameOf,
	}
	for _, entry := range d.cfg.DirOwners {
		ids, id := t.users, userID
		name, isGroup := strings.CutPrefix(entry, "group:")
		if isGroup {
			ids, id = t.groups, groupID
		}
		if n, err := strconv.ParseUint(id(name), 10, 32); err == nil {
			ids[uint32(n)] = true
		} else {
			t.unknown = append(t.unknown, entry)
		}
	}
	return t
}

// userID is the number of a user, who may be named by it.
func userID(name string) string {
	if u, err := user.Lookup(name); err == nil {
		return u.Uid
	}
	return name
}

func groupID(name string) string {
	if g, err := user.LookupGroup(name); err == nil {
		return g.Gid
	}
	return name
}

func (d *Dir) nameOf(g granted) string {
	if !g.group {
		return d.owner(g.id)
	}
	id := strconv.FormatUint(uint64(g.id), 10)
	if found, err := user.LookupGroupId(id); err == nil {
		id = found.Name
	}
	return "group " + id
}
