package systemd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// controlGroups makes a control group in each hierarchy that systemd uses, below
// the test's own, for a machine that leaves groups of its own in it. They are
// gone when the test ends.
func controlGroups(t *testing.T) (paths []string) {
	t.Helper()
	name := fmt.Sprintf("tokendrop-test-%d", os.Getpid()) // systemd-nspawn takes that of one hierarchy for all
	for line := range strings.Lines(read(t, "/proc/self/cgroup")) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if fields[1] != "" && fields[1] != "name=systemd" {
			continue
		}
		mounted, root := hierarchy(t, fields[1])
		if mounted == "" {
			continue
		}
		group := filepath.Join(mounted, strings.TrimPrefix(fields[2], strings.TrimSuffix(root, "/")), name)
		if err := os.Mkdir(group, 0o755); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, group)
		t.Cleanup(func() { removeGroups(t, group) })
	}
	return paths
}

// hierarchy is where a hierarchy of that name is mounted, by proc(5), and which
// of its groups is at the top there. The unified one has no name.
func hierarchy(t *testing.T, name string) (mounted, root string) {
	t.Helper()
	for line := range strings.Lines(read(t, "/proc/self/mountinfo")) {
		mount, super, _ := strings.Cut(line, " - ")
		of := strings.Fields(super)
		if name == "" && of[0] == "cgroup2" || name != "" && of[0] == "cgroup" && strings.Contains(of[2]+",", name+",") {
			fields := strings.Fields(mount)
			return fields[4], fields[3]
		}
	}
	return "", ""
}

// removeGroups removes a control group and those in it, once nobody is in them
// any more.
func removeGroups(t *testing.T, group string) {
	t.Helper()
	inner, err := os.ReadDir(group)
	if err != nil {
		t.Error(err)
	}
	for _, entry := range inner {
		if entry.IsDir() {
			removeGroups(t, filepath.Join(group, entry.Name()))
		}
	}
	for end := time.After(patience); ; {
		err := syscall.Rmdir(group)
		if err == nil {
			return
		}
		select {
		case <-end:
			t.Errorf("removing %s: %v", group, err)
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}
