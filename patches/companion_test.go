//go:build unix

package patches

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// newSignedDir is a drop directory whose patches have companions.
func newSignedDir(t *testing.T) *dropDir {
	td := newDropDir(t)
	td.cfg.Companions, td.cfg.CompanionWait = true, time.Minute
	td.Restart()
	return td
}

// Companions checks what was handed over beside each patch, in order; "-" is
// none.
func (td *dropDir) Companions(texts ...string) {
	td.Helper()
	var got []string
	for _, p := range td.ledger.handed {
		text := "-"
		if p.Companion != nil {
			text = string(p.Companion)
		}
		got = append(got, text)
	}
	if !slices.Equal(got, texts) {
		td.Errorf("handed over with %q, want %q", got, texts)
	}
}

// End checks the outcome of a patch and the same one of its companion, and that
// there is nothing else of it.
func (td *dropDir) End(rel string, suffixes ...string) {
	td.Helper()
	td.Outcome(rel, suffixes...)
	td.Outcome(rel+companionSuffix, slices.DeleteFunc(slices.Clone(suffixes), func(s string) bool { return s == reasonSuffix })...)
	td.NoClaims()
}

func TestCompanionFirst(t *testing.T) {
	for text, suffixes := range map[string][]string{
		"a": {installedSuffix}, "secret": {installedSuffix}, "skip": {skippedSuffix}, "fail": {failedSuffix, reasonSuffix}, "remove": nil,
	} {
		td := newSignedDir(t)
		td.Drop("sub/x.yaml.sig", "s")
		td.Pass()
		td.Outcome("sub/x.yaml.sig", "")
		td.Drop("sub/x.yaml", text)
		td.Pass()
		td.Companions("s")
		td.End("sub/x.yaml", suffixes...)
	}
}

// A patch waits for its companion, however long that takes within the time,
// holds nobody back meanwhile, and not the start.
func TestCompanionLater(t *testing.T) {
	for _, after := range []time.Duration{time.Second, 59 * time.Second} {
		td := newSignedDir(t)
		td.Drop("x.yaml", "a")
		td.Drop("y.yaml", "b")
		td.Drop("y.yaml.sig", "t")
		if next := td.Pass(); next != 30*time.Second {
			t.Errorf("comes back after %v", next)
		}
		td.Waits("x.yaml", Unsigned)
		td.HasStarted(true)
		td.End("y.yaml", installedSuffix)
		td.After(after).Pass()
		td.Waits("x.yaml", Unsigned)
		td.Drop("x.yaml.sig", "s")
		td.Pass()
		td.Companions("t", "s")
		td.End("x.yaml", installedSuffix)
	}
}

// At the end of the wait the patch is handed over without. What comes then is
// too late, and left alone.
func TestCompanionTooLate(t *testing.T) {
	td := newSignedDir(t)
	td.Pass()
	td.Drop("x.yaml", "fail")
	td.After(20 * time.Second).Pass()
	if next := td.After(time.Minute - 1).Pass(); next != 1 {
		t.Errorf("comes back after %v", next)
	}
	td.Companions()
	td.After(1).Pass()
	td.Companions("-")
	td.Outcome("x.yaml", failedSuffix, reasonSuffix)
	td.Drop("x.yaml.sig", "s")
	td.After(time.Second).Pass()
	td.Companions("-")
	td.Outcome("x.yaml.sig", "")
}

// The wait counts from when the patch itself is whole.
func TestCompanionOfSlowWriter(t *testing.T) {
	needLease(t)
	td := newSignedDir(t)
	f := td.Writer("x.yaml")
	for range 10 {
		_, _ = f.WriteString("a")
		td.After(30 * time.Second).Pass()
		td.Waits("x.yaml", BeingWritten)
	}
	must(t, f.Close())
	td.After(time.Second).Pass()
	td.After(59 * time.Second).Pass()
	td.Waits("x.yaml", Unsigned)
	td.Drop("x.yaml", "b") // another one, which has a wait of its own
	td.Pass()
	td.After(59 * time.Second).Pass()
	td.Waits("x.yaml", Unsigned)
	td.Drop("x.yaml.sig", "s")
	td.Pass()
	td.Applied("b")
}

