package patches

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// withNobodysRights calls f with the rights that another user has to files, which root
// has to become for it.
func withNobodysRights(t *testing.T, path string, f func()) {
	t.Helper()
	asRoot(t)
	for at := filepath.Dir(path); at != filepath.Clean(os.TempDir()); at = filepath.Dir(at) {
		must(t, os.Chmod(at, 0o755))
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_, err := unix.SetfsuidRetUid(65534)
	must(t, err)
	defer func() { _ = unix.Setfsuid(0) }()
	f()
}

func TestUnreadableFolderIsNotSwept(t *testing.T) {
	td := newKeepDir(t)
	td.Drop("a.yaml", "a")
	td.Drop("sub/b.yaml", "b")
	td.Pass()
	td.Swept(whole("a.yaml", "sub/b.yaml"))
	must(t, os.Chmod(filepath.Join(td.path, "sub"), 0))
	withNobodysRights(t, td.path, func() { td.Pass() })
	td.Swept(nil)
	td.Logged("cannot be opened", 1)
	must(t, os.Chmod(filepath.Join(td.path, "sub"), 0o755))
	must(t, os.Chmod(filepath.Join(td.path, "a.yaml"), 0))
	withNobodysRights(t, td.path, func() { td.After(td.cfg.Settle).Pass() })
	td.Waits("a.yaml", Unreadable)
	td.Swept(partly("a.yaml", "sub/b.yaml"))
}
