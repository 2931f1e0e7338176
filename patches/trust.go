package patches

import (
	"errors"
	"fmt"
	"strings"
)

// What can write to a drop directory can create credentials, and so can what
// can put another directory in its place. Directories are therefore judged as
// sshd judges those of key files (sshd(8), StrictModes): invariant 10.

// place is a directory, or a link, that the configured path leads through, or
// a subdirectory of the drop directory.
type place struct {
	path string // absolute
	info info
	// above: a directory above the drop directory, in which only what lies on
	// the way to it counts. In one with the sticky bit, others can put nothing
	// in its place.
	above    bool
	readOnly bool // on a mount that nobody can write through
	// list is who may write where the mode says that a group may: the group,
	// or whoever an access control list names. With such a list the group bits
	// of the mode are only the bound of what it grants (acl(5)).
	list []granted
}

// shared are the bits of a mode that let others than the owner write.
const shared = groupWrites | othersWrite

// The bits of a mode that are judged, as chmod(2) has them.
const (
	groupWrites = 0o020
	othersWrite = 0o002
	sticky      = 0o1000
)

// granted is a user or a group that may write.
type granted struct {
	group bool
	id    uint32
}

// trust is who may write to a drop directory, beside root.
type trust struct {
	uid, gid      uint32 // the daemon's
	users, groups map[uint32]bool
	unknown       []string // of dir_owners, no users or groups here
	nameOf        func(granted) string
}

// errDistrusted is behind every refusal of a directory that others may write to.
var errDistrusted = errors.New("others may write there")

// refusal says of every place that is not trusted why, and what to run.
type refusal string

func (r refusal) Error() string      { return string(r) }
func (refusal) Is(target error) bool { return target == errDistrusted }

// judge tells whether nobody else may write to the places. It depends on its
// arguments only.
func (t *trust) judge(places []place) error {
	var faults []string
	for _, p := range places {
		faults = append(faults, t.faults(p)...)
	}
	if len(faults) == 0 {
		return nil
	}
	for _, name := range t.unknown {
		faults = append(faults, fmt.Sprintf("dir_owners names %q, which is not known here", name))
	}
	return refusal(strings.Join(faults, "; "))
}

func (t *trust) faults(p place) (faults []string) {
	say := func(format string, args ...any) {
		faults = append(faults, fmt.Sprintf(format, append([]any{shellQuote(p.path)}, args...)...))
	}
	mode := p.info.mode
	if owner := (granted{id: p.info.uid}); !t.trusts(owner) {
		option := ""
		if p.info.link() {
			option = "-h "
		}
		say("%[1]s belongs to %[2]s: run chown %[3]s%[4]s %[1]s, or %[5]s", t.nameOf(owner), option, t.rightful(p), t.admit(owner))
	}
	if p.info.link() || p.readOnly {
		return faults
	}
	if mode&othersWrite != 0 && !(p.above && mode&sticky != 0) {
		say("others may write to %[1]s (mode %04[2]o): run chmod o-w %[1]s", mode)
	}
	for _, g := range p.list {
		switch {
		case t.trusts(g):
		case g == granted{true, p.info.gid}:
			say("%[2]s may write to %[1]s (mode %04[3]o): run chmod g-w %[1]s, or %[4]s", t.nameOf(g), mode, t.admit(g))
		default:
			say("%[2]s may write to %[1]s by its access control list: run setfacl -b %[1]s, or %[3]s", t.nameOf(g), t.admit(g))
		}
	}
	return faults
}

func (t *trust) trusts(g granted) bool {
	if g.group {
		return g.id == 0 || g.id == t.gid || t.groups[g.id]
	}
	return g.id == 0 || g.id == t.uid || t.users[g.id]
}

// rightful is to whom a place should belong.
func (t *trust) rightful(p place) string {
	if p.above || p.info.link() {
		return "root"
	}
	return t.nameOf(granted{id: t.uid})
}

func (t *trust) admit(g granted) string {
	name := t.nameOf(g)
	if g.group {
		name = "group:" + strings.TrimPrefix(name, "group ")
	}
	return fmt.Sprintf("set dir_owners = [%q]", name)
}

// shellQuote writes a path so that a shell reads it as it is.
func shellQuote(name string) string {
	plain := func(r rune) bool {
		return r > 0x7f || strings.ContainsRune("/._-+,@%:=", r) || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z'
	}
	if !strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}