// Invariant 1 holds for companions: none is used in part.
func TestCompanionBeingWritten(t *testing.T) {
	needLease(t)
	td := newSignedDir(t)
	f := td.Writer("x.yaml.sig")
	td.Drop("x.yaml", "a")
	for range 100 { // beyond the wait: it is there
		_, _ = f.WriteString("s")
		td.After(time.Second).Pass()
		td.Waits("x.yaml", BeingWritten)
	}
	td.Companions()
	must(t, f.Close())
	td.After(time.Second).Pass()
	td.Companions(strings.Repeat("s", 100))
	td.End("x.yaml", installedSuffix)
}

func TestCompanionEmpty(t *testing.T) {
	td := newSignedDir(t)
	td.Drop("x.yaml", "a")
	td.Drop("x.yaml.sig", "")
	td.Pass()
	td.Waits("x.yaml", Empty)
	td.After(emptyWait).Pass()
	td.Companions("")
}

// Without a lease companions settle by time too.
func TestCompanionUnleased(t *testing.T) {
	td, child := asNobody(t, func(td *dropDir) []*os.File {
		td.Drop("x.yaml", "a")
		return []*os.File{td.Writer("x.yaml.sig")}
	})
	if !child {
		return
	}
	td.cfg.Companions, td.cfg.CompanionWait = true, time.Minute
	td.Restart()
	f := os.NewFile(3, "x.yaml.sig")
	_, err := f.WriteString("s")
	must(t, err)
	td.Pass()
	td.After(td.cfg.Settle).Pass()
	td.Waits("x.yaml", Settling)
	_, err = f.WriteString("t")
	must(t, err)
	td.After(td.cfg.Settle - 1).Pass()
	td.Companions()
	td.After(1).Pass() // it is looked at here for the first time as it is now
	td.After(td.cfg.Settle).Pass()
	td.Companions("st")
}

// One that cannot be read is waited for, and said.
func TestCompanionUnreadable(t *testing.T) {
	td, child := asNobody(t, func(td *dropDir) []*os.File {
		td.Drop("x.yaml", "a")
		td.Drop("x.yaml.sig", "s")
		must(t, os.Chmod(filepath.Join(td.path, "x.yaml.sig"), 0o600))
		return nil
	})
	if !child {
		return
	}
	td.cfg.Companions, td.cfg.CompanionWait = true, time.Minute
	td.Restart()
	td.After(2 * time.Minute).Pass()
	td.After(2 * time.Minute).Pass()
	td.Waits("x.yaml", Unreadable)
	td.HasStarted(true)
	td.Logged("patch waits", 1)
	td.Companions()
}

// What is no file of its own is no companion. Invariant 6.
func TestCompanionNotPlain(t *testing.T) {
	for name, put := range map[string]func(td *dropDir, path string) error{
		"symlink":   func(td *dropDir, path string) error { return os.Symlink(filepath.Join(td.path, ".there"), path) },
		"hard link": func(td *dropDir, path string) error { return os.Link(filepath.Join(td.path, ".there"), path) },
		"directory": func(_ *dropDir, path string) error { return os.Mkdir(path, 0o755) },
	} {
		t.Run(name, func(t *testing.T) {
			td := newSignedDir(t)
			td.Drop(".there", "s")
			td.Drop("x.yaml", "a")
			must(t, put(td, filepath.Join(td.path, "x.yaml.sig")))
			td.Pass()
			td.Waits("x.yaml", Unsigned)
			td.Logged("left alone", 1)
			td.After(time.Minute).Pass()
			td.Companions("-")
			td.Logged("left alone", 1)
			if _, err := os.Lstat(filepath.Join(td.path, "x.yaml.sig")); err != nil {
				t.Error(err)
			}
		})
	}
}

