//go:build unix

package patches

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// waiting are patches of every kind, with the files that each ends in.
var waiting = []struct {
	rel, text string
	files     []string
}{
	{"a.yaml", "a", []string{installedSuffix}},
	{"b.yaml", "secret", []string{installedSuffix}},
	{"c.yaml", "fail", []string{failedSuffix, reasonSuffix}},
	{"d.yaml", "skip", []string{skippedSuffix}},
	{"e.yaml", "remove", nil},
	{"sub/f.yaml", "f", []string{installedSuffix}},
	{"was-failed.yaml", "g", []string{installedSuffix}},
}

func dropWaiting(t *testing.T) *dropDir {
	td := newDropDir(t)
	td.Drop("was-failed.yaml.failed", "old")
	td.Drop("was-failed.yaml.failed.reason", "old")
	for _, w := range waiting {
		td.Drop(w.rel, w.text)
		if os.Geteuid() == 0 && w.rel == "c.yaml" { // another's, so that it is copied
			must(t, os.Chown(filepath.Join(td.path, w.rel), 1234, 1234))
		}
	}
	return td
}

// Invariants 3 to 5: wherever a pass ends, the next one finishes it, and each
// patch is decided on once.
func TestStoppedAtEveryStep(t *testing.T) {
	seen := map[string]bool{}
	for n := 0; ; n++ {
		td := dropWaiting(t)
		stoppedAt := ""
		left := n
		td.dir.step = func(step string) error {
			if left--; left >= 0 {
				return nil
			}
			stoppedAt = step
			return errStopped
		}
		_, err := td.TryPass()
		if stoppedAt == "" {
			must(t, err)
			break
		}
		t.Run(fmt.Sprintf("%d %s", n, stoppedAt), func(t *testing.T) {
			td.T = t
			seen[stoppedAt] = true
			if !errors.Is(err, errStopped) {
				t.Fatalf("the pass ended with %v", err)
			}
			td.honest()
			td.Restart()
			td.finished()
		})
	}
	for _, step := range []string{
		"settled", "claimed", "synced", "handled", "reason written", "reason removed",
		"outcome written", "outcome renamed", "claim removed",
	} {
		if !seen[step] {
			t.Errorf("no stop at %q", step)
		}
	}
}

// honest checks that no outcome shows that the ledger does not know, and that
// no failure is without its reason.
func (td *dropDir) honest() {
	td.Helper()
	for _, w := range waiting {
		decided := slices.Contains(td.ledger.order, w.rel)
		for _, suffix := range []string{installedSuffix, skippedSuffix, failedSuffix} {
			if td.Text(w.rel+suffix) != "-" && td.Text(w.rel+suffix) != "old" && !decided {
				td.Errorf("%s%s shows without a decision", w.rel, suffix)
			}
		}
		if td.Text(w.rel+failedSuffix) != "-" && td.Text(w.rel+reasonSuffix) == "-" {
			td.Errorf("%s failed without a reason", w.rel)
		}
		if td.Text(w.rel+installedSuffix) != "-" && td.Text(w.rel+reasonSuffix) != "-" {
			td.Errorf("%s is installed and has a reason why not", w.rel)
		}
	}
}

// finished checks that a pass brings everything to its end.
func (td *dropDir) finished() {
	td.Helper()
	td.Pass()
	td.NoClaims()
	for _, w := range waiting {
		td.Outcome(w.rel, w.files...)
	}
	if td.Text("b.yaml.installed") != "REDACTED" {
		td.Errorf("b.yaml is not redacted")
	}
	if len(td.ledger.order) != len(waiting) {
		td.Errorf("the ledger has %q, want one entry a patch", td.ledger.order)
	}
	if !slices.IsSorted(td.ledger.order) {
		td.Errorf("decided in the order %q", td.ledger.order)
	}
}

func TestHandlerFails(t *testing.T) {
	for name, fail := range map[string]func(*ledger){
		"and has not stored": func(l *ledger) { l.failBefore = true },
		"yet has stored":     func(l *ledger) { l.failAfter = true },
	} {
		t.Run(name, func(t *testing.T) {
			td := dropWaiting(t)
			fail(td.ledger)
			if _, err := td.TryPass(); !errors.Is(err, errBroken) {
				t.Fatalf("the pass ended with %v, want the handler's error", err)
			}
			td.HasStarted(false)
			if n := len(td.Claims()); n != len(waiting) {
				t.Errorf("%d claims, want all %d", n, len(waiting))
			}
			td.honest()
			td.Restart()
			td.finished()
			for _, p := range td.ledger.handed[len(td.ledger.handed)-len(waiting):] {
				if !p.Recovered {
					t.Errorf("%s is not marked as recovered", p.Path)
				}
			}
		})
	}
}

