package patches

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// ownMounts gives the test mounts of its own, which nobody else sees and which
// end with it. They are those of its thread only.
func ownMounts(t *testing.T) {
	t.Helper()
	asRoot(t)
	runtime.LockOSThread() // for good: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		skip(t, "cannot have mounts of its own: "+err.Error())
	}
	must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
}

// Mount mounts an empty file system on the directory.
func (td *dropDir) Mount() {
	td.Helper()
	must(td.T, unix.Mount("test", td.path, "tmpfs", 0, "mode=755"))
	td.Cleanup(func() {
		td.dir.detach()
		for unix.Unmount(td.path, unix.MNT_DETACH) == nil { // each that lies on another
		}
	})
}

// ReadOnly makes the directory one that cannot be written to under its path, or
// ends that.
func (td *dropDir) ReadOnly(on bool) {
	td.Helper()
	if !on {
		must(td.T, unix.Unmount(td.path, unix.MNT_DETACH))
		return
	}
	must(td.T, unix.Mount(td.path, td.path, "", unix.MS_BIND, ""))
	must(td.T, unix.Mount("", td.path, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
}

// A directory that cannot be written to is kept as it is, whatever its
// configuration says, for as long as that holds.
func TestReadOnlyMount(t *testing.T) {
	ownMounts(t)
	td := &keepDir{dropDir: newDropDir(t)}
	td.Mount()
	td.Drop("a.yaml", "a")
	td.Drop("put-off.yaml", "defer")
	td.Pass()
	td.Outcome("a.yaml", installedSuffix)
	claims := td.Claims()

	td.handed = len(td.ledger.handed)
	td.Drop("b.yaml", "b")
	td.Drop("c.yaml", "fail")
	td.ReadOnly(true)
	before := td.tree()
	for range 3 {
		td.Pass()
	}
	td.HandedOver("b.yaml", "c.yaml")
	td.Outcome("b.yaml", "")
	td.Swept(partly("b.yaml", "c.yaml"))
	if s := td.dir.Status(); !s.Keep || !s.ReadOnly || len(s.Failed) != 1 || len(s.Warnings) != 1 {
		t.Errorf("status is %+v", s)
	}
	td.Logged("files stay as they are", 1)
	if got := td.tree(); len(got) != len(before) || len(claims) != 1 || claims[0] != td.Claims()[0] {
		t.Errorf("the directory has changed from %v to %v", before, got)
	}

	td.ReadOnly(false)
	td.After(putOffMax).Pass()
	td.Outcome("b.yaml", installedSuffix)
	td.Outcome("c.yaml", failedSuffix, reasonSuffix)
	if s := td.dir.Status(); s.Keep || s.ReadOnly || len(s.Failed)+len(s.Warnings) > 0 {
		t.Errorf("status is %+v", s)
	}
}

// A volume of Kubernetes is open to all by its mode, and mounted read-only.
func TestReadOnlyVolume(t *testing.T) {
	ownMounts(t)
	td := &keepDir{dropDir: newDropDir(t)}
	td.Mount()
	must(t, os.Chmod(td.path, 0o777|os.ModeSticky))
	v := &volume{TB: t, path: td.path}
	v.Publish(map[string]string{"a.yaml": "a1", "sub/b.yaml": "b1"})
	td.ReadOnly(true)
	td.Pass()
	td.HandedOver("a.yaml", "sub/b.yaml")
	td.ReadOnly(false) // for the kubelet
	v.Publish(map[string]string{"a.yaml": "a2", "sub/b.yaml": "b1"})
	td.ReadOnly(true)
	td.Pass()
	td.HandedOver("a.yaml", "sub/b.yaml")
	td.Applied("a1", "b1", "a2", "b1")
}

// What is mounted by subPath never changes; somebody has to be told.
func TestSubPath(t *testing.T) {
	ownMounts(t)
	td := newKeepDir(t)
	td.Drop("a.yaml", "")
	other := newDropDir(t)
	v := &volume{TB: t, path: other.path}
	v.Publish(map[string]string{"a.yaml": "a1"})
	file := filepath.Join(td.path, "a.yaml")
	must(t, unix.Mount(filepath.Join(v.path, "a.yaml"), file, "", unix.MS_BIND, ""))
	t.Cleanup(func() { _ = unix.Unmount(file, unix.MNT_DETACH) })
	td.Pass()
	td.HandedOver("a.yaml")
	td.Swept(whole("a.yaml"))
	v.Publish(map[string]string{"a.yaml": "a2"})
	td.Pass()
	td.HandedOver()
	td.Swept(partly("a.yaml")) // its file is removed, and nobody knows which one is in its place
	td.Logged("subPath", 1)
	if got := td.dir.Status().Warnings; len(got) != 1 || !strings.HasPrefix(got[0], file+" is mounted with subPath") {
		t.Errorf("warnings: %q", got)
	}
}