// Above the limit it is not read, and moved with all that is in it.
func TestCompanionTooLarge(t *testing.T) {
	for size, want := range map[int]int{maxCompanion: maxCompanion, maxCompanion + 1: 0} {
		td := newSignedDir(t)
		td.Drop("x.yaml", "fail")
		td.Drop("x.yaml.sig", strings.Repeat("s", size))
		td.Pass()
		if c := td.ledger.handed[0].Companion; c == nil || len(c) != want {
			t.Errorf("%d bytes of %d were handed over", len(c), size)
		}
		td.End("x.yaml", failedSuffix, reasonSuffix)
		if n := len(td.Text("x.yaml.sig.failed")); n != size {
			t.Errorf("the outcome has %d bytes of %d", n, size)
		}
	}
}

// Its outcome is the daemon's and closed to others. A later success removes an
// older failure of both.
func TestCompanionOutcome(t *testing.T) {
	td := newSignedDir(t)
	td.Drop("x.yaml.sig", "s")
	if os.Geteuid() == 0 {
		must(t, os.Chown(filepath.Join(td.path, "x.yaml.sig"), 1234, 1234))
	}
	td.Drop("x.yaml", "fail")
	td.Pass()
	td.End("x.yaml", failedSuffix, reasonSuffix)
	fi, err := os.Stat(filepath.Join(td.path, "x.yaml.sig.failed"))
	must(t, err)
	if fi.Mode().Perm() != 0o640 || ownerOf(fi) != os.Geteuid() {
		t.Errorf("the outcome has the mode %v and the owner %d", fi.Mode(), ownerOf(fi))
	}
	td.Drop("x.yaml.sig", "t")
	td.Drop("x.yaml", "a")
	td.Pass()
	td.End("x.yaml", installedSuffix)
}

// A patch whose name looks like that of a companion is a patch, and one has the
// longest name there can be.
func TestCompanionNames(t *testing.T) {
	td := newSignedDir(t)
	long := strings.Repeat("n", maxName-len(".yaml")) + ".yaml"
	for _, rel := range []string{"x.yaml.sig.yaml", long} {
		td.Drop(rel, "fail")
		td.Drop(rel+".sig", rel)
	}
	td.Drop("lonely.yaml.sig", "s")
	td.Pass()
	td.Companions(long, "x.yaml.sig.yaml")
	td.End("x.yaml.sig.yaml", failedSuffix, reasonSuffix)
	td.End(long, failedSuffix, reasonSuffix)
	td.Outcome("lonely.yaml.sig", "")
}

// Where there are no companions their files are left alone.
func TestNoCompanions(t *testing.T) {
	td := newDropDir(t)
	td.Drop("x.yaml", "a")
	td.Drop("x.yaml.sig", "s")
	td.Pass()
	td.Companions("-")
	td.Outcome("x.yaml", installedSuffix)
	td.Outcome("x.yaml.sig", "")
}

// A change between the look and the claim is found, of either.
func TestCompanionChangedBeforeTheClaim(t *testing.T) {
	td := newSignedDir(t)
	td.Drop("x.yaml", "a")
	td.Drop("x.yaml.sig", "s")
	once := true
	td.dir.step = func(step string) error {
		if step == "settled" && once {
			once = false
			td.Drop("x.yaml.sig", "newer")
		}
		return nil
	}
	td.Pass()
	td.Companions()
	td.After(lookMax).Pass()
	td.Companions("newer")
	td.End("x.yaml", installedSuffix)
}

// It may vanish in between: then the patch waits again.
func TestCompanionVanishes(t *testing.T) {
	td := newSignedDir(t)
	td.Drop("x.yaml", "a")
	td.Drop("x.yaml.sig", "s")
	once := true
	td.dir.step = func(step string) error {
		if step == "settled" && once {
			once = false
			return os.Remove(filepath.Join(td.path, "x.yaml.sig"))
		}
		return nil
	}
	td.Pass()
	td.After(time.Second).Pass()
	td.Waits("x.yaml", Unsigned)
	td.NoClaims()
	td.After(time.Minute).Pass()
	td.Companions("-")
}