func TestWrongNumberOfVerdicts(t *testing.T) {
	td := newDropDir(t)
	td.Drop("x.yaml", "a")
	td.dir.handler = shortHandler{}
	if _, err := td.TryPass(); err == nil || !strings.Contains(err.Error(), "0 verdicts for 1 patches") {
		t.Errorf("the pass ended with %v", err)
	}
	if len(td.Claims()) != 1 {
		t.Error("the claim is gone")
	}
}

// Claims go before what has been dropped since, in the order of their IDs,
// and what was being written beside them goes.
func TestRecoveryOrder(t *testing.T) {
	td := newDropDir(t)
	td.ledger.failBefore = true
	for _, rel := range []string{"m.yaml", "sub/n.yaml", "z.yaml"} {
		td.Drop(rel, "old "+rel)
	}
	_, _ = td.TryPass()
	td.Drop("a.yaml", "new")
	td.Drop("m.yaml", "newer")
	must(t, os.WriteFile(filepath.Join(td.path, claimDir, tempPrefix+"x"), []byte("half"), 0o600))
	td.Restart()
	td.Pass()
	td.Applied("old m.yaml", "old sub/n.yaml", "old z.yaml", "new", "newer")
	td.NoClaims()
	if got := td.Text("m.yaml.installed"); got != "newer" {
		t.Errorf("m.yaml.installed holds %q", got)
	}
}

// Recovery removes a directory among the claims that holds none; a patch that
// needs it is applied all the same, at once.
func TestEmptyDirectoriesAmongTheClaims(t *testing.T) {
	td := newDropDir(t)
	must(t, os.MkdirAll(filepath.Join(td.path, claimDir, "sub/deep"), 0o700))
	td.Drop("sub/deep/x.yaml", "a")
	td.Drop("sub/y.yaml", "b")
	td.Pass()
	td.Applied("a", "b")
	td.NoClaims()
	td.Logged("patch waits", 0)
}

// The claims' names are on disk before the handler sees one. Invariant 2.
func TestSyncedBeforeHandled(t *testing.T) {
	td := newDropDir(t)
	td.Drop("x.yaml", "a")
	td.Drop("sub/y.yaml", "b")
	synced := map[uint64]bool{}
	named := false // .tokendrop, before there is anything in it
	td.dir.sync = func(f *folder) error {
		synced[f.info.ino] = len(td.Claims()) == 2
		named = named || f.info.ino == td.inode(".") && td.Text(claimDir+"/"+lockName) == "-"
		return nil
	}
	td.ledger.before = func([]Patch) {
		for _, rel := range []string{".", "sub", claimDir, claimDir + "/sub"} {
			if !synced[td.inode(rel)] {
				t.Errorf("%s was not synced after the claims were made", rel)
			}
		}
	}
	td.Pass()
	if !named {
		t.Error("the name of .tokendrop was not made durable before it was used")
	}
	td.Applied("b", "a")
}

// The claims' bytes too, of those as well that an earlier process has made. A
// few files and many are synced in different ways.
func TestBytesSyncedBeforeHandled(t *testing.T) {
	for _, count := range []int{1, syncEach, syncEach + 1, 3 * syncEach} {
		td := newDropDir(t)
		for i := range count {
			td.Drop(fmt.Sprintf("sub/%03d.yaml", i), "a")
		}
		synced := map[string]bool{}
		td.dir.syncBytes = func(_ *tree, claimed []*item) error {
			if claims := td.Claims(); len(claims) != count {
				t.Errorf("synced when there were %d claims of %d", len(claims), count)
			}
			for _, it := range claimed {
				synced[it.path] = true
			}
			return nil
		}
		checked := func(group []Patch) {
			if len(group) != count || len(synced) != count {
				t.Errorf("%d patches were handed over and %d synced, want %d", len(group), len(synced), count)
			}
			clear(synced)
		}
		td.ledger.before, td.ledger.failBefore = checked, true
		if _, err := td.TryPass(); !errors.Is(err, errBroken) {
			t.Fatalf("the pass ended with %v", err)
		}
		hook := td.dir.syncBytes
		td.Restart()
		td.dir.syncBytes = hook
		td.Pass()
		td.NoClaims()
	}
}

