//go:build unix

package patches

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// keepDir is a drop directory in keep mode under test.
type keepDir struct {
	*dropDir
	handed, swept int // how many of both were checked
}

func newKeepDir(t *testing.T) *keepDir {
	td := newDropDir(t)
	td.cfg.AfterApply, td.cfg.Resync = Keep, 10*time.Minute
	td.Restart()
	return &keepDir{dropDir: td}
}

// HandedOver checks what was handed over since it was called last, in order.
func (td *keepDir) HandedOver(rels ...string) {
	td.Helper()
	var got []string
	for _, p := range td.ledger.handed[td.handed:] {
		got = append(got, p.Path)
		if !p.Kept || p.Recovered || p.ID == (ID{}) {
			td.Errorf("%s was handed over as kept = %v, recovered = %v, %v", p.Path, p.Kept, p.Recovered, p.ID)
		}
	}
	td.handed = len(td.ledger.handed)
	if !slices.Equal(got, rels) {
		td.Errorf("handed over %q, want %q", got, rels)
	}
}

// Swept checks the last sweep since it was called last; nil for none.
func (td *keepDir) Swept(want *Sweep) {
	td.Helper()
	sweeps := td.ledger.sweeps[td.swept:]
	td.swept = len(td.ledger.sweeps)
	switch {
	case want == nil && len(sweeps) > 0:
		td.Errorf("swept: %v", sweeps)
	case want == nil:
	case len(sweeps) == 0:
		td.Errorf("not swept, want %v", *want)
	default:
		got := sweeps[len(sweeps)-1]
		if got.Dir != "spool" || got.Whole != want.Whole || !slices.Equal(got.Present, want.Present) {
			td.Errorf("swept %v, want %v", got, *want)
		}
	}
}

// SweptLater checks the last sweep once nothing that vanished is expected back.
func (td *keepDir) SweptLater(want *Sweep) {
	td.Helper()
	td.After(td.cfg.Settle).Pass()
	td.Swept(want)
}

func whole(rels ...string) *Sweep  { return &Sweep{Present: rels, Whole: true} }
func partly(rels ...string) *Sweep { return &Sweep{Present: rels} }

// tree is all that can be seen of a directory from outside but access times.
func (td *keepDir) tree() map[string]string {
	td.Helper()
	seen := map[string]string{}
	must(td.T, filepath.WalkDir(td.path, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		err = unix.Lstat(name, &st)
		i := infoOf(&st)
		seen[name] = fmt.Sprint(i.identity(), i.mode, i.links, i.uid)
		return err
	}))
	return seen
}

// Invariant 11: whatever the verdict is, nothing shows in the directory.
func TestKeptFilesStay(t *testing.T) {
	td := newKeepDir(t)
	td.cfg.Companions, td.cfg.CompanionWait = true, time.Minute
	td.Restart()
	for _, word := range []string{"a", "fail", "skip", "remove", "secret", "defer", "undelivered"} {
		td.Drop("sub/"+word+".yaml", word)
		td.Drop("sub/"+word+".yaml.sig", "signed")
	}
	td.Drop("big.yaml", strings.Repeat("x", 2<<20))
	td.Drop("empty.yaml", "")
	before := td.tree()
	for range 3 {
		td.Pass()
		td.After(time.Hour)
	}
	if after := td.tree(); !maps.Equal(before, after) {
		t.Errorf("the directory has changed from %v to %v", before, after)
	}
	if len(td.ledger.handed) < 9 {
		t.Errorf("only %d were handed over", len(td.ledger.handed))
	}
}

