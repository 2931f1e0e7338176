//go:build unix

package patches

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Invariant 1, with a lease: however slowly it writes, nothing is applied
// before the writer is gone, and then at once.
func TestSlowWriterLeased(t *testing.T) {
	needLease(t)
	td := newDropDir(t)
	f := td.Writer("x.yaml")
	whole := slowly(td, f)
	must(t, f.Close())
	td.After(lookMax).Pass()
	td.Applied(whole)
	td.Outcome("x.yaml", installedSuffix)
}

// slowly writes a token a second, and checks that no part is applied.
func slowly(td *dropDir, f *os.File) (whole string) {
	td.Helper()
	for i := range 20 {
		line := fmt.Sprintf("- token %d\n", i)
		_, err := f.WriteString(line)
		must(td.T, err)
		whole += line
		td.After(time.Second).Pass()
		td.Applied()
	}
	return whole
}

func needLease(t *testing.T) {
	t.Helper()
	in, err := openFolder(t.TempDir())
	must(t, err)
	defer in.close()
	f, err := in.create("f")
	must(t, err)
	f.close()
	f, err = in.open("f")
	must(t, err)
	defer f.close()
	if !in.leases() || f.lease() != quiet {
		skip(t, "this system or file system has no leases")
	}
}

func TestEmptyFileIsWaitedFor(t *testing.T) {
	td := newDropDir(t)
	td.Drop("x.yaml", "")
	if next := td.Pass(); next != emptyWait {
		t.Errorf("comes back after %v", next)
	}
	td.Waits("x.yaml", Empty)
	td.HasStarted(false)
	td.After(emptyWait).Pass()
	td.Outcome("x.yaml", skippedSuffix)
	td.HasStarted(true)
}

func TestStartWait(t *testing.T) {
	needLease(t)
	td := newDropDir(t)
	td.Writer("x.yaml")
	td.Drop("y.yaml", "a")
	td.Pass()
	td.Applied("a")
	td.HasStarted(false)
	td.After(td.cfg.StartWait - 1).Pass()
	td.HasStarted(false)
	td.After(1).Pass()
	td.HasStarted(true)
}

// What appears after the first scan does not hold the start.
func TestStartIsNotHeldByLaterFiles(t *testing.T) {
	needLease(t)
	td := newDropDir(t)
	f := td.Writer("x.yaml")
	td.Pass()
	td.Writer("y.yaml")
	_, _ = f.WriteString("a")
	must(t, f.Close())
	td.After(lookMax).Pass()
	td.Applied("a")
	td.HasStarted(true)
}

// A writer that opens the file before the claim and writes after it.
// Invariants 1 and 4.
func TestOpenedBeforeTheClaim(t *testing.T) {
	needLease(t)
	td := newDropDir(t)
	td.Drop("x.yaml", "a")
	var f *os.File
	td.dir.step = func(step string) error {
		if step == "settled" && f == nil {
			f = td.Writer("x.yaml")
		}
		return nil
	}
	td.Pass()
	td.Applied()
	td.Waits("x.yaml", BeingWritten)
	td.Outcome("x.yaml")
	_, _ = f.WriteString("b")
	must(t, f.Close())
	td.After(lookMax).Pass()
	td.Applied("ab")
	td.NoClaims()
}

// A writer that writes after the claim was read: what it leaves is a patch of
// its own. Invariant 4.
func TestWrittenAfterItWasRead(t *testing.T) {
	for _, text := range []string{"a", "secret", "fail", "skip", "remove"} {
		t.Run(text, func(t *testing.T) {
			td := newDropDir(t)
			td.Drop("x.yaml", text)
			td.ledger.before = func(group []Patch) {
				td.ledger.before = nil
				f := td.Writer(filepath.Join(claimDir, td.Claims()[0]))
				_, err := f.WriteString(" and more")
				must(t, err)
				must(t, f.Close())
			}
			td.Pass()
			if n := len(td.Claims()); n != 1 {
				t.Fatalf("%d claims, want the late text", n)
			}
			shown := map[string]string{"secret": "REDACTED", "remove": "-"}
			want, ok := shown[text]
			if !ok {
				want = text
			}
			for _, suffix := range []string{installedSuffix, failedSuffix, skippedSuffix} {
				if got := td.Text("x.yaml" + suffix); got != "-" && got != want {
					t.Errorf("the first outcome holds %q, want %q", got, want)
				}
			}
			td.After(time.Minute).Pass()
			if got := string(td.ledger.handed[1].Data); got != text+" and more" {
				t.Errorf("then %q was handed over", got)
			}
			td.NoClaims()
		})
	}
}

// A late writer that changes nothing is no second patch.
func TestOpenedAfterItWasRead(t *testing.T) {
	needLease(t)
	td := newDropDir(t)
	td.Drop("x.yaml", "a")
	var f *os.File
	td.ledger.before = func([]Patch) { f = td.Writer(filepath.Join(claimDir, td.Claims()[0])) }
	td.Pass()
	td.Outcome("x.yaml", installedSuffix)
	must(t, f.Close())
	td.After(time.Minute).Pass()
	td.Applied("a")
	td.NoClaims()
}

// A file that is replaced at the moment when it is claimed settles anew, and
// what is dropped under its name meanwhile comes after it. Nothing is looked at
// again before the claim can have settled, whatever has been waited for before.
func TestDroppedBehindAClaim(t *testing.T) {
	td := newDropDir(t)
	td.Drop("x.yaml", "1")
	td.ledger.unready = errBroken
	td.After(td.Pass())
	td.ledger.unready = nil
	td.dir.step = func(string) error {
		td.dir.step = func(string) error { return nil }
		td.Drop("x.yaml", "2")
		return nil
	}
	td.Pass()
	td.Waits("x.yaml", Settling)
	td.Drop("x.yaml", "3")
	td.Drop("y.yaml", "another")
	td.Pass()
	td.Applied("another")
	if next := td.Pass(); next != lookMin {
		t.Errorf("comes back after %v", next)
	}
	td.After(lookMin).Pass()
	td.Applied("another", "2", "3")
}

