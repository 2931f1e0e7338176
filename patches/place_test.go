//go:build unix

package patches

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func (td *dropDir) Is(state State) {
	td.Helper()
	if got := td.dir.Status(); got.State != state || (got.Detail == "") != (state == Working) {
		td.Errorf("state is %q (%s), want %q", got.State, got.Detail, state)
	}
}

func TestAbsentDirectory(t *testing.T) {
	td := newDropDir(t)
	must(t, os.RemoveAll(td.path))
	if next := td.Pass(); next != td.cfg.Rescan {
		t.Errorf("comes back after %v", next)
	}
	td.Is(Absent)
	td.HasStarted(true)
	if _, err := os.Stat(td.path); err == nil {
		t.Error("it was made")
	}
	td.After(time.Minute).Pass()
	td.Logged("absent", 1)

	td.Drop("x.yaml", "a")
	td.Pass()
	td.Is(Working)
	td.Applied("a")
}

func TestReCreatedDirectory(t *testing.T) {
	td := newDropDir(t)
	td.ledger.full = true
	td.Drop("x.yaml", "left in the old one")
	td.Pass()
	must(t, os.Rename(td.path, td.path+".old"))
	td.ledger.full = false
	td.Drop("x.yaml", "a")
	td.Pass()
	td.Applied("a")

	must(t, os.RemoveAll(filepath.Join(td.path, claimDir))) // with the lock
	td.Drop("y.yaml", "b")
	td.Pass()
	td.Applied("a", "b")

	must(t, os.RemoveAll(filepath.Join(td.path, claimDir)))
	must(t, os.Mkdir(filepath.Join(td.path, claimDir), 0o700))
	td.Drop("z.yaml", "c")
	td.Pass()
	td.Applied("a", "b", "c")

	must(t, os.RemoveAll(td.path)) // the first one comes back, with its claim
	must(t, os.Rename(td.path+".old", td.path))
	td.Pass()
	td.Applied("a", "b", "c", "left in the old one")
}

// Invariant 7.
func TestLock(t *testing.T) {
	first := newDropDir(t)
	first.Pass()
	second := dropDirAt(t, first.path)
	second.Drop("x.yaml", "a")
	if next := second.Pass(); next != second.cfg.Rescan {
		t.Errorf("comes back after %v", next)
	}
	second.Is(Locked)
	second.HasStarted(true)
	second.After(time.Minute).Pass()
	second.Logged("locked", 0)
	second.Logged("another daemon has the directory", 1)
	second.Outcome("x.yaml", "")

	first.Restart()
	second.After(time.Minute).Pass()
	second.Is(Working)
	second.Applied("a")
}

func TestClaimDirIsOnlyTheDaemons(t *testing.T) {
	td := newDropDir(t)
	claims := filepath.Join(td.path, claimDir)
	must(t, os.Mkdir(claims, 0o777))
	td.Pass()
	td.Is(Working)
	if fi, _ := os.Stat(claims); fi.Mode().Perm() != 0o700 {
		t.Errorf("it has the mode %o", fi.Mode().Perm())
	}

	td.Restart()
	must(t, os.RemoveAll(claims))
	must(t, os.Symlink(t.TempDir(), claims))
	td.Drop("x.yaml", "a")
	td.Pass()
	td.Is(Refused)
	td.HasStarted(true)
	td.Outcome("x.yaml", "")
}

func TestPathIsNoDirectory(t *testing.T) {
	td := newDropDir(t)
	must(t, os.Remove(td.path))
	must(t, os.WriteFile(td.path, nil, 0o644))
	td.Pass()
	td.Is(Refused)
}

func TestForeignClaims(t *testing.T) {
	td := newDropDir(t)
	in := filepath.Join(td.path, claimDir)
	must(t, os.Mkdir(in, 0o700))
	id := ID{1}.String()
	must(t, os.WriteFile(filepath.Join(in, "note.yaml"), nil, 0o600))
	must(t, os.Symlink("/etc/hostname", filepath.Join(in, id+".link.yaml")))
	must(t, os.Symlink("/etc/hostname", filepath.Join(in, ID{2}.String()+".taken.yaml")))
	must(t, os.Mkdir(filepath.Join(td.path, "taken.yaml"), 0o755))
	td.Pass()
	if len(td.ledger.handed) > 0 {
		t.Error("one was handed over")
	}
	if fi, err := os.Lstat(filepath.Join(td.path, "link.yaml")); err != nil || fi.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was not put back: %v", err)
	}
	td.Waits("taken.yaml", Displaced)
	td.Logged("it is no claim", 1)
}

// A directory for claims that is another user's is refused, and what to run is said.
func TestClaimDirOfAnotherUser(t *testing.T) {
	asRoot(t)
	td := newDropDir(t)
	in := filepath.Join(td.path, claimDir)
	must(t, os.Mkdir(in, 0o700))
	must(t, os.Chown(in, 12345, 12345))
	td.Pass()
	td.Is(Refused)
	if got, want := td.dir.Status().Detail, "its .tokendrop belongs to 12345: if no daemon of that user has the directory, run chown -R root "+in; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