func TestHandedOverAgain(t *testing.T) {
	td := newKeepDir(t)
	for _, rel := range []string{"b.yaml", "a.yaml", "sub/c.yaml"} {
		td.Drop(rel, rel)
	}
	td.Pass()
	td.HandedOver("a.yaml", "b.yaml", "sub/c.yaml")
	td.Swept(whole("a.yaml", "b.yaml", "sub/c.yaml"))
	td.HasStarted(true)
	td.After(time.Minute).Pass()
	td.HandedOver()
	td.Swept(whole("a.yaml", "b.yaml", "sub/c.yaml"))

	td.Drop("b.yaml", "changed")
	td.Drop("d.yaml", "new")
	td.Pass()
	td.HandedOver("b.yaml", "d.yaml")

	must(t, os.Chmod(filepath.Join(td.path, "a.yaml"), 0o600)) // its owner or mode may decide
	td.Pass()
	td.HandedOver("a.yaml")

	must(t, os.Rename(filepath.Join(td.path, "d.yaml"), filepath.Join(td.path, "d.off")))
	td.Pass()
	td.HandedOver()
	td.SweptLater(whole("a.yaml", "b.yaml", "sub/c.yaml"))
	must(t, os.Rename(filepath.Join(td.path, "d.off"), filepath.Join(td.path, "d.yaml")))
	td.Pass()
	td.HandedOver("d.yaml") // it is back

	all := []string{"a.yaml", "b.yaml", "d.yaml", "sub/c.yaml"}
	td.After(td.cfg.Resync).Pass()
	td.HandedOver(all...)
	td.After(td.cfg.Resync - time.Second).Pass()
	td.HandedOver()
	td.dir.evaluate(td.clock)
	td.Pass()
	td.HandedOver(all...)
	td.Restart()
	td.Pass()
	td.HandedOver(all...)
}

// The resync comes by itself, and so does the next try of what has failed.
func TestKeepModeWakes(t *testing.T) {
	td := newKeepDir(t)
	td.cfg.Rescan = 24 * time.Hour
	td.Restart()
	td.Drop("a.yaml", "a")
	if next := td.Pass(); next != td.cfg.Resync {
		t.Errorf("comes back after %v, want the resync", next)
	}
	td.Drop("b.yaml", "fail")
	if next := td.Pass(); next != retryMin {
		t.Errorf("comes back after %v, want another try of what has failed", next)
	}
	td.HandedOver("a.yaml", "b.yaml")
}

func TestKeptFailure(t *testing.T) {
	td := newKeepDir(t)
	td.Drop("a.yaml", "a")
	td.Drop("b.yaml", "fail")
	td.Pass()
	td.HandedOver("a.yaml", "b.yaml")
	td.Swept(partly("a.yaml", "b.yaml"))
	since := td.clock
	for _, wait := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second} {
		failed := td.dir.Status().Failed
		want := Failure{Path: "b.yaml", Since: since, Next: td.clock.Add(wait)}
		if len(failed) != 1 || len(failed[0].Reasons) != 2 {
			t.Fatalf("failed: %v", failed)
		}
		if got := failed[0]; got.Path != want.Path || !got.Since.Equal(want.Since) || !got.Next.Equal(want.Next) {
			t.Errorf("failed: %v, want %v", got, want)
		}
		td.After(wait - 1).Pass()
		td.HandedOver()
		td.After(1).Pass()
		td.HandedOver("b.yaml")
	}
	td.Waits("b.yaml", "")

	td.Drop("b.yaml", "fail again")
	td.Pass()
	td.HandedOver("b.yaml")
	if f := td.dir.Status().Failed[0]; !f.Since.Equal(td.clock) {
		t.Errorf("the changed one fails since %v", f.Since)
	}
	td.Drop("b.yaml", "b")
	td.Pass()
	td.HandedOver("b.yaml")
	td.Swept(whole("a.yaml", "b.yaml"))
	if failed := td.dir.Status().Failed; len(failed) > 0 {
		t.Errorf("failed: %v", failed)
	}
}