// asNobody runs the present test again as an ordinary user, in a directory of
// that user's, where root has left the files. It returns true in that run.
func asNobody(t *testing.T, prepare func(td *dropDir) []*os.File) (td *dropDir, child bool) {
	t.Helper()
	const variable = "PATCHES_TEST_DIRECTORY"
	if path := os.Getenv(variable); path != "" {
		return dropDirAt(t, path), true
	}
	asRoot(t)
	top, err := os.MkdirTemp("", "patches")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(top) })
	td = dropDirAt(t, filepath.Join(top, "drop"))
	must(t, os.Chmod(top, 0o755))
	must(t, os.Chown(td.path, 65534, 65534))
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), variable+"="+td.path)
	cmd.ExtraFiles = prepare(td)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
	return td, false
}

// Invariant 1, without a lease: an ordinary user's daemon and root's file.
func TestSlowWriterUnleased(t *testing.T) {
	td, child := asNobody(t, func(td *dropDir) []*os.File { return []*os.File{td.Writer("x.yaml")} })
	if !child {
		return
	}
	f := os.NewFile(3, "x.yaml")
	whole := slowly(td, f)
	must(t, f.Close())
	td.HasStarted(true) // after start_wait
	td.After(td.cfg.Settle - 2*time.Second).Pass()
	td.Waits("x.yaml", Settling)
	td.After(2 * time.Second).Pass()
	td.Applied(whole)
	if td.dir.Status().Leased {
		t.Error("the status says that leases can be had")
	}
	td.Outcome("x.yaml", installedSuffix)
	if fi, _ := os.Stat(filepath.Join(td.path, "x.yaml.installed")); ownerOf(fi) != os.Geteuid() {
		t.Error("the outcome is not the daemon's")
	}
}

// In the first scan age is enough, by mtime and ctime both.
func TestOldFileUnleased(t *testing.T) {
	td, child := asNobody(t, func(td *dropDir) []*os.File {
		td.Drop("x.yaml", "a")
		return nil
	})
	if !child {
		return
	}
	td.After(oldAge + time.Second).Pass()
	td.Applied("a")
	td.HasStarted(true)
}

func TestUnreadable(t *testing.T) {
	td, child := asNobody(t, func(td *dropDir) []*os.File {
		for _, rel := range []string{"roots.yaml", "x.yaml"} {
			td.Drop(rel, rel)
			must(t, os.Chmod(filepath.Join(td.path, rel), 0o600))
		}
		must(t, os.Chown(filepath.Join(td.path, "x.yaml"), 65534, 65534))
		must(t, os.Chmod(filepath.Join(td.path, "x.yaml"), 0))
		td.Drop("y.yaml", "y")
		return nil
	})
	if !child {
		return
	}
	td.After(oldAge + time.Second)
	for range 3 {
		td.After(time.Minute).Pass()
		td.Waits("x.yaml", Unreadable)
		td.Waits("roots.yaml", Unreadable)
	}
	td.HasStarted(true)
	td.Logged("patch waits", 2)
	td.Applied("y")
	td.Outcome("y.yaml", installedSuffix)
	must(t, os.Chmod(filepath.Join(td.path, "x.yaml"), 0o600))
	td.Pass()
	td.Applied("y", "x.yaml")
}

// A directory that the daemon may not write to is one that it cannot use; a
// subdirectory like that keeps its patches waiting.
func TestUnwritable(t *testing.T) {
	td, child := asNobody(t, func(td *dropDir) []*os.File {
		td.Drop("sub/x.yaml", "a")
		return nil
	})
	if !child {
		return
	}
	td.After(oldAge + time.Second).Pass()
	td.Waits("sub/x.yaml", Unclaimable)
	td.HasStarted(true)
	td.After(time.Minute).Pass()
	td.Logged("patch waits", 1)
	td.NoClaims()
}

// One that writes only after the outcome shows has not written in vain.
// Invariant 4.
func TestWrittenAfterTheOutcome(t *testing.T) {
	needLease(t)
	td := newDropDir(t)
	td.Drop("x.yaml", "a")
	var f *os.File
	td.ledger.before = func([]Patch) {
		td.ledger.before = nil
		f = td.Writer(filepath.Join(claimDir, td.Claims()[0]))
	}
	td.Pass()
	td.Outcome("x.yaml", installedSuffix)
	td.Waits("x.yaml", BeingWritten)
	_, err := f.WriteString("b")
	must(t, err)
	must(t, f.Close())
	td.After(time.Minute).Pass()
	td.Applied("a", "ab")
	td.NoClaims()
}

// Invariant 6, at the system call: a link may take a file's place between two
// looks.
func TestFolderFollowsNoLink(t *testing.T) {
	path := t.TempDir()
	must(t, os.WriteFile(filepath.Join(path, "file"), nil, 0o644))
	must(t, os.Symlink("file", filepath.Join(path, "link")))
	must(t, os.Symlink(".", filepath.Join(path, "here")))
	in, err := openFolder(path)
	must(t, err)
	defer in.close()
	if _, err := in.open("link"); err == nil {
		t.Error("open followed a link")
	}
	if _, err := in.create("link"); err == nil {
		t.Error("create followed a link")
	}
	if _, err := in.sub("here"); err == nil {
		t.Error("sub followed a link")
	}
}