// What is no file of its own any more goes back to its place, out of the
// claims: a patch along with its companion. Invariant 6.
func TestLinkedWhileClaimed(t *testing.T) {
	for _, linked := range []string{"", companionSuffix} {
		td := newSignedDir(t)
		td.ledger.full = true
		td.Drop("x.yaml", "a")
		td.Drop("x.yaml.sig", "s")
		td.Pass()
		for _, claim := range td.Claims() {
			if strings.HasSuffix(claim, ".x.yaml"+linked) {
				must(t, os.Link(filepath.Join(td.path, claimDir, claim), filepath.Join(td.path, ".other")))
			}
		}
		td.ledger.full = false
		td.After(putOffMax).Pass()
		td.NoClaims()
		td.Outcome("x.yaml.sig", "")
		if linked == "" {
			td.Companions("s")
			td.Outcome("x.yaml", "")
			continue
		}
		td.Companions("s", "-")
		td.Outcome("x.yaml", installedSuffix)
	}
}

// So may the patch: then the companion goes back. Invariant 9.
func TestPatchVanishes(t *testing.T) {
	td := newSignedDir(t)
	td.Drop("x.yaml", "a")
	td.Drop("x.yaml.sig", "s")
	td.dir.step = func(step string) error {
		if step == "companion claimed" {
			return os.Remove(filepath.Join(td.path, "x.yaml"))
		}
		return nil
	}
	td.Pass()
	td.After(time.Minute).Pass()
	td.NoClaims()
	td.Outcome("x.yaml.sig", "")
	td.Waits("x.yaml", "")
}

// Invariants 3 to 5 and 9, with companions: wherever a pass ends, the next one
// finishes it, each patch is decided on once, and with its own companion.
func TestStoppedAtEveryStepWithCompanions(t *testing.T) {
	seen := map[string]bool{}
	for n := 0; ; n++ {
		td := newSignedDir(t)
		td.Drop("was-failed.yaml.failed", "old")
		td.Drop("was-failed.yaml.failed.reason", "old")
		td.Drop("was-failed.yaml.sig.failed", "old")
		for _, w := range waiting {
			td.Drop(w.rel, w.text)
			td.Drop(w.rel+companionSuffix, "signs "+w.text)
		}
		stoppedAt, left := "", n
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
			td.honest()
			td.Restart()
			td.finished()
			for _, w := range waiting {
				td.End(w.rel, w.files...)
			}
			decided := map[ID]bool{}
			for _, p := range td.ledger.handed {
				if !decided[p.ID] && string(p.Companion) != "signs "+string(p.Data) {
					t.Errorf("%s was decided on with %q", p.Path, p.Companion)
				}
				decided[p.ID] = true
			}
		})
	}
	for _, step := range []string{"companion claimed", "claimed", "handled", "reason written", "companion finished", "outcome renamed"} {
		if !seen[step] {
			t.Errorf("no stop at %q", step)
		}
	}
}

// A companion that was claimed alone goes back, but not over a newer one.
func TestCompanionClaimedAlone(t *testing.T) {
	for _, newer := range []bool{false, true} {
		td := newSignedDir(t)
		td.Drop("sub/x.yaml", "a")
		td.Drop("sub/x.yaml.sig", "s")
		td.dir.step = func(step string) error {
			if step == "companion claimed" {
				return errStopped
			}
			return nil
		}
		if _, err := td.TryPass(); !errors.Is(err, errStopped) {
			t.Fatal(err)
		}
		want := "s"
		if newer {
			want = "newer"
			td.Drop("sub/x.yaml.sig", want)
		}
		td.Restart()
		td.Pass()
		td.Companions(want)
		td.End("sub/x.yaml", installedSuffix)
	}
}