// What the hook above stands for does its work, or says so.
func TestSyncBytes(t *testing.T) {
	td := newDropDir(t)
	td.ledger.full = true
	for i := range syncEach + 1 {
		td.Drop(fmt.Sprintf("sub/%03d.yaml", i), "a")
	}
	td.Pass()
	items := slices.Collect(maps.Values(td.dir.claims))
	for _, n := range []int{0, 1, syncEach, syncEach + 1} {
		if err := td.dir.tree.syncBytes(items[:n]); err != nil {
			t.Errorf("syncing %d claims: %v", n, err)
		}
	}
}

// What may not be durable is not handed over, and nothing overtakes it.
func TestSyncFails(t *testing.T) {
	for name, fail := range map[string]func(d *Dir, err error){
		"names": func(d *Dir, err error) { d.sync = func(*folder) error { return err } },
		"bytes": func(d *Dir, err error) { d.syncBytes = func(*tree, []*item) error { return err } },
	} {
		t.Run(name, func(t *testing.T) {
			td := newDropDir(t)
			td.Pass()
			want := []string{"a.yaml", "b.yaml", "c.yaml"}
			td.DropHalfAGroup("a.yaml")
			td.DropHalfAGroup("b.yaml")
			td.Drop("c.yaml", "c")
			fail(td.dir, errBroken)
			td.dir.step = func(step string) error {
				if step == "synced" { // only the first group is out of luck
					fail(td.dir, nil)
				}
				return nil
			}
			if next := td.Pass(); next != putOffMin {
				t.Errorf("comes back after %v, want %v", next, putOffMin)
			}
			if len(td.ledger.handed) != 0 || len(td.Claims()) != 2 {
				t.Errorf("%d patches were handed over, and %d are claimed", len(td.ledger.handed), len(td.Claims()))
			}
			td.Waits(want[0], Unfinishable)
			td.After(putOffMin).Pass()
			td.Decided(want...)
			td.NoClaims()
		})
	}
}

type shortHandler struct{}

func (shortHandler) Ready() error { return nil }

func (shortHandler) Swept(context.Context, Sweep) error { return nil }

func (shortHandler) Handle(context.Context, []Patch) ([]Verdict, error) { return nil, nil }

// Also where the clock was set back meanwhile.
func TestNewClaimsFollowRecoveredOnes(t *testing.T) {
	td := newDropDir(t)
	must(t, os.Mkdir(filepath.Join(td.path, claimDir), 0o700))
	found := ID{0xff}
	must(t, os.WriteFile(filepath.Join(td.path, claimDir, found.String()+".x.yaml"), []byte("a"), 0o600))
	td.Drop("y.yaml", "b")
	td.Pass()
	td.Applied("a", "b")
	if id := td.ledger.handed[1].ID; id.compare(found) <= 0 {
		t.Errorf("%v was claimed after %v", id, found)
	}
}

// A claim that was written to between the decision and a crash is two patches:
// the bytes that were decided on, and those that nobody has seen.
func TestClaimRewrittenBeforeRecovery(t *testing.T) {
	td := newDropDir(t)
	td.Drop("x.yaml", "one")
	td.dir.step = func(step string) error {
		if step == "handled" {
			return errStopped
		}
		return nil
	}
	if _, err := td.TryPass(); !errors.Is(err, errStopped) {
		t.Fatalf("the pass ended with %v", err)
	}
	must(t, os.WriteFile(filepath.Join(td.path, claimDir, td.Claims()[0]), []byte("two"), 0o600))
	td.Restart()
	td.Pass()
	td.After(time.Millisecond).Pass()
	td.Applied("one", "two")
	td.Outcome("x.yaml", installedSuffix)
	td.NoClaims()
}

// A clock that is set by years, to and fro, while claims wait and while files
// settle: the order stays, and every wait is as long as it was.
func TestClockSteps(t *testing.T) {
	for _, years := range []int{10, -10, -60, 100} {
		td := newDropDir(t)
		td.ledger.full = true // so that claims wait
		td.Drop("c.yaml", "1")
		td.Pass()
		td.clock = td.clock.AddDate(years, 0, 0)
		td.Restart()
		td.Drop("b.yaml", "2")
		td.Pass()
		td.clock = td.clock.AddDate(-years, 0, 0)
		td.Restart()
		td.ledger.full = false
		td.Drop("a.yaml", "3")
		td.Pass()
		td.Applied("1", "2", "3")
		td.NoClaims()
		var last ID
		for _, p := range td.ledger.handed[len(td.ledger.handed)-3:] {
			if p.ID.compare(last) < 0 {
				t.Errorf("%d years: %v was handed over after %v", years, p.ID, last)
			}
			last = p.ID
		}
	}
}
