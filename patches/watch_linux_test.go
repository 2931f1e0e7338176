package patches

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// ownLimits runs the present test again as root of a user namespace, which has
// limits of its own, and returns true there.
func ownLimits(t *testing.T) (child bool) {
	t.Helper()
	const variable = "PATCHES_TEST_LIMITS"
	if os.Getenv(variable) != "" {
		return true
	}
	asRoot(t)
	all := []syscall.SysProcIDMap{{Size: 1 << 16}}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), variable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: all, GidMappings: all}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("in a namespace of its own: %v\n%s", err, out)
	}
	return false
}

// mountAt mounts something over a path until the test or the caller undoes it.
func mountAt(t *testing.T, source, path, kind string, flags uintptr, data string) (undo func()) {
	t.Helper()
	must(t, unix.Mount(source, path, kind, flags, data))
	mounted := true
	undo = func() {
		if mounted {
			must(t, unix.Unmount(path, unix.MNT_DETACH))
		}
		mounted = false
	}
	t.Cleanup(undo)
	return undo
}

// Rescan makes the pass that is due without any hint.
func (td *dropDir) Rescan() {
	td.Helper()
	td.After(td.cfg.Rescan)
	_, err := td.dir.pass(td.Context(), td.clock)
	must(td.T, err)
}

// Invariant 8: nobody is notified of mounts. What is claimed beneath one waits
// for its directory.
func TestMountedOver(t *testing.T) {
	ownMounts(t)
	td := newDropDir(t)
	td.Drop("below.yaml", "below")
	td.ledger.full = true
	td.Pass()
	td.ledger.full = false

	undo := mountAt(t, "none", td.path, "tmpfs", 0, "mode=0755")
	td.Drop("over.yaml", "over")
	td.Rescan()
	td.Is(Working)
	td.Applied("over")
	td.Outcome("over.yaml", installedSuffix)

	undo()
	td.Drop("later.yaml", "later")
	td.Rescan()
	td.Applied("over", "below", "later")
	td.NoClaims()

	undo = mountAt(t, "none", filepath.Dir(td.path), "tmpfs", 0, "mode=0777") // above it, and unsafe
	td.Rescan()
	td.Is(Absent)
	must(t, os.Mkdir(td.path, 0o755))
	td.Rescan()
	td.Is(Refused)
	undo()
	td.Rescan()
	td.Is(Working)
}

// What is unmounted while its patches are being decided on is finished in what
// was unmounted, and found there when it is back.
func TestUnmountedWhileApplying(t *testing.T) {
	ownMounts(t)
	td := newDropDir(t)
	disk := t.TempDir()
	undo := mountAt(t, disk, td.path, "", unix.MS_BIND, "")
	td.Drop("x.yaml", "a")
	td.Drop("y.yaml", "defer")
	td.ledger.before = func([]Patch) { undo() }
	td.Pass()
	td.ledger.before = nil
	td.Rescan()
	td.Is(Working) // on what was below
	td.Outcome("x.yaml")
	if _, err := os.Stat(filepath.Join(disk, "x.yaml.installed")); err != nil {
		t.Error(err)
	}
	mountAt(t, disk, td.path, "", unix.MS_BIND, "")
	td.Rescan()
	td.Waits("y.yaml", PutOff)
	td.Applied("a")
}

// Mode bits do not count where nobody can write.
func TestModeOnReadOnlyMount(t *testing.T) {
	ownMounts(t)
	td := newDropDir(t)
	td.Drop("sub/x.yaml", "a")
	for _, rel := range []string{"", "sub"} {
		must(t, unix.Chmod(filepath.Join(td.path, rel), 0o1777))
	}
	td.Pass()
	td.Is(Refused)
	mountAt(t, td.path, td.path, "", unix.MS_BIND, "")
	must(t, unix.Mount("", td.path, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
	td.Pass()
	if got := td.dir.Status(); strings.Contains(got.Detail, "may write") {
		t.Errorf("it is %s: %s", got.State, got.Detail)
	}
	td.Logged("run chmod", 1)
	must(t, unix.Mount("", td.path, "", unix.MS_REMOUNT|unix.MS_BIND, ""))
	td.Pass()
	td.Is(Refused)
}

// Where the kernel gives no notifications, or not enough, scans go on, the log
// and the status say so, and they are taken up when they can be had.
func TestNotificationLimits(t *testing.T) {
	if !ownLimits(t) {
		return
	}
	for _, limit := range []string{"instances", "watches"} {
		t.Run(limit, func(t *testing.T) {
			sysctl := "/proc/sys/user/max_inotify_" + limit
			before, err := os.ReadFile(sysctl)
			must(t, err)
			set := func(n string) { must(t, os.WriteFile(sysctl, []byte(n), 0o644)) }
			t.Cleanup(func() { set(strings.TrimSpace(string(before))) })

			set(map[string]string{"instances": "0", "watches": "2"}[limit])
			td := newDropDir(t)
			td.Drop("sub/x.yaml", "a")
			td.Pass()
			td.Applied("a")
			for i := range 3 {
				td.Drop("sub/x.yaml", strconv.Itoa(i))
				td.Rescan()
			}
			td.Applied("a", "0", "1", "2")
			td.Is(Working)
			td.Logged("no notification", 1)
			if td.dir.Status().Watched {
				t.Error("the status says that it is watched")
			}
			set("100")
			td.Rescan()
			td.Logged("notified again", 1)
			if !td.dir.Status().Watched {
				t.Error("the status says that it is not watched")
			}
			td.Drop("sub/x.yaml", "hinted at")
			for len(td.dir.hints) == 0 {
				td.dir.hint(<-td.dir.watch.events())
			}
			_, err = td.dir.pass(t.Context(), td.clock)
			must(t, err)
			td.Outcome("sub/x.yaml", installedSuffix)
		})
	}
}

// held is a handler that tells of every group, and decides when it is told to.
type held struct{ entered, release chan string }

func (held) Ready() error { return nil }

func (held) Swept(context.Context, Sweep) error { return nil }

func (h held) Handle(_ context.Context, group []Patch) ([]Verdict, error) {
	h.entered <- group[0].Path
	<-h.release
	return slices.Repeat([]Verdict{{Outcome: Installed}}, len(group)), nil
}

// Invariant 8: the kernel's queue of events has an end, and what it does not
// tell is found all the same.
func TestQueueOverflow(t *testing.T) {
	limit, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	must(t, err)
	queued, err := strconv.Atoi(strings.TrimSpace(string(limit)))
	must(t, err)
	td := newDropDir(t)
	td.cfg.Rescan = time.Hour
	h := held{make(chan string), make(chan string)}
	d := New(td.cfg, h, zerolog.New(&td.log))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()

	td.Drop("a.yaml", "1")
	<-h.entered
	for _, name := range []string{"even.txt", "odd.txt"} {
		td.Drop(name, "")
	}
	for i := range queued + 2*hintBuffer { // no two in a row are the same, or they would be one
		name := []string{"even.txt", "odd.txt"}[i%2]
		must(t, unix.Chmod(filepath.Join(td.path, name), 0o600|uint32(i/2%2)))
	}
	td.Drop("b.yaml", "2")
	h.release <- ""
	if got := <-h.entered; got != "b.yaml" {
		t.Errorf("applied %s", got)
	}
	h.release <- ""
	cancel()
	must(t, <-done)
	td.Logged("notifications were lost", 1)
}
