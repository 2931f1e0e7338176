//go:build unix

package patches

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// turns is a handler of several directories that calls handled with the one
// that each group is of.
type turns struct{ handled func(dir string) }

func (turns) Ready() error { return nil }

func (turns) Swept(context.Context, Sweep) error { return nil }

func (h turns) Handle(_ context.Context, group []Patch) ([]Verdict, error) {
	h.handled(group[0].Dir)
	return slices.Repeat([]Verdict{{Outcome: Installed}}, len(group)), nil
}

// While one directory has a backlog of many groups, another one's patch is
// decided on after one of them at most: here the second group of the backlog
// waits for it.
func TestTurns(t *testing.T) {
	backlog, other := newDropDir(t), newDropDir(t)
	backlog.cfg.Name, other.cfg.Name = "backlog", "other"
	for i := range 8 {
		backlog.DropHalfAGroup(fmt.Sprintf("%d.yaml", i))
	}
	decided, done, groups := make(chan struct{}), make(chan struct{}), 0
	h := turns{handled: func(dir string) {
		if dir == "other" {
			close(decided)
			return
		}
		switch groups++; groups {
		case 1:
			other.Drop("x.yaml", "a")
		case 2:
			<-decided
		case 4:
			close(done)
		}
	}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	for _, td := range []*dropDir{other, backlog} {
		td.cfg.Rescan = time.Hour
		d := New(td.cfg, h, zerolog.Nop())
		go func() { ended <- d.Run(ctx) }()
		if td == other { // so that only a hint can bring its patch
			<-d.Started()
		}
	}
	<-done
	cancel()
	must(t, <-ended)
	must(t, <-ended)
}

// Another drop directory is left to its own Dir by whatever name it is found
// inside this one, whichever of the two is configured first.
func TestNestedByAnotherName(t *testing.T) {
	outer := newDropDir(t)
	inside := filepath.Join(outer.path, "team/inner")
	must(t, os.MkdirAll(inside, 0o755))
	alias := filepath.Join(t.TempDir(), "alias")
	must(t, os.Symlink(inside, alias))
	inner := dropDirAt(t, alias)
	for _, td := range []*dropDir{outer, inner} {
		td.cfg.Exclude = []string{outer.path, alias}
		td.cfg.Exclude = slices.DeleteFunc(td.cfg.Exclude, func(path string) bool { return path == td.path })
		td.Restart()
	}
	for i, order := range [][]*dropDir{{outer, inner}, {inner, outer}} {
		inner.Drop(fmt.Sprintf("%d.yaml", i), "inner")
		inner.Drop(fmt.Sprintf("sub/%d.yaml", i), "inner")
		outer.Drop(fmt.Sprintf("team/%d.yaml", i), "outer")
		for _, td := range order {
			td.Pass()
		}
		outer.dir.hints[fmt.Sprintf("team/inner/%d.yaml", i)] = true
		outer.Pass()
	}
	outer.Applied("outer", "outer")
	inner.Applied("inner", "inner", "inner", "inner")
	outer.Logged("left alone", 0)
}

// A part of the path becomes a link to another place, and what is claimed waits
// in the place where it was.
func TestComponentBecomesALink(t *testing.T) {
	top, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	in := func(rel string) string { return filepath.Join(top, rel) }
	must(t, os.MkdirAll(in("elsewhere/drop"), 0o755))
	td := dropDirAt(t, in("team/drop"))
	td.Drop("old.yaml", "old")
	td.ledger.full = true
	td.Pass()
	td.ledger.full = false

	must(t, os.Rename(in("team"), in("moved")))
	must(t, os.Symlink("elsewhere", in("team")))
	td.Drop("new.yaml", "new")
	td.After(time.Hour).Pass()
	td.Applied("new")
	if _, err := os.Stat(in("elsewhere/drop/new.yaml.installed")); err != nil {
		t.Error(err)
	}

	must(t, os.Remove(in("team")))
	must(t, os.Rename(in("moved"), in("team")))
	td.After(time.Hour).Pass()
	td.Applied("new", "old")
}

// A directory that is moved away while its patches are decided on gets their
// outcomes where it is; one that is removed then loses nothing but itself.
func TestGoneWhileApplying(t *testing.T) {
	td := newDropDir(t)
	td.Drop("x.yaml", "a")
	td.ledger.before = func([]Patch) {
		must(t, os.Rename(td.path, td.path+".old"))
		must(t, os.Mkdir(td.path, 0o755))
	}
	td.Pass()
	if _, err := os.Stat(td.path + ".old/x.yaml.installed"); err != nil {
		t.Error(err)
	}
	td.ledger.before = nil
	td.Drop("y.yaml", "b")
	td.Pass()
	td.ledger.before = func([]Patch) { must(t, os.RemoveAll(td.path)) }
	td.Drop("z.yaml", "c")
	td.Pass()
	td.ledger.before = nil
	td.Pass()
	td.Is(Absent)
	must(t, os.Mkdir(td.path, 0o755))
	td.Drop("z.yaml", "d")
	td.Pass()
	td.Is(Working)
	td.Applied("a", "b", "c", "d")
	if strings.Contains(td.log.String(), `"level":"error"`) {
		t.Errorf("the log has an error:\n%s", &td.log)
	}
}
