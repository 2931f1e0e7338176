package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tokendrop/tokendrop/daemon/admin"
)

// mountSmall mounts a file system in memory at dir.
func (m *machine) mountSmall(dir, options string) {
	m.t.Helper()
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = unix.Mount("tmpfs", dir, "tmpfs", 0, options)
	}
	if err != nil {
		skip(m.t, "a disk to fill up needs the right to mount one: "+err.Error())
	}
	m.t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}

// moveStore puts the store to another place.
func (m *machine) moveStore(path string) {
	m.t.Helper()
	text, err := os.ReadFile(m.config())
	if err == nil {
		err = os.WriteFile(m.config(), []byte(strings.Replace(string(text), m.root+"/store", path, 1)), 0o600)
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// fill leaves nothing of the file system that dir is on.
func (m *machine) fill(dir string) {
	m.t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, ".others"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		m.t.Fatal(err)
	}
	size := info.Size()
	for _, step := range []int64{1 << 20, 4 << 10} {
		for err = nil; err == nil; size += step {
			err = unix.Fallocate(int(f.Fd()), 0, size, step)
		}
		if size -= step; !errors.Is(err, unix.ENOSPC) {
			m.t.Fatal(err)
		}
	}
}

func (m *machine) clear(dir string) {
	m.t.Helper()
	if err := os.Remove(filepath.Join(dir, ".others")); err != nil {
		m.t.Fatal(err)
	}
}

// untilWaits waits until a patch waits for that reason.
func (m *machine) untilWaits(path, reason string) {
	m.t.Helper()
	for late := time.After(patience); ; {
		status := ask[admin.Status](m, "status")
		for _, w := range status.Drops[0].Waiting {
			if w.Path == path && w.Reason == reason {
				return
			}
		}
		select {
		case <-late:
			m.t.Fatalf("%s does not wait for %q: %+v", path, reason, status.Drops[0].Waiting)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// degraded is what /readyz says.
func (m *machine) degraded() string {
	m.t.Helper()
	resp, err := m.http.Get("http://tokendrop/readyz")
	if err != nil {
		m.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return fmt.Sprint(resp.StatusCode, " ", string(text))
}

// SPEC section 3, a full disk: patches wait and do not hold the start, verify
// goes on, also after a stop and a crash, and all goes on by itself.
func TestFullDisk(t *testing.T) {
	m := newMachine(t)
	disk := m.root + "/disk"
	m.mountSmall(disk, "size=300m,mode=0700")
	m.moveStore(disk + "/store")
	m.start()
	m.install("a.yaml", manifestA)
	m.fill(disk)
	m.put("b.toml", manifestB)
	m.untilWaits("b.toml", "put off by the store")
	for _, restart := range []func(){nil, m.stop, m.kill} {
		if restart != nil {
			restart()
			m.start()
		}
		a, b := m.verify(tokenA), m.verify(tokenB)
		if !strings.HasPrefix(a, "200 ") || !strings.HasPrefix(b, "401 ") {
			t.Errorf("verify: %s, %s", a, b)
		}
		if got := m.degraded(); !strings.HasPrefix(got, "200 ") || !strings.Contains(got, "MiB are free on its disk") || strings.Contains(got, disk) {
			t.Errorf("readyz: %s", got)
		}
	}
	m.clear(disk)
	if got := m.outcome("b.toml"); got != "installed" {
		t.Errorf("b.toml: %s", got)
	}
	if got := m.verify(tokenB); !strings.HasPrefix(got, "200 ") {
		t.Errorf("verify: %s", got)
	}
	m.soon("nothing is degraded", func() bool { return strings.Contains(m.degraded(), `"degraded":[]`) }) // as of the end of the pass
}

// A store that cannot be written to is not served, and the message says why.
func TestReadOnlyStore(t *testing.T) {
	m := newMachine(t)
	disk := m.root + "/disk"
	m.mountSmall(disk, "size=300m,mode=0700")
	m.moveStore(disk + "/store")
	m.start()
	m.install("a.yaml", manifestA)
	m.stop()
	if err := unix.Mount("", disk, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	out, err := m.run("serve")
	if err == nil || !strings.Contains(err.Error(), "exit status 1") || !strings.Contains(err.Error(), "read-only file system") {
		t.Errorf("serve: %v: %s", err, out)
	}
}

// A drop directory whose disk is full: what needs no space goes on, what does
// waits, and nobody is held.
func TestFullDropDirectory(t *testing.T) {
	m := newMachine(t)
	m.mountSmall(m.drop, "size=128k,mode=0700")
	hide := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(m.drop, "."+name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	show := func(name string) {
		t.Helper()
		if err := os.Rename(filepath.Join(m.drop, "."+name), filepath.Join(m.drop, name)); err != nil {
			t.Fatal(err)
		}
	}
	hide("a-bad.yaml", "tokens: 7\n")
	hide("b-good.yaml", digestOnly)
	m.start()
	m.fill(m.drop)
	show("a-bad.yaml")
	show("b-good.yaml")
	if got := m.outcome("b-good.yaml"); got != "installed" {
		t.Errorf("b-good.yaml: %s", got)
	}
	m.untilWaits("a-bad.yaml", "its outcome cannot be written")
	m.stop()
	m.start()
	m.clear(m.drop)
	if got := m.outcome("a-bad.yaml"); got != "failed" || !strings.Contains(m.read("a-bad.yaml.failed.reason"), "a-bad.yaml:1") {
		t.Errorf("a-bad.yaml: %s, %s", got, m.read("a-bad.yaml.failed.reason"))
	}
	if h := m.history(); len(h) != 2 {
		t.Errorf("history: %+v", h)
	}
}

const digestOnly = `action: create
tokens:
  - user: /users/full
    name: digest
    key: 9201cd9b-4e62-415e-b523-e198dd7e4756
    digest: sha256:pZGBhjBhSAQOa04eTub/IONhsLhCetBU0IWh7MZOgT0=
`
