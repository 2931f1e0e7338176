package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// The size of the kill test. Each round starts a daemon, drops patches while it
// runs, and kills it at a random moment.
const (
	killRounds      = 12
	patchesPerRound = 40
	killWithin      = 250 * time.Millisecond
	firstStart      = 60 * time.Millisecond
	regenerated     = 5 // tokens that patches regenerate over and over
)

// kill -9 at random moments, with patches waiting: nothing is lost, nothing is
// done twice.
func TestKillAtRandomMoments(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	m := newMachine(t)
	m.start()
	for i := range regenerated {
		m.install(fmt.Sprintf("0-%d.yaml", i), fmt.Sprintf("tokens:\n- {action: create, user: gen, name: t%d, generate: true}\n", i))
	}
	m.kill()

	dropped := map[string]bool{}
	generations := map[string]uint64{}
	for round := range killRounds {
		notify := m.launch()
		killed := time.After(time.Duration(random.Int64N(int64(killWithin))))
		for i := range patchesPerRound {
			name := fmt.Sprintf("%d-%d.yaml", round+1, i)
			m.put(name, randomPatch(random, name, generations))
			dropped[name] = true
		}
		<-killed
		m.kill()
		notify.Close()
	}
	m.start()
	for name := range dropped {
		if got := m.outcome(name); got != "installed" {
			t.Errorf("%s is %s: %s", name, got, m.read(name+".failed.reason"))
		}
	}
	m.stop()
	if left := m.claims(); len(left) > 0 {
		t.Errorf("claims are left: %v", left)
	}
	checkLedger(m, dropped)
	checkGenerations(m, generations)
}

// A store that is killed while it is being made, and again while it is opened
// for the second time, is one that opens.
func TestKillAtFirstStart(t *testing.T) {
	for round := range killRounds {
		m := newMachine(t)
		name := fmt.Sprintf("%d.yaml", round)
		m.put(name, manifestA)
		for range 2 {
			notify := m.launch()
			<-time.After(rand.N(firstStart))
			m.kill()
			notify.Close()
		}
		m.start()
		if got := m.outcome(name); got != "installed" {
			t.Errorf("outcome %s", got)
		}
		if h := m.history(); len(h) != 1 {
			t.Errorf("the ledger has %d entries, want 1", len(h))
		}
		m.kill()
	}
}

// randomPatch creates a token of its own, or regenerates one of a few.
func randomPatch(random *rand.Rand, name string, generations map[string]uint64) string {
	if random.IntN(2) == 0 {
		token := strings.TrimSuffix(name, ".yaml")
		generations[token] = 1
		return fmt.Sprintf("tokens:\n- {action: create, user: gen, name: %q, generate: true}\n", token)
	}
	token := fmt.Sprintf("t%d", random.IntN(regenerated))
	generations[token] = max(generations[token], 1) + 1
	return fmt.Sprintf("tokens:\n- {action: regenerate, user: gen, name: %q}\n", token)
}

// checkLedger expects one entry a patch, numbered without a gap.
func checkLedger(m *machine, dropped map[string]bool) {
	m.t.Helper()
	seen := map[string]int{}
	for i, e := range m.history() {
		seen[e.Path]++
		if e.ID != uint64(i+1) {
			m.t.Errorf("entry %d has the id %d", i+1, e.ID)
		}
	}
	for name := range dropped {
		if seen[name] != 1 {
			m.t.Errorf("%s has %d entries in the ledger", name, seen[name])
		}
	}
	if len(seen) != len(dropped)+regenerated {
		m.t.Errorf("the ledger knows %d patches, dropped were %d", len(seen), len(dropped)+regenerated)
	}
}

func checkGenerations(m *machine, want map[string]uint64) {
	m.t.Helper()
	got := map[string]uint64{}
	for _, t := range m.list() {
		got[t.Name] = t.Generation
	}
	for name, generation := range want {
		if got[name] != generation {
			m.t.Errorf("%s is at generation %d, want %d", name, got[name], generation)
		}
	}
}

// Durability, where kill -9 proves nothing: the kernel keeps what was written.
// Here the order of system calls shows that the claims' bytes and directories
// are synced before the store, and the store before an outcome has its name. A
// few claims are synced in another way than many.
func TestSyncComesBeforeTheOutcome(t *testing.T) {
	requireTool(t, "strace")
	for _, count := range []int{1, 40} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			m := newMachine(t)
			trace := m.root + "/trace"
			for i := range count {
				m.put(fmt.Sprintf("%02d.yaml", i), fmt.Sprintf("tokens:\n- {action: create, user: u, name: t%d, generate: true}\n", i))
			}
			m.start("strace", "-f", "-qq", "-y", "-o", trace, "-e", "trace=msync,fsync,fdatasync,syncfs,rename,renameat,renameat2")
			m.kill()
			text, err := os.ReadFile(trace)
			if err != nil {
				t.Fatal(err)
			}
			checkSyncSteps(t, syncSteps(string(text)), count)
			if t.Failed() {
				t.Logf("%s", text)
			}
		})
	}
}

// checkSyncSteps expects everything that makes patches durable between the last
// claim and the first outcome.
func checkSyncSteps(t *testing.T, steps []string, count int) {
	t.Helper()
	steps = steps[:1+slices.Index(steps, "outcome")]
	for range count {
		if len(steps) == 0 || steps[0] != "claim" {
			t.Fatalf("%d patches were not claimed before anything else: %v", count, steps)
		}
		steps = steps[1:]
	}
	store := slices.Index(steps, "sync store")
	if store < 0 {
		t.Fatalf("the store is not synced before an outcome shows: %v", steps)
	}
	for _, step := range []string{"sync bytes", "sync directories"} {
		if at := slices.Index(steps, step); at < 0 || at > store {
			t.Errorf("no %q before the store is synced: %v", step, steps)
		}
	}
}

// syncSteps reads the steps of patches out of a trace of system calls. A rename
// counts when it begins, a sync when it has ended: strace splits calls during
// which another thread made one.
func syncSteps(trace string) []string {
	var steps []string
	begun := map[string]string{} // by thread
	for _, line := range strings.Split(trace, "\n") {
		thread, call, _ := strings.Cut(line, " ")
		resumed := strings.Contains(call, " resumed>")
		if resumed {
			call = begun[thread]
		}
		begun[thread] = call
		ended := resumed || !strings.Contains(call, "<unfinished ...>")
		rename := strings.Contains(call, "rename") && !resumed
		fsync := strings.Contains(call, "fsync(")
		switch {
		case rename && strings.Contains(call, `.yaml.installed"`):
			steps = append(steps, "outcome")
		case rename && strings.Contains(call, `.yaml"`):
			steps = append(steps, "claim")
		case len(steps) == 0 || !ended:
			// the store's own opening, or a sync that is under way
		case strings.Contains(call, "msync("):
			steps = append(steps, "sync store")
		case strings.Contains(call, "syncfs(") || fsync && strings.Contains(call, ".yaml>"):
			steps = append(steps, "sync bytes")
		case fsync && strings.Contains(call, "/.tokendrop>"):
			steps = append(steps, "sync directories")
		}
	}
	return steps
}
