package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A drop directory that others may write to is refused while the daemon serves
// on, the log says what to run, and running it is enough.
func TestUnsafeDirectory(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.install("a.yaml", manifestA)
	if err := os.Chmod(m.drop, 0o777); err != nil { // a hint, and no restart
		t.Fatal(err)
	}
	m.awaitLog("run chmod o-w " + m.drop)
	m.put("b.toml", manifestB)
	if got := m.verify(tokenA) + ", " + m.verify(tokenB); got != "200 "+keyA+", 401 invalid_token" {
		t.Errorf("verify says %s", got)
	}
	m.waitHealth("ready\ndegraded: drop directory spool: refused", 0)
	if out, err := exec.Command("chmod", "o-w", m.drop).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := m.outcome("b.toml"); got != "installed" {
		t.Errorf("b.toml is %s", got)
	}
}

// The daemon outlives whoever reads its log.
func TestNobodyReadsTheLog(t *testing.T) {
	requireTool(t, "bash")
	m := newMachine(t)
	m.start("bash", "-c", `exec "$@" 2> >(head -n 1)`, "bash")
	m.install("a.yaml", manifestA)
	m.install("b.toml", manifestB)
	if got := m.verify(tokenA); got != "200 "+keyA {
		t.Errorf("verify says %s", got)
	}
	m.stop()
}

// Of two daemons on one directory the first has it until it ends; a second one
// on one store does not start.
func TestTwoDaemons(t *testing.T) {
	first, second := newMachine(t), newMachine(t, `rescan = "1s"`)
	first.start()
	text := second.read("../tokendrop.toml")
	second.configure(strings.Replace(text, second.root+"/store", first.root+"/store", 1))
	out, err := exec.Command("tokendrop", "serve", "--config", second.config()).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitFailed || !strings.Contains(string(out), "the store is in use by another process") {
		t.Errorf("on one store: %v\n%s", err, out)
	}

	second.configure(strings.Replace(text, second.drop, first.drop, 1))
	second.drop = first.drop
	if err := second.names.Add(first.drop); err != nil {
		t.Fatal(err)
	}
	second.start()
	second.awaitLog("another daemon has the directory")
	first.install("a.yaml", manifestA)
	if got := first.verify(tokenA) + ", " + second.verify(tokenA); got != "200 "+keyA+", 401 invalid_token" {
		t.Errorf("verify says %s", got)
	}
	first.stop()
	second.install("b.toml", manifestB)
	if got := second.verify(tokenB); got != "200 "+keyB {
		t.Errorf("verify says %s", got)
	}
}
