package main

import (
	"math/rand/v2"
	"os/exec"
	"testing"
	"time"
)

// The size of the test, and when the daemon is killed at the latest.
const (
	restoreRounds     = 6
	restoreKillWithin = 150 * time.Millisecond
)

// kill -9 at a random moment of a restore: the store is the old one or the new
// one, whole, and so is its ledger.
func TestKillWhileRestoring(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.install("a.yaml", "tokens:\n- {action: create, user: u, name: early, generate: true}\n")
	if out, err := m.run("backup", m.root+"/dump"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for round := range restoreRounds {
		m.install("b.yaml", "tokens:\n- {action: ensure, user: u, name: late, generate: true}\n")
		before := len(m.history())
		restore := exec.Command(m.binary, "restore", "--config", m.config(), "--yes", m.root+"/dump")
		if err := restore.Start(); err != nil {
			t.Fatal(err)
		}
		<-time.After(rand.N(restoreKillWithin))
		m.kill()
		_ = restore.Wait()
		m.start()
		tokens, history := m.list(), m.history()
		switch {
		case len(tokens) == 2 && len(history) == before: // the old one
		case len(tokens) == 1 && len(history) == before+1 && history[before].Path == "restore":
		default:
			t.Errorf("round %d: %d tokens and %d entries after %d", round, len(tokens), len(history), before)
		}
	}
	m.stop()
}