// A claim that was made without one is handed over without one again, though
// there is one now.
func TestClaimedWithoutCompanion(t *testing.T) {
	td := newSignedDir(t)
	td.Drop("x.yaml", "a")
	td.Pass()
	td.ledger.full = true
	td.After(time.Minute).Pass()
	td.Drop("x.yaml.sig", "s")
	td.Restart()
	td.ledger.full = false
	td.Pass()
	td.Companions("-", "-")
	td.Outcome("x.yaml.sig", "")
}

// Claims keep their companions though no more are needed.
func TestCompanionsNotNeededAnyMore(t *testing.T) {
	td := newSignedDir(t)
	td.ledger.full = true
	td.Drop("x.yaml", "a")
	td.Drop("x.yaml.sig", "s")
	td.Pass()
	td.cfg.Companions = false
	td.Restart()
	td.ledger.full = false
	td.Pass()
	td.Companions("s", "s")
	td.End("x.yaml", installedSuffix)
}

// The text of a late writer has the companion beside it: the first text may
// have been half of it. Both have their outcomes. Invariants 4 and 9.
func TestLateWriterWithCompanion(t *testing.T) {
	for _, text := range []string{"a", "fail"} {
		td := newSignedDir(t)
		td.Drop("x.yaml", text)
		td.Drop("x.yaml.sig", "s")
		td.ledger.before = func([]Patch) {
			td.ledger.before = nil
			claim := slices.DeleteFunc(td.Claims(), func(name string) bool { return strings.HasSuffix(name, companionSuffix) })[0]
			must(t, os.WriteFile(filepath.Join(td.path, claimDir, claim), []byte("whole "+text), 0o600))
		}
		td.Pass()
		if td.Text("x.yaml.sig.installed") == "-" && td.Text("x.yaml.sig.failed") == "-" {
			t.Error("the companion has no outcome")
		}
		td.After(time.Minute).Pass()
		td.Companions("s", "s")
		td.End("x.yaml", installedSuffix)
		if got := td.Text("x.yaml.installed"); got != "whole "+text {
			t.Errorf("installed is %q", got)
		}
	}
}

// One that changes nothing is no second patch, and leaves nothing.
func TestLateOpenerWithCompanion(t *testing.T) {
	needLease(t)
	td := newSignedDir(t)
	td.Drop("x.yaml", "a")
	td.Drop("x.yaml.sig", "s")
	var f *os.File
	td.ledger.before = func([]Patch) {
		for _, name := range td.Claims() {
			if !strings.HasSuffix(name, companionSuffix) {
				f = td.Writer(filepath.Join(claimDir, name))
			}
		}
	}
	td.Pass()
	must(t, f.Close())
	td.After(time.Minute).Pass()
	td.Companions("s")
	td.End("x.yaml", installedSuffix)
}

// The bytes of both are durable before anybody decides.
func TestCompanionSynced(t *testing.T) {
	td := newSignedDir(t)
	td.Drop("x.yaml", "a")
	td.Drop("x.yaml.sig", "s")
	synced := false
	td.dir.syncBytes = func(tr *tree, claimed []*item) error {
		synced = len(claimed) == 1 && claimed[0].accompanied && len(td.Claims()) == 2
		return tr.syncBytes(claimed)
	}
	td.ledger.before = func([]Patch) {
		if !synced {
			t.Error("handed over before it was synced")
		}
	}
	td.Pass()
	td.Companions("s")
}

// An event on the companion is a hint for its patch. Invariant 8.
func TestCompanionHint(t *testing.T) {
	td := newSignedDir(t)
	td.Drop("sub/x.yaml", "a")
	td.Pass()
	td.Drop("sub/x.yaml.sig", "s")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for len(td.dir.hints) == 0 {
		select {
		case ev := <-td.dir.watch.events():
			td.dir.hint(ev)
		case <-ctx.Done():
			t.Fatal("no hint")
		}
	}
	if _, err := td.dir.pass(ctx, td.clock); err != nil {
		t.Fatal(err)
	}
	td.End("sub/x.yaml", installedSuffix)
}
