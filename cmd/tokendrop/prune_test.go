package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/daemon/admin"
)

// newKeeper is a machine whose files stay where they are. Nothing in it happens
// by itself for want of an event within a test.
func newKeeper(t *testing.T, dropKeys ...string) *machine {
	return newMachine(t, append([]string{`after_apply = "keep"`, `rescan = "1s"`, `resync = "1h"`}, dropKeys...)...)
}

// keep puts a file there that stays.
func (m *machine) keep(name, text string) {
	m.t.Helper()
	tmp := filepath.Join(m.spare, name)
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(m.drop, name)); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) removeKept(names ...string) {
	m.t.Helper()
	for _, name := range names {
		if err := os.Remove(filepath.Join(m.drop, name)); err != nil {
			m.t.Fatal(err)
		}
	}
}

// awaitHistory waits until the ledger has n entries, and returns them as lines.
func (m *machine) awaitHistory(n int) []string {
	m.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		all := m.history()
		if len(all) >= n {
			var lines []string
			for _, e := range all {
				line := filepath.Base(e.Path) + " " + e.Outcome
				for _, c := range e.Entries {
					line += fmt.Sprintf(" %s:%s", c.Action, c.Result)
				}
				lines = append(lines, line)
			}
			return lines
		}
		select {
		case <-tick.C:
		case <-deadline:
			m.t.Fatalf("the ledger has %d entries, want %d\n%s", len(all), n, m.log)
		}
	}
}

func (m *machine) expectHistory(want ...string) {
	m.t.Helper()
	if got := m.awaitHistory(len(want)); !slices.Equal(got, want) {
		m.t.Fatalf("the ledger has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// metric is the value of a series, as it is written.
func (m *machine) metric(series string) string {
	m.t.Helper()
	resp, err := m.http.Get("http://tokendrop/metrics")
	if err != nil {
		m.t.Fatal(err)
	}
	defer resp.Body.Close()
	var text strings.Builder
	if err := resp.Write(&text); err != nil || resp.StatusCode != http.StatusOK {
		m.t.Fatal(resp.StatusCode, err)
	}
	for line := range strings.Lines(text.String()) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), series+" "); ok {
			return value
		}
	}
	return ""
}

