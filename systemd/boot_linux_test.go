package systemd_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// rootVariable names a directory with a Debian root that is kept between
	// runs; the user's cache directory if it is not set.
	rootVariable = "TOKENDROP_DEBIAN_ROOT"
	debianSuite  = "bookworm"
	patience     = 3 * time.Minute
)

// booted is a Debian machine with its own systemd and no network.
type booted struct {
	t    *testing.T
	root string
	init int // process id of its systemd, as seen from here
}

// debianRoot makes an empty Debian, or copies the one that was made before.
func debianRoot(t *testing.T) string {
	t.Helper()
	kept := os.Getenv(rootVariable)
	if kept == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		kept = filepath.Join(cache, "tokendrop-test", debianSuite)
	}
	if _, err := os.Stat(kept); err != nil {
		if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
			t.Fatal(err)
		}
		making, err := os.MkdirTemp(filepath.Dir(kept), "making")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(making) }() // which is not there once it is whole
		if err := os.Chmod(making, 0o755); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(need(t, "debootstrap"), "--variant=minbase", "--include=systemd,systemd-sysv,dbus,curl", debianSuite, making).CombinedOutput()
		if err != nil {
			t.Fatalf("debootstrap: %v\n%s", err, out)
		}
		if err := os.Rename(making, kept); err != nil {
			t.Fatal(err)
		}
	}
	root := t.TempDir() + "/root"
	if out, err := exec.Command("cp", "-a", "--reflink=auto", kept, root).CombinedOutput(); err != nil {
		t.Fatalf("copying the root: %v\n%s", err, out)
	}
	return root
}

// boot starts a machine, which is gone when the test ends. It has no need of a
// D-Bus and a /run as systemd makes it here, where the test may be in a container.
func boot(t *testing.T) *booted {
	t.Helper()
	needRoot(t)
	need(t, "systemd-nspawn")
	m := &booted{t: t, root: debianRoot(t)}
	const script = `for group; do echo $$ >"$group/cgroup.procs"; done && mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir -p /run/systemd &&
exec systemd-nspawn -D "$0" --boot --private-network --register=no --keep-unit --quiet`
	cmd := exec.Command("unshare", append([]string{"-m", "sh", "-ec", script, m.root}, controlGroups(t)...)...)
	console := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if m.init != 0 {
			_ = syscall.Kill(m.init, syscall.SIGKILL) // and with it the whole machine
		} else {
			_ = cmd.Process.Kill()
		}
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s", console)
		}
	})
	children := fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid)
	m.until("the machine is up", func() bool {
		text, err := os.ReadFile(children)
		if fields := strings.Fields(string(text)); err == nil && len(fields) == 1 {
			m.init, _ = strconv.Atoi(fields[0])
		}
		if m.init == 0 {
			return false
		}
		state, _ := m.try("systemctl is-system-running")
		return state == "running" || state == "degraded"
	})
	return m
}

// until waits for what another process does.
func (m *booted) until(what string, is func() bool) {
	m.t.Helper()
	end := time.After(patience)
	for !is() {
		select {
		case <-end:
			log, _ := m.try("systemctl status --no-pager tokendrop; journalctl --no-pager -n 50")
			m.t.Fatalf("not so: %s\n%s", what, log)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// try runs a shell's script in the machine.
func (m *booted) try(script string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nsenter", "-t", strconv.Itoa(m.init), "-a", "/bin/sh", "-ec", script)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (m *booted) run(script string) string {
	m.t.Helper()
	out, err := m.try(script)
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

func (m *booted) put(path, text string) {
	m.t.Helper()
	full := filepath.Join(m.root, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// says is the HTTP status of verify for the token of the manifest.
func (m *booted) says(token string) string {
	out, _ := m.try("curl -s -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer " + token + "' http://127.0.0.1:7575/verify")
	return out
}

func (m *booted) property(name string) string {
	return m.run("systemctl show --value -p " + name + " tokendrop")
}
