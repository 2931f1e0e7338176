package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// generation is a manifest that tells by its token's description which one it is.
func generation(name string, n int) string {
	return fmt.Sprintf("tokens:\n- {action: ensure, user: u, name: %s, generate: true, description: generation %d}\n", name, n)
}

// publish exchanges all files of the drop directory at once, as Kubernetes does
// with a Secret.
func (m *machine) publish(n int, files map[string]string) {
	m.t.Helper()
	check := func(err error) {
		m.t.Helper()
		if err != nil && !errors.Is(err, fs.ErrExist) {
			m.t.Error(err)
		}
	}
	old, _ := os.Readlink(m.drop + "/..data")
	dir := fmt.Sprintf("..2027_01_31_23_59_59.%09d", n)
	check(os.Mkdir(filepath.Join(m.drop, dir), 0o755))
	for name, text := range files {
		syscall.ForkLock.RLock() // a process that another test begins would have the file open, too
		check(os.WriteFile(filepath.Join(m.drop, dir, name), []byte(text), 0o644))
		syscall.ForkLock.RUnlock()
	}
	check(os.Symlink(dir, m.drop+"/..data_tmp"))
	check(os.Rename(m.drop+"/..data_tmp", m.drop+"/..data"))
	for name := range files {
		check(os.Symlink("..data/"+name, filepath.Join(m.drop, name)))
	}
	if old != "" {
		check(os.RemoveAll(filepath.Join(m.drop, old)))
	}
}

// 200 swaps of a volume, 50 ms apart: whoever looks sees one generation, never a
// mix, and the last one holds.
func TestVolumeSwaps(t *testing.T) {
	const (
		swaps = 200
		apart = 50 * time.Millisecond
		size  = 5
	)
	m := newMachine(t, keepFiles)
	publish := func(n int) {
		files := map[string]string{}
		for i := range size {
			name := fmt.Sprintf("t%d", i)
			files[name+".yaml"] = generation(name, n)
		}
		m.publish(n, files)
	}
	publish(0)
	m.start()
	sees := func() string {
		list := m.list()
		seen := map[string]int{}
		for i := range list {
			seen[list[i].Description]++
		}
		if len(list) != size || len(seen) != 1 {
			t.Errorf("a mix: %v", seen)
		}
		return list[0].Description
	}
	swapped := make(chan struct{})
	go func() {
		defer close(swapped)
		tick := time.NewTicker(apart)
		defer tick.Stop()
		for n := 1; n <= swaps; n++ {
			<-tick.C
			publish(n)
		}
	}()
	looks := 0
	for done := false; !done; looks++ {
		sees()
		select {
		case <-swapped:
			done = true
		default:
		}
	}
	last := fmt.Sprintf("generation %d", swaps)
	m.soon("the last generation holds", func() bool { return sees() == last })
	t.Logf("%d looks at %d swaps", looks, swaps)
}

// soon waits until that is so.
func (m *machine) soon(what string, so func() bool) {
	m.t.Helper()
	for deadline := time.Now().Add(patience); !so(); {
		if time.Now().After(deadline) {
			m.t.Fatalf("not so: %s\n%s", what, m.log)
		}
	}
}

// One name that is dropped 60 times, 4 ms apart: the last one holds.
func TestDroppedAgainAndAgain(t *testing.T) {
	const (
		times = 60
		apart = 4 * time.Millisecond
	)
	m := newMachine(t)
	m.start()
	tick := time.NewTicker(apart)
	defer tick.Stop()
	for n := 1; n <= times; n++ {
		<-tick.C
		m.put("a.yaml", generation("a", n))
	}
	last := fmt.Sprintf("generation %d", times)
	m.soon("the last one is applied", func() bool { return !m.exists("a.yaml") && len(m.claims()) == 0 })
	if list := m.list(); len(list) != 1 || list[0].Description != last {
		t.Errorf("%+v, want %s", list, last)
	}
	if got := m.read("a.yaml.installed"); !strings.Contains(got, last) {
		t.Errorf("installed is %q, want %s", got, last)
	}
	m.stop()
}

// On a read-only mount the files stay as they are, whatever the configuration
// says, and a start applies them none the less.
func TestReadOnlyDirectory(t *testing.T) {
	requireRoot(t)
	requireTool(t, "unshare")
	m := newMachine(t)
	m.put("a.yaml", manifestA)
	m.put("bad.yaml", "tokens: 1\n")
	m.put("g1.yaml", "tokens:\n- {action: create, user: gen, name: t, generate: true}\n")
	m.put("g2.yaml", "tokens:\n- {action: regenerate, user: gen, name: t}\n")
	mounted := fmt.Sprintf(`mount --bind %[1]s %[1]s && mount -o remount,bind,ro %[1]s && exec "$@"`, m.drop)
	m.start("unshare", "--mount", "sh", "-c", mounted, "sh")
	if got := m.verify(tokenA); !strings.HasPrefix(got, "200") {
		t.Errorf("verify: %s", got)
	}
	entries, err := os.ReadDir(m.drop)
	if err != nil || len(entries) != 4 {
		t.Errorf("the directory holds %v (%v)", entries, err)
	}
	out, err := m.run("status")
	for _, want := range []string{"keep", "bad.yaml:1:"} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("status does not tell %q (%v):\n%s", want, err, out)
		}
	}
	m.stop()

	m.start() // it can be written to again
	if got := m.outcome("a.yaml") + " " + m.outcome("bad.yaml") + " " + m.outcome("g2.yaml"); got != "installed failed installed" {
		t.Errorf("outcomes %s", got)
	}
	for _, token := range m.list() {
		if token.User == "gen" && token.Generation != 2 {
			t.Errorf("it was regenerated again: generation %d", token.Generation)
		}
	}
	m.stop()
}