// order applies a manifest that lies elsewhere.
func (m *machine) order(text string) {
	m.t.Helper()
	path := filepath.Join(m.spare, "order.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
	if out, err := m.run("apply", path); err != nil {
		m.t.Fatalf("%v\n%s", err, out)
	}
}

// keeps expects the directory to hold nothing but what was put there.
func (m *machine) keeps(want ...string) {
	m.t.Helper()
	var names []string
	entries, err := os.ReadDir(m.drop)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if err != nil || !slices.Equal(names, want) {
		m.t.Errorf("the directory holds %q, want %q: %v", names, want, err)
	}
}

// Files stay, drift is corrected at SIGHUP and at a start, and a token goes with
// the last file that states it.
func TestKeepPrunes(t *testing.T) {
	m := newKeeper(t, `prune = "delete"`)
	m.keep("a.yaml", manifestA)
	m.start()
	m.keep("b.toml", manifestB)
	ledger := []string{"a.yaml installed create:created", "b.toml installed create:created"}
	m.expectHistory(ledger...)
	m.keeps("a.yaml", "b.toml")
	if a, b := m.verify(tokenA), m.verify(tokenB); a != "200 "+keyA || b != "200 "+keyB {
		t.Fatal(a, b)
	}

	m.order("tokens: [{action: delete, key: " + keyA + "}]\n")
	m.hangUp("configuration reloaded")
	ledger = append(ledger, "order.yaml installed delete:deleted", "a.yaml installed create:created")
	m.expectHistory(ledger...)
	m.order("tokens: [{action: delete, key: " + keyA + "}]\n")
	ledger = append(ledger, "order.yaml installed delete:deleted")
	m.expectHistory(ledger...)
	m.stop()
	m.start()
	ledger = append(ledger, "a.yaml installed create:created")
	m.expectHistory(ledger...)
	if got := m.verify(tokenA); got != "200 "+keyA {
		t.Error(got)
	}

	m.removeKept("a.yaml")
	ledger = append(ledger, "a.yaml installed delete:deleted")
	m.expectHistory(ledger...)
	if got := m.verify(tokenA); got != "401 invalid_token" {
		t.Error(got)
	}
	m.stop()
	m.start()
	m.hangUp("configuration reloaded")
	m.keep("a.yaml", manifestA)
	ledger = append(ledger, "a.yaml installed create:created")
	m.expectHistory(ledger...)
	m.keeps("a.yaml", "b.toml")
}

// What is not seen whole prunes nothing: not a directory that is mounted late, is
// absent, or has a failed patch in it, nor one that has lost too much. All of
// that is told.
func TestKeepWithholds(t *testing.T) {
	m := newKeeper(t, `prune = "delete"`)
	const files = 6
	for i := range files {
		m.keep(fmt.Sprintf("%d.yaml", i), fmt.Sprintf("tokens: [{action: create, user: u, name: t%d, generate: true}]\n", i))
	}
	m.start()
	withheld := func(want string) {
		t.Helper()
		m.waitHealth("ready\n", 0)
		for tick, deadline := time.NewTicker(20*time.Millisecond), time.After(patience); ; {
			got := m.metric(`tokendrop_prune_withheld{drop="spool"}`)
			if got == want {
				break
			}
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatalf("withheld is %s, want %s\n%s", got, want, m.log)
			}
		}
		if got := len(m.list()); got != files {
			t.Fatalf("%d tokens", got)
		}
	}
	withheld("0")
	away := m.root + "/away"
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}

	m.stop()
	move(m.drop, away)
	if err := os.Mkdir(m.drop, 0o700); err != nil { // which is mounted over later
		t.Fatal(err)
	}
	m.start()
	withheld("6")
	if s := ask[admin.Status](m, "status"); s.Well || !slices.ContainsFunc(s.Problems, func(p string) bool { return strings.Contains(p, "prune of 6 tokens is withheld") }) {
		t.Errorf("status is %+v", s.Problems)
	}
	m.stop()
	if err := os.Remove(m.drop); err != nil {
		t.Fatal(err)
	}
	m.start() // it is absent
	withheld("0")
	move(away, m.drop)
	m.awaitLog("drop directory opened")
	m.removeKept("0.yaml")
	m.keep("1.yaml", "tokens: 1\n")
	m.awaitLog("tokens not pruned")
	withheld("2")
	m.keep("1.yaml", "# nothing\n")
	m.removeKept("2.yaml", "3.yaml")
	withheld("4")
	if _, err := m.run("apply", "--prune"); err == nil {
		t.Error("nobody was asked")
	}
	if out, err := m.run("apply", "--prune", "--yes"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if got := len(m.list()); got != 2 {
		t.Errorf("%d tokens are left, want 2", got)
	}
	if got := m.metric(`tokendrop_prune_withheld{drop="spool"}`); got != "0" {
		t.Errorf("withheld is %s", got)
	}
}

// A prune that is ordered takes what has gone just before.
func TestPruneWhatHasJustGone(t *testing.T) {
	m := newKeeper(t, `prune = "delete"`)
	for i := range 6 {
		m.keep(fmt.Sprintf("%d.yaml", i), fmt.Sprintf("tokens: [{action: create, user: u, name: t%d, generate: true}]\n", i))
	}
	m.start()
	m.removeKept("0.yaml", "1.yaml", "2.yaml", "3.yaml", "4.yaml")
	if out, err := m.run("apply", "--prune", "--yes", m.drop); err != nil || len(m.list()) != 1 {
		t.Errorf("%d tokens are left: %v\n%s", len(m.list()), err, out)
	}
	m.stop()
}

// The size of the kill test for kept files.
const (
	keptRounds   = 10
	keptPerRound = 8
	keptWithin   = 200 * time.Millisecond
)

// kill -9 at random moments while kept files are applied: a regenerate happens
// once for each file, however often it is found.
func TestKillKept(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	m := newKeeper(t)
	want := map[string]uint64{}
	for round := range keptRounds {
		notify := m.launch()
		killed := time.After(time.Duration(random.Int64N(int64(keptWithin))))
		for i := range keptPerRound {
			name := fmt.Sprintf("%d-%d", round, i)
			m.keep(name+".yaml", fmt.Sprintf("tokens:\n- {action: create, user: u, name: %q, generate: true}\n- {action: regenerate, user: u, name: %q}\n", name, name))
			want[name] = 2
		}
		<-killed
		m.kill()
		notify.Close()
	}
	m.start()
	m.awaitHistory(len(want))
	m.stop()
	m.start()
	m.hangUp("configuration reloaded")
	m.stop()
	if got := m.awaitHistory(len(want)); len(got) != len(want) {
		t.Errorf("%d entries of %d files", len(got), len(want))
	}
	checkGenerations(m, want)
	m.keeps(slices.Sorted(func(yield func(string) bool) {
		for name := range maps.Keys(want) {
			if !yield(name + ".yaml") {
				return
			}
		}
	})...)
}