func TestMemory(t *testing.T) {
	now := time.Now()
	one, other := [2]identity{{ino: 1}}, [2]identity{{ino: 1}, {ino: 2}}
	installed := memory{}.learn(now, one, Verdict{Outcome: Installed})
	failed := memory{}.learn(now, one, Verdict{Outcome: Failed})
	stale := installed
	stale.stale = true
	for name, tt := range map[string]struct {
		m     memory
		after time.Duration
		seen  [2]identity
		want  bool
	}{
		"new":                  {memory{}, 0, one, true},
		"installed":            {installed, 24 * time.Hour, one, false},
		"changed":              {installed, 0, other, true},
		"stale":                {stale, 0, one, true},
		"skipped":              {memory{}.learn(now, one, Verdict{Outcome: Skipped}), time.Hour, one, false},
		"failed":               {failed, retryMin - 1, one, false},
		"failed, tried again":  {failed, retryMin, one, true},
		"failed and changed":   {failed, 0, other, true},
		"failed twice":         {failed.learn(now, one, Verdict{Outcome: Failed}), 2*retryMin - 1, one, false},
		"failed twice, again":  {failed.learn(now, one, Verdict{Outcome: Failed}), 2 * retryMin, one, true},
		"changed, failed anew": {failed.learn(now, other, Verdict{Outcome: Failed}), retryMin, other, true},
		"stale no more":        {stale.learn(now, one, Verdict{Outcome: Installed}), 0, one, false},
		"the clock went back":  {failed, -24 * time.Hour, one, false},
	} {
		if got := tt.m.wants(now.Add(tt.after), tt.seen); got != tt.want {
			t.Errorf("%s: wanted = %v", name, got)
		}
	}
	m := memory{}
	for range 100 {
		m = m.learn(now, one, Verdict{Outcome: Failed})
	}
	if wait := m.next.Sub(now); wait != retryMax {
		t.Errorf("after 100 failures it is tried again after %v", wait)
	}
}

// What is put off is handed over again before anything else, and what the
// directory holds is told when all of it has a verdict.
func TestKeptPutOff(t *testing.T) {
	td := newKeepDir(t)
	td.ledger.busy = "b.yaml"
	for _, rel := range []string{"a.yaml", "b.yaml"} {
		td.Drop(rel, rel)
	}
	td.Pass()
	td.Waits("b.yaml", PutOff)
	td.Swept(nil)
	td.Drop("c.yaml", "c")
	td.Pass()
	td.HandedOver("a.yaml", "b.yaml")
	td.ledger.busy = ""
	td.After(putOffMin).Pass()
	td.HandedOver("b.yaml", "c.yaml")
	td.Swept(whole("a.yaml", "b.yaml", "c.yaml"))
}

func TestKeptUndelivered(t *testing.T) {
	td := newKeepDir(t)
	td.Drop("a.yaml", "undelivered")
	if next := td.Pass(); next != putOffMin {
		t.Errorf("comes back after %v", next)
	}
	td.Waits("a.yaml", Unfinishable)
	td.Swept(partly("a.yaml"))
	td.After(putOffMin).Pass()
	td.HandedOver("a.yaml", "a.yaml")
}

// Invariant 13: what the listing of a directory says is not more than could be seen.
func TestSweeps(t *testing.T) {
	td := newKeepDir(t)
	td.Pass()
	td.Swept(partly())
	td.Drop("a.yaml", "a")
	td.Drop("sub/b.yaml", "b")
	td.Pass()
	td.Swept(whole("a.yaml", "sub/b.yaml"))

	f := td.Writer("a.yaml") // being written
	_, err := f.WriteString("more")
	must(t, err)
	td.Pass()
	td.Swept(partly("a.yaml", "sub/b.yaml"))
	must(t, f.Close())
	td.After(time.Second).Pass()
	td.Swept(whole("a.yaml", "sub/b.yaml"))

	must(t, os.Link(filepath.Join(td.path, "a.yaml"), filepath.Join(td.path, "second"))) // left alone
	td.Pass()
	td.Swept(partly("a.yaml", "sub/b.yaml"))
	must(t, os.Remove(filepath.Join(td.path, "second")))
	td.Pass()
	td.Swept(whole("a.yaml", "sub/b.yaml"))

	must(t, os.RemoveAll(td.path)) // gone altogether
	td.Pass()
	td.Swept(nil)
	td.Is(Absent)

	td.Drop("a.yaml", "a")
	td.ledger.failSwept = errBroken
	if _, err := td.TryPass(); !errors.Is(err, errBroken) {
		t.Errorf("the pass ended with %v", err)
	}
}

