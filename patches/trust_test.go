//go:build unix

package patches

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// Users and groups of TestTrust.
const (
	daemonUser, daemonGroup = 100, 101
	deploy, ops             = 200, 201
	bob, staff              = 300, 301
)

// Invariant 10.
func TestTrust(t *testing.T) {
	judges := trust{
		uid: daemonUser, gid: daemonGroup, unknown: []string{"group:opps"},
		users: map[uint32]bool{deploy: true}, groups: map[uint32]bool{ops: true},
		nameOf: func(g granted) string {
			name := map[uint32]string{0: "root", daemonUser: "tokendrop", bob: "bob", staff: "staff"}[g.id]
			if g.group {
				return "group " + name
			}
			return name
		},
	}
	const typo = `; dir_owners names "group:opps", which is not known here`
	at := func(uid, gid, mode uint32) place {
		p := place{path: "/srv/drop", info: info{kind: unix.S_IFDIR, mode: mode, uid: uid, gid: gid}}
		if mode&unix.S_IWGRP != 0 {
			p.list = []granted{{true, gid}}
		}
		return p
	}
	with := func(p place, change func(*place)) place {
		change(&p)
		return p
	}
	above := func(p *place) { p.above = true }
	readOnly := func(p *place) { p.readOnly = true }
	link := func(p *place) { p.above, p.info.kind = true, unix.S_IFLNK }
	for name, tt := range map[string]struct {
		place
		want string // without the name that is unknown
	}{
		"root's":                         {at(0, 0, 0o755), ""},
		"the daemon's":                   {at(daemonUser, daemonGroup, 0o700), ""},
		"an owner's":                     {at(deploy, staff, 0o755), ""},
		"bob's":                          {at(bob, staff, 0o700), `/srv/drop belongs to bob: run chown tokendrop /srv/drop, or set dir_owners = ["bob"]`},
		"bob's, above":                   {with(at(bob, staff, 0o755), above), `/srv/drop belongs to bob: run chown root /srv/drop, or set dir_owners = ["bob"]`},
		"bob's, read-only":               {with(at(bob, staff, 0o755), readOnly), `/srv/drop belongs to bob: run chown tokendrop /srv/drop, or set dir_owners = ["bob"]`},
		"bob's link":                     {with(at(bob, staff, 0o777), link), `/srv/drop belongs to bob: run chown -h root /srv/drop, or set dir_owners = ["bob"]`},
		"root's link":                    {with(at(0, 0, 0o777), link), ""},
		"root's group":                   {at(0, 0, 0o775), ""},
		"the daemon's group":             {at(0, daemonGroup, 0o775), ""},
		"an owner's group":               {at(0, ops, 0o2775), ""},
		"staff":                          {at(0, staff, 0o770), `group staff may write to /srv/drop (mode 0770): run chmod g-w /srv/drop, or set dir_owners = ["group:staff"]`},
		"staff reads":                    {at(0, staff, 0o755), ""},
		"staff, above":                   {with(at(0, staff, 0o1775), above), `group staff may write to /srv/drop (mode 1775): run chmod g-w /srv/drop, or set dir_owners = ["group:staff"]`},
		"staff, read-only":               {with(at(0, staff, 0o775), readOnly), ""},
		"a group with a user's number":   {at(0, deploy, 0o775), `group  may write to /srv/drop (mode 0775): run chmod g-w /srv/drop, or set dir_owners = ["group:"]`},
		"all":                            {at(0, 0, 0o757), "others may write to /srv/drop (mode 0757): run chmod o-w /srv/drop"},
		"all, sticky":                    {at(0, 0, 0o1777), "others may write to /srv/drop (mode 1777): run chmod o-w /srv/drop"},
		"all, above":                     {with(at(0, 0, 0o777), above), "others may write to /srv/drop (mode 0777): run chmod o-w /srv/drop"},
		"all, above, sticky":             {with(at(0, 0, 0o1777), above), ""},
		"all, read-only":                 {with(at(0, 0, 0o1777), readOnly), ""},
		"a list grants bob":              {with(at(0, 0, 0o775), func(p *place) { p.list = []granted{{true, 0}, {false, bob}} }), `bob may write to /srv/drop by its access control list: run setfacl -b /srv/drop, or set dir_owners = ["bob"]`},
		"a list grants an owner only":    {with(at(0, staff, 0o775), func(p *place) { p.list = []granted{{false, deploy}} }), ""},
		"a path that a shell would read": {with(at(0, 0, 0o757), func(p *place) { p.path = "/srv/a drop's" }), `others may write to '/srv/a drop'\''s' (mode 0757): run chmod o-w '/srv/a drop'\''s'`},
	} {
		t.Run(name, func(t *testing.T) {
			want := ""
			if tt.want != "" {
				want = tt.want + typo
			}
			if got := fmt.Sprint(judges.judge([]place{at(0, 0, 0o755), tt.place})); got != want && (want != "" || got != "<nil>") {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	err := judges.judge([]place{with(at(0, 0, 0o777), above), at(bob, 0, 0o757)})
	if n := strings.Count(err.Error(), "run "); n != 3 {
		t.Errorf("%d of 3 faults are told: %v", n, err)
	}
}

// Every directory on the way counts, those of the links as well.
func TestLead(t *testing.T) {
	top, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	in := func(rel string) string { return filepath.Join(top, rel) }
	must(t, os.MkdirAll(in("real/drop"), 0o755))
	must(t, os.MkdirAll(in("other/links"), 0o755))
	must(t, os.Symlink("../links/there", in("other/links/here")))
	must(t, os.Symlink(in("real")+"//./", in("other/links/there")))
	must(t, os.Symlink("loop", in("loop")))
	must(t, os.WriteFile(in("file"), nil, 0o644))

	places, err := lead(in("other/links/here/drop"))
	must(t, err)
	var got []string
	for _, p := range places {
		if rel, ok := strings.CutPrefix(p.path, top+"/"); ok {
			got = append(got, rel)
		}
		if p.above == (p.path == in("real/drop")) {
			t.Errorf("%s is above the directory: %v", p.path, p.above)
		}
	}
	if want := "other other/links other/links/here other/links/there real real/drop"; strings.Join(got, " ") != want {
		t.Errorf("it leads through %q, want %q", got, want)
	}
	if places[0].path != "/" {
		t.Errorf("it begins at %s", places[0].path)
	}
	for name, want := range map[string]error{"loop": unix.ELOOP, "file": unix.ENOTDIR, "file/x": unix.ENOTDIR, "none": fs.ErrNotExist} {
		if _, err := lead(in(name)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}

// The log and the status say what to run, and running it is enough.
func TestUnsafeDirectory(t *testing.T) {
	td := newDropDir(t)
	above := filepath.Dir(td.path)
	for name, at := range map[string]string{"itself.yaml": td.path, "above.yaml": above} {
		t.Run(name, func(t *testing.T) {
			td.Pass()
			td.Is(Working)
			must(t, unix.Chmod(at, 0o757))
			td.Drop(name, name)
			td.Pass()
			td.Is(Refused)
			td.Outcome(name, "")
			if got, want := td.dir.Status().Detail, "run chmod o-w "+shellQuote(at); !strings.Contains(got, want) {
				t.Errorf("status says %q, want %q in it", got, want)
			}
			td.Logged("run chmod o-w "+shellQuote(at)+`"`, 1)
			must(t, unix.Chmod(at, 0o755))
			td.Pass()
			td.Is(Working)
			td.Outcome(name, installedSuffix)
		})
	}
}

// A refused directory holds no start, is left untouched, and is used as soon
// as it is mended.
func TestUnsafeFromTheStart(t *testing.T) {
	td := newDropDir(t)
	td.Drop("x.yaml", "a")
	must(t, unix.Chmod(td.path, 0o1777))
	if next := td.Pass(); next != td.cfg.Rescan {
		t.Errorf("comes back after %v", next)
	}
	td.HasStarted(true)
	td.Is(Refused)
	if _, err := os.Lstat(filepath.Join(td.path, claimDir)); err == nil {
		t.Error("something was made in it")
	}
	must(t, unix.Chmod(td.path, 0o755))
	td.dir.hint(fsnotify.Event{Name: td.path, Op: fsnotify.Chmod})
	if _, err := td.dir.pass(t.Context(), td.clock); err != nil {
		t.Fatal(err)
	}
	td.Applied("a")
}

// Claims of a directory that is refused meanwhile wait for it.
func TestUnsafeWithClaims(t *testing.T) {
	td := newDropDir(t)
	td.Drop("x.yaml", "a")
	td.ledger.full = true
	td.Pass()
	must(t, unix.Chmod(td.path, 0o777))
	td.ledger.full = false
	td.After(putOffMax).Pass()
	td.Applied()
	must(t, unix.Chmod(td.path, 0o755))
	td.Pass()
	td.Applied("a")
	td.NoClaims()
}

func TestUnsafeAllTheSame(t *testing.T) {
	td := newDropDir(t)
	td.cfg.Strict = false
	td.Restart()
	td.Drop("x.yaml", "a")
	td.Drop("sub/y.yaml", "b")
	must(t, unix.Chmod(td.path, 0o777))
	must(t, unix.Chmod(filepath.Join(td.path, "sub"), 0o777))
	for range 3 {
		td.After(td.cfg.Rescan).Pass()
	}
	td.Is(Working)
	td.Applied("b", "a")
	td.Logged("because strict is off", 2)
	must(t, unix.Chmod(td.path, 0o755))
	td.After(td.cfg.Rescan).Pass()
	must(t, unix.Chmod(td.path, 0o777)) // which is news again
	td.After(td.cfg.Rescan).Pass()
	td.Logged("because strict is off", 3)
}

// A subdirectory is judged as the drop directory is, and what lies below it is
// left alone too.
func TestUnsafeSubdirectory(t *testing.T) {
	td := newDropDir(t)
	td.Drop("good.yaml", "good")
	td.Drop("sub/deep/x.yaml", "a")
	sub := filepath.Join(td.path, "sub")
	must(t, unix.Chmod(sub, 0o1757))
	for range 3 {
		td.After(td.cfg.Rescan).Pass()
	}
	td.Is(Working)
	td.Applied("good")
	td.Waits("sub", PassedOver)
	td.Logged("left alone", 1)
	td.Logged("others may write to "+shellQuote(sub)+" (mode 1757): run chmod o-w "+shellQuote(sub), 1)

	td.Drop("sub/deep/y.yaml", "b")
	td.dir.hint(fsnotify.Event{Name: sub + "/deep/y.yaml", Op: fsnotify.Create})
	_, err := td.dir.pass(t.Context(), td.clock)
	must(t, err)
	td.Applied("good")
	td.HasStarted(true)

	must(t, unix.Chmod(sub, 0o755))
	td.dir.hint(fsnotify.Event{Name: sub, Op: fsnotify.Chmod})
	_, err = td.dir.pass(t.Context(), td.clock)
	must(t, err)
	td.Applied("good", "a", "b")
	td.NoClaims()
	if s := td.dir.Status(); len(s.Waiting) > 0 {
		t.Errorf("what was mended waits: %+v", s.Waiting)
	}
}

// The second look, between the scan and the claim.
func TestUnsafeBeforeTheClaim(t *testing.T) {
	td := newDropDir(t)
	td.Drop("sub/x.yaml", "a")
	td.dir.step = func(step string) error {
		if step == "settled" {
			must(t, unix.Chmod(filepath.Join(td.path, "sub"), 0o757))
			td.dir.tree.forget()
		}
		return nil
	}
	td.Pass()
	td.Applied()
	td.Outcome("sub/x.yaml", "")
	td.NoClaims()
}

// Owners and groups, for a daemon that is root and for one that is not.
func TestOwners(t *testing.T) {
	owners := []string{"no such user", "group:no such group", "1234", "group:1235"}
	steps := []struct {
		uid, gid int
		mode     uint32
		state    State
		say      string
	}{
		{65534, 65534, 0o755, Refused, ""}, // no other's where the daemon is nobody
		{0, 0, 0o755, Working, ""},
		{1234, 0, 0o755, Working, ""},
		{1235, 0, 0o755, Refused, `belongs to 1235`},
		{0, 1235, 0o775, Working, ""},
		{0, 1234, 0o775, Refused, `set dir_owners = ["group:1234"]`},
		{0, 1234, 0o755, Working, ""},
		{0, 0, 0o775, Working, ""},
	}
	asRoot(t)
	td := newDropDir(t)
	td.cfg.DirOwners = owners
	td.Restart()
	for i, s := range steps {
		must(t, os.Chown(td.path, s.uid, s.gid))
		must(t, unix.Chmod(td.path, s.mode))
		td.Pass()
		if got := td.dir.Status(); got.State != s.state || !strings.Contains(got.Detail, s.say) {
			t.Errorf("%d: %+v: %s: %s", i, s, got.State, got.Detail)
		}
	}
	td.Logged(`dir_owners names \"no such user\"`, 3)
}

func TestOwnersAsNobody(t *testing.T) {
	td, child := asNobody(t, func(td *dropDir) []*os.File {
		for _, name := range []string{"roots", "nobodys", "others"} {
			must(t, os.Mkdir(filepath.Join(td.path, name), 0o755))
		}
		must(t, os.Chown(filepath.Join(td.path, "nobodys"), 65534, 65534))
		must(t, unix.Chmod(filepath.Join(td.path, "nobodys"), 0o775))
		must(t, os.Chown(filepath.Join(td.path, "others"), 1234, 1234))
		return nil
	})
	if !child {
		return
	}
	td.Drop("nobodys/x.yaml", "a")
	td.Pass()
	td.Applied("a")
	td.Is(Working)
	td.Logged("left alone", 1)
	td.Logged("/others belongs to 1234: run chown "+td.dir.owner(65534)+" ", 1)
}

// A link in the path counts with its owner and its directory, and with those
// of what it leads to.
func TestLinksInThePath(t *testing.T) {
	asRoot(t)
	top := t.TempDir()
	in := func(rel string) string { return filepath.Join(top, rel) }
	for _, rel := range []string{"links", "real", "real/drop"} {
		must(t, os.Mkdir(in(rel), 0o755))
	}
	must(t, os.Symlink("../real/drop", in("links/drop")))
	td := dropDirAt(t, in("links/drop"))
	for i, s := range []struct {
		do, undo func() error
		say      string
	}{
		{func() error { return os.Chmod(in("links"), 0o757) }, func() error { return os.Chmod(in("links"), 0o755) }, "chmod o-w " + in("links")},
		{func() error { return os.Chmod(in("real"), 0o757) }, func() error { return os.Chmod(in("real"), 0o755) }, "chmod o-w " + in("real")},
		{func() error { return os.Lchown(in("links/drop"), 1234, 0) }, func() error { return os.Lchown(in("links/drop"), 0, 0) }, "chown -h root " + in("links/drop")},
		{func() error { return os.Chown(in("real/drop"), 1234, 0) }, func() error { return os.Chown(in("real/drop"), 0, 0) }, "chown root " + in("real/drop")},
	} {
		must(t, s.do())
		td.Pass()
		if got := td.dir.Status(); got.State != Refused || !strings.Contains(got.Detail, s.say) {
			t.Errorf("%d: %s: %q, want %q in it", i, got.State, got.Detail, s.say)
		}
		must(t, s.undo())
		td.Drop("x.yaml", strconv.Itoa(i))
		td.Pass()
		td.Is(Working)
		td.Outcome("x.yaml", installedSuffix)
	}
}
