package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store/dump"
)

// A restore takes back what files of a kept directory have stated since. They go
// on holding, and at once: the next resync is far away.
func TestKeptAfterRestore(t *testing.T) {
	m := newMachine(t, keepFiles, `resync = "1d"`)
	m.start()
	m.put("a.yaml", generation("a", 1))
	states := func(n string) func() bool {
		return func() bool {
			list := m.list()
			return len(list) == 1 && list[0].Description == "generation "+n
		}
	}
	m.soon("the first is applied", states("1"))
	backup := func(args ...string) {
		t.Helper()
		if out, err := m.run(append(args, m.root+"/dump")...); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	backup("backup")
	m.put("a.yaml", generation("a", 2))
	m.soon("the second is applied", states("2"))
	for _, part := range [][]string{{}, {"--user", "u"}} {
		before := len(m.history())
		backup(append([]string{"restore", "--yes"}, part...)...)
		m.soon("the second holds again", states("2"))
		h := m.history()
		if len(h) != before+2 || h[before].Path != "restore" || h[before+1].Path != "a.yaml" {
			t.Errorf("%v: history %+v", part, h[before:])
		}
	}
	m.stop()
}

// The size of the test, and when a process is killed at the latest.
const (
	backupRounds     = 5
	backupKillWithin = 120 * time.Millisecond
	backupTokens     = 10_000
)

// cabinet is a machine whose store takes a while to be backed up, and one backup.
type cabinet struct {
	*machine
	file string
	last [32]byte // the checksum of what the file held last
	made int      // patches
}

func newCabinet(t *testing.T) *cabinet {
	t.Helper()
	m := newMachine(t)
	c := &cabinet{machine: m, file: m.root + "/backups/dump"}
	if err := os.Mkdir(filepath.Dir(c.file), 0o700); err != nil {
		t.Fatal(err)
	}
	m.start()
	m.install("many.yaml", many("u", backupTokens))
	return c
}

// many is a manifest of that many tokens of a user.
func many(user string, n int) string {
	var text strings.Builder
	text.WriteString("action: create\ntokens:\n")
	for i := range n {
		fmt.Fprintf(&text, "- {user: %s, name: t%d, generate: true}\n", user, i)
	}
	return text.String()
}

// change drops patches, which are applied meanwhile.
func (c *cabinet) change() {
	c.t.Helper()
	for range 5 {
		c.made++
		c.put(fmt.Sprintf("%d.yaml", c.made), fmt.Sprintf("tokens:\n- {action: create, user: more, name: t%d, generate: true}\n", c.made))
	}
}

// command is a backup over the one that there is, not started.
func (c *cabinet) command(prefix ...string) *exec.Cmd {
	line := append(prefix, c.binary, "backup", "--config", c.config(), c.file)
	return exec.Command(line[0], line[1:]...)
}

// look expects a whole backup, or none where there never was one, and tells
// whether it is a new one.
func (c *cabinet) look() (isNew bool) {
	c.t.Helper()
	f, err := os.Open(c.file)
	if errors.Is(err, fs.ErrNotExist) && c.last == [32]byte{} {
		return false
	}
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	s, err := dump.Check(f)
	if err != nil {
		c.t.Fatalf("the backup is not whole: %v", err)
	}
	isNew = s.Sum != c.last
	c.last = s.Sum
	return isNew
}

// parts are files beside the backup.
func (c *cabinet) parts() (paths []string) {
	c.t.Helper()
	files, err := os.ReadDir(filepath.Dir(c.file))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, f := range files {
		if f.Name() != filepath.Base(c.file) {
			paths = append(paths, filepath.Join(filepath.Dir(c.file), f.Name()))
		}
	}
	return paths
}

// backUp expects a backup to work.
func (c *cabinet) backUp() {
	c.t.Helper()
	if out, err := c.command().CombinedOutput(); err != nil {
		c.t.Fatalf("%v: %s", err, out)
	}
	if !c.look() {
		c.t.Fatal("there is no new backup")
	}
}

// begun is a backup of something new that has come to a random moment.
func (c *cabinet) begun() *exec.Cmd {
	c.t.Helper()
	c.change()
	cmd := c.command()
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	<-time.After(rand.N(backupKillWithin))
	return cmd
}

// kill -9 of a backup at a random moment, while patches are applied: the file is
// the old one or the new one, and what is left does not pile up.
func TestKillWhileBackingUp(t *testing.T) {
	c := newCabinet(t)
	for range backupRounds {
		cmd := c.begun()
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // says that it was killed, or was not any more
		c.look()
	}
	c.backUp()
	if requireTool(t, "strace"); len(c.parts()) > backupRounds {
		t.Errorf("%d killed backups have left %q", backupRounds, c.parts())
	}
	for i, call := range []string{"write", "fsync", "renameat"} {
		out, err := c.command("strace", "-f", "-qq", "-e", "signal=none", "-e", "trace="+call, "-e", "inject="+call+":signal=KILL").CombinedOutput()
		if err == nil || c.look() || len(c.parts()) <= i {
			t.Errorf("killed at %s: %v: %s", call, err, out)
		}
	}
	young := c.parts()[0]
	for _, part := range c.parts()[1:] {
		old := time.Now().Add(-2 * abandoned)
		if err := os.Chtimes(part, old, old); err != nil {
			t.Fatal(err)
		}
	}
	c.backUp()
	if left := c.parts(); len(left) != 1 || left[0] != young {
		t.Errorf("left are %q, want %s", left, young)
	}
	c.stop()
}

// kill -9 of the daemon while it is asked for a backup: the file is the old one or
// the new one, the command says which, and nothing is left beside it.
func TestKillDaemonWhileBackingUp(t *testing.T) {
	c := newCabinet(t)
	for range backupRounds {
		cmd := c.begun()
		c.kill()
		err := cmd.Wait()
		if isNew := c.look(); isNew != (err == nil) {
			t.Errorf("the backup ends with %v, and the file is new: %v", err, isNew)
		}
		if left := c.parts(); len(left) > 0 {
			t.Errorf("left are %q", left)
		}
		c.start()
	}
	c.backUp()
	c.stop()
}
