package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/store/dump"
)

// sumOf expects a whole backup.
func (m *machine) sumOf(path string) [32]byte {
	m.t.Helper()
	f, err := os.Open(path)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	s, err := dump.Check(f)
	if err != nil {
		m.t.Fatalf("%s: %v", path, err)
	}
	return s.Sum
}

// beside lists what lies beside a store and is named like it.
func (m *machine) beside(path string) string {
	m.t.Helper()
	paths, err := filepath.Glob(filepath.Dir(path) + "/*" + filepath.Base(path) + "*")
	hidden, errHidden := filepath.Glob(filepath.Dir(path) + "/." + filepath.Base(path) + "*")
	if err != nil || errHidden != nil {
		m.t.Fatal(err, errHidden)
	}
	var names []string
	for _, path := range append(paths, hidden...) {
		if name := filepath.Base(path); !strings.Contains(name, ".before-restore-") {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

const wholeStore = "store store.anchor store.reserve store.snapshot"

// On a full disk the snapshot stays the old one, whole, and the log says so; it is
// made when there is room again.
func TestSnapshotOnFullDisk(t *testing.T) {
	m := newMachine(t)
	disk := m.root + "/disk"
	m.mountSmall(disk, "size=200m,mode=0700")
	m.moveStore(disk + "/store")
	snapshot := disk + "/store.snapshot"
	says := func(text string) func() bool {
		return func() bool { return strings.Contains(m.log.String(), text) }
	}
	m.start()
	m.install("a.yaml", manifestA)
	m.soon("there is a snapshot", func() bool { _, err := os.Stat(snapshot); return err == nil })
	var old [32]byte
	for old != m.sumOf(snapshot) { // unless another one is made before the daemon is killed
		if m.cmd == nil {
			m.start()
		}
		old = m.sumOf(snapshot)
		m.install("b.yaml", "tokens:\n- {action: create, user: u, name: gone, generate: true}\n")
		m.install("c.yaml", "tokens:\n- {action: delete, user: u, name: gone}\n") // after which the snapshot is of no use
		m.kill()
	}
	m.fill(disk)
	m.start()
	m.soon("the log tells of it", says("the snapshot of the store is an older one"))
	if m.sumOf(snapshot) != old || m.beside(disk+"/store") != wholeStore {
		t.Errorf("beside the store are %s, and the snapshot is the old one: %v", m.beside(disk+"/store"), m.sumOf(snapshot) == old)
	}
	if got := m.verify(tokenA); !strings.HasPrefix(got, "200 ") {
		t.Errorf("verify: %s", got)
	}
	m.clear(disk)
	m.install("d.yaml", "tokens:\n- {action: delete, user: u, name: gone}\n")
	m.soon("there is another snapshot", func() bool { return m.sumOf(snapshot) != old })
	m.soon("the log tells of it", says("there is a snapshot of the store again"))
	m.stop()
}

// A backup that there is no room for leaves the old one, and nothing else.
func TestBackupOnFullDisk(t *testing.T) {
	c := newCabinet(t)
	c.mountSmall(filepath.Dir(c.file), "size=64k,mode=0700")
	if err := os.WriteFile(c.file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := c.command().CombinedOutput()
	if err == nil || !strings.Contains(string(out), "no space left on device") {
		t.Errorf("backup: %v: %s", err, out)
	}
	if info, err := os.Stat(c.file); err != nil || info.Size() != 0 || len(c.parts()) > 0 {
		t.Errorf("there are %+v (%v) and %q", info, err, c.parts())
	}
	c.stop()
}

// What a restore takes is said before. Where there is less, or where it is gone
// while a store is made, the old one stays, and nothing of the other.
func TestRestoreOnFullDisk(t *testing.T) {
	const rounds, tokens, bare = 4, 2000, 10
	m := newMachine(t)
	disk := m.root + "/disk"
	m.mountSmall(disk, "size=200m,mode=0700")
	m.moveStore(disk + "/store")
	m.start()
	m.install("a.yaml", many("a", tokens))
	if out, err := m.run("backup", m.root+"/dump"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	m.install("b.yaml", many("b", bare))
	restore := func() error { _, err := m.run("restore", "--yes", m.root+"/dump"); return err }
	refused := func(want string) {
		t.Helper()
		if err := restore(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("restore: %v, want %q", err, want)
		}
	}

	m.fill(disk)
	refused("not enough space left on the store's disk")
	m.leave(disk, 100<<20)
	out, err := m.run("restore", "--dry-run", m.root+"/dump")
	said := regexp.MustCompile(`takes (\d+) MiB beside the store, of \d+ MiB that are free`).FindSubmatch(out)
	if err != nil || said == nil {
		t.Fatalf("the preview: %v: %s", err, out)
	}
	takes, _ := strconv.Atoi(string(said[1]))
	m.leave(disk, int64(takes-3)<<20)
	refused(fmt.Sprintf("%d MiB are needed", takes))
	m.clear(disk)
	began := time.Now()
	if err := restore(); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)

	for range rounds {
		m.install("b.yaml", many("b", bare))
		replaced, _ := filepath.Glob(disk + "/*.before-restore-*")
		for _, path := range replaced {
			_ = os.RemoveAll(path)
		}
		ended := make(chan error, 1)
		go func() { ended <- restore() }()
		<-time.After(rand.N(took))
		m.leave(disk, 20<<20) // a store that is written to could not go on with none at all
		err := <-ended
		t.Logf("restore: %v", err)
		want := tokens
		if err != nil {
			want += bare
		}
		if n := ask[admin.Status](m, "status").Store.Tokens["active"]; n != want || strings.Contains(m.beside(disk+"/store"), ".rest") {
			t.Errorf("after %v there are %d tokens, and %s", err, n, m.beside(disk+"/store"))
		}
		m.clear(disk)
	}
	m.stop()
}

// leave has others take all but that much of what is free on a disk, in bytes, in
// steps: who takes more than there is takes all for a moment.
func (m *machine) leave(disk string, bytes int64) {
	m.t.Helper()
	const step = 1 << 20
	f, err := os.Create(disk + "/.others")
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	for size := int64(0); ; size += step {
		var st unix.Statfs_t
		err := unix.Statfs(disk, &st)
		if err == nil && int64(st.Bavail)*st.Bsize < bytes+step {
			return
		}
		if err == nil {
			err = unix.Fallocate(int(f.Fd()), 0, size, step)
		}
		if err != nil {
			m.t.Fatal(err)
		}
	}
}
