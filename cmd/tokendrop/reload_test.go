package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// SIGHUP reads the configuration again: a new drop directory is watched, one
// that is gone is left alone, and a broken file changes nothing.
func TestReload(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.configure("wrong = true\n" + m.read("../tokendrop.toml"))
	m.hangUp("not reloaded")
	m.install("a.yaml", manifestA)

	other := m.root + "/other"
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(m.read("../tokendrop.toml"), "wrong = true\n", "", 1)
	m.configure(strings.Replace(text, m.drop, other, 1))
	m.hangUp("configuration reloaded")
	old := m.drop
	if err := m.names.Add(other); err != nil {
		t.Fatal(err)
	}
	m.drop = other
	m.install("b.toml", manifestB)
	if got := m.verify(tokenB); got != "200 "+keyB {
		t.Errorf("verify says %s", got)
	}
	if err := os.WriteFile(old+"/c.yaml", []byte(edit("delete", "")), 0o600); err != nil {
		t.Fatal(err)
	}
	m.stop()
	m.start()
	if got := m.verify(tokenA); got != "200 "+keyA {
		t.Errorf("verify says %s: a directory that is not configured any more was read", got)
	}
}

func (m *machine) configure(text string) {
	m.t.Helper()
	if err := os.WriteFile(m.config(), []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// hangUp sends SIGHUP and waits for what the log says to it.
func (m *machine) hangUp(answer string) {
	m.t.Helper()
	if err := m.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		m.t.Fatal(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !strings.Contains(m.log.String(), answer) {
		select {
		case <-tick.C:
		case <-deadline:
			m.t.Fatalf("the daemon does not say %q\n%s", answer, m.log)
		}
	}
}
