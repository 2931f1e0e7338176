package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// How a slow writer writes: it pauses for much less than the settling period,
// and for much longer than a look at a file takes.
const (
	writerSteps = 6
	writerPause = 300 * time.Millisecond
	nobody      = 65534
)

// A manifest that is written token by token, in place, is valid after every
// token. None of its prefixes is ever applied: not where a lease tells that
// somebody writes, nor where only time can.
func TestSlowWriter(t *testing.T) {
	requireRoot(t)
	for name, credential := range map[string]*credential{
		"with leases":    nil,
		"without leases": {Uid: nobody, Gid: nobody},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, `settle = "4s"`)
			m.runAs(credential)
			m.start()
			m.writeSlowly("slow.yaml")
			if got := m.outcome("slow.yaml"); got != "installed" {
				t.Fatalf("outcome %s", got)
			}
			if h := m.history(); len(h) != 1 || len(h[0].Entries) != writerSteps {
				t.Errorf("history: %+v, want one patch with %d tokens", h, writerSteps)
			}
			if got := len(m.list()); got != writerSteps {
				t.Errorf("%d tokens, want %d", got, writerSteps)
			}
		})
	}
}

// runAs makes the daemon another user's, who owns all but the drop directory's
// later files.
func (m *machine) runAs(credential *credential) {
	m.t.Helper()
	if credential == nil {
		return
	}
	m.credential = credential
	m.binary = m.root + "/tokendrop" // another user cannot reach the test's
	if err := copyProgram(mustExecutable(m.t), m.binary); err != nil {
		m.t.Fatal(err)
	}
	for _, path := range []string{m.root, m.drop, m.config()} {
		if err := os.Chown(path, int(credential.Uid), int(credential.Gid)); err != nil {
			m.t.Fatal(err)
		}
	}
}

// writeSlowly writes a manifest of several tokens and expects it to stay where
// it is meanwhile.
func (m *machine) writeSlowly(name string) {
	m.t.Helper()
	f, err := os.OpenFile(filepath.Join(m.drop, name), os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	if err := f.Chmod(0o644); err != nil { // whatever the umask is
		m.t.Fatal(err)
	}
	pause := time.NewTicker(writerPause)
	defer pause.Stop()
	text := "tokens:\n"
	for i := range writerSteps {
		text += fmt.Sprintf("- {action: create, user: u, name: n%d, generate: true}\n", i)
		if _, err := f.WriteString(text); err != nil {
			m.t.Fatal(err)
		}
		text = ""
		<-pause.C
		if !m.exists(name) {
			m.t.Fatalf("taken after %d of %d tokens", i+1, writerSteps)
		}
	}
}

func mustExecutable(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// copyProgram leaves it to another process: no program is run that somebody has
// open for writing, as a command that is started meanwhile would have what is
// written here.
func copyProgram(from, to string) error {
	return errors.Join(exec.Command("cp", from, to).Run(), os.Chmod(to, 0o755))
}