// What vanishes may come back, as where a writer removes a file and writes it
// again: it is told once it has been away for a while, and one by one is at once.
func TestVanishedFilesMayComeBack(t *testing.T) {
	td := newKeepDir(t)
	for _, rel := range []string{"a.yaml", "b.yaml", "c.yaml"} {
		td.Drop(rel, rel)
	}
	td.Pass()
	td.Swept(whole("a.yaml", "b.yaml", "c.yaml"))
	remove := func(rel string) { must(t, os.Remove(filepath.Join(td.path, rel))) }
	remove("a.yaml")
	td.Pass()
	td.Swept(nil)
	if !td.dir.Status().Vanishing {
		t.Error("the status does not say that a file may be gone")
	}
	td.Drop("a.yaml", "a.yaml")
	td.After(td.cfg.Settle / 2).Pass()
	td.Swept(nil)
	td.SweptLater(whole("a.yaml", "b.yaml", "c.yaml"))
	if td.dir.Status().Vanishing {
		t.Error("the status says that a file may be gone that is back")
	}

	remove("a.yaml")
	td.Pass()
	td.After(td.cfg.Settle / 2).Pass()
	remove("b.yaml")
	td.After(td.cfg.Settle / 2).Pass()
	td.Swept(nil)
	td.SweptLater(whole("c.yaml"))

	for range 2 * td.cfg.Rescan / td.cfg.Settle { // for ever is too long
		td.Drop("d.yaml", "d")
		td.Pass()
		remove("d.yaml")
		td.After(td.cfg.Settle / 2).Pass()
	}
	td.Swept(whole("c.yaml", "d.yaml"))
}

func TestKeptCompanions(t *testing.T) {
	td := newKeepDir(t)
	td.cfg.Companions, td.cfg.CompanionWait = true, time.Minute
	td.Restart()
	td.Drop("a.yaml", "a")
	td.Pass()
	td.Waits("a.yaml", Unsigned)
	td.HandedOver()
	td.Drop("a.yaml.sig", "one")
	td.Pass()
	td.HandedOver("a.yaml")
	td.Drop("a.yaml.sig", "two") // signed anew
	td.Pass()
	td.HandedOver("a.yaml")
	if got := string(td.ledger.handed[1].Companion); got != "two" {
		t.Errorf("its companion is %q", got)
	}
	must(t, os.Remove(filepath.Join(td.path, "a.yaml.sig")))
	td.Pass()
	td.Waits("a.yaml", Unsigned)
	td.After(time.Minute).Pass()
	td.HandedOver("a.yaml")
	if got := td.ledger.handed[2].Companion; got != nil {
		t.Errorf("its companion is %q", got)
	}
}

// A directory is kept from then on, and claims that it was left with stay.
func TestFromClaimsToKeeping(t *testing.T) {
	td := newKeepDir(t)
	td.cfg.AfterApply = Rename
	td.Restart()
	td.Drop("sub/a.yaml", "defer")
	td.Pass()
	claims := td.Claims()
	td.cfg.AfterApply = Keep
	td.Restart()
	td.handed = len(td.ledger.handed)
	td.Drop("b.yaml", "b")
	td.Pass()
	td.HandedOver("b.yaml")
	if got := td.dir.Status().Warnings; len(got) != 1 || !strings.Contains(got[0], "1 claimed patches") {
		t.Errorf("warnings: %q", got)
	}
	if left := td.Claims(); !slices.Equal(left, claims) {
		t.Errorf("the claims have changed from %q to %q", claims, left)
	}
}
