package faults

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var faults = []struct {
	name   string
	fewest int // rounds
	inject func(m *machine, rounds int)
}{
	{"full disk of the store", 1, filled},
	{"power cut", 2, cutOff},
	{"kill -9 at a random moment", 3, killed},
	{"kill -9 at each file system call", 3, murdered},
	{"kill -9 at each, and patches wait at the start", 2, murderedStart},
	{"kill -9 at each of a snapshot", 3, murderedSnapshot},
	{"an error of each file system call", 3, refused},
	{"an error of each, and patches wait at the start", 2, refusedStart},
	{"full disk of a drop directory", 1, filledDrop},
}

// TestFaults injects every fault there is, and prints the table.
func TestFaults(t *testing.T) {
	rows := make([]*tally, len(faults))
	t.Run("each", func(t *testing.T) {
		for i, f := range faults {
			rows[i] = &tally{fault: f.name}
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				f.inject(newMachine(t, rows[i]), max(f.fewest, *rounds))
			})
		}
	})
	t.Logf("\n%s", table(rows))
}

func table(rows []*tally) string {
	var b strings.Builder
	fmt.Fprintln(&b, "| fault | rounds | changes acknowledged | lost | twice | resurrected | wrong verdicts |\n|---|---|---|---|---|---|---|")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d |\n", r.fault, r.rounds, r.acknowledged, r.lost, r.twice, r.resurrected, r.wrong)
	}
	return b.String()
}

// soon is a random moment.
func soon() <-chan struct{} {
	done := make(chan struct{})
	time.AfterFunc(50*time.Millisecond+rand.N(500*time.Millisecond), func() { close(done) })
	return done
}

// The daemon is killed while it starts, or while it works.
func killed(m *machine, rounds int) {
	m.furnish()
	for m.rounds < rounds {
		ready := m.launch(nil)
		if rand.IntN(3) > 0 {
			<-ready
		}
		m.work(soon())
		m.kill()
		m.rounds++
		m.mustStart(nil)
		m.check()
		m.kill()
	}
}

// stepped starts daemons that a warden does something to at one of the file
// system calls which a patch of each story takes from its being dropped to its
// outcome: at each of them, or at as many as there are rounds. The patches are
// dropped before the daemon starts, or once it is ready.
func stepped(m *machine, rounds int, do action, before bool) {
	requireWarden(m.T)
	m.furnish()
	m.mustStart(nil)
	m.settled() // each story has begun
	m.kill()
	probe := &warden{decide: func(int, int32) action { return permit }}
	m.step(probe, before)
	m.kill()
	all := probe.stop()
	m.Logf("%d calls", all)
	if all == 0 {
		m.Fatal("the warden is asked about nothing")
	}
	for at := range rounds {
		n := 1 + (at*max(all, rounds)/rounds+rand.IntN(max(all/rounds, 1)))%all
		m.step(once(n, do), before)
		m.check()
		m.kill()
		m.rounds++
	}
}

// step runs a daemon under a warden until patches have their outcomes or it ends,
// and starts another one.
func (m *machine) step(w *warden, before bool) {
	m.Helper()
	if before {
		m.dropAll()
		w.count()
	}
	if err := m.start(w); err == nil {
		if !before {
			w.count()
			m.dropAll()
		}
		m.until()
		m.kill()
	}
	m.mustStart(nil)
	m.settle()
}

// settled drops a patch for each story, and waits for their outcomes.
func (m *machine) settled() {
	m.Helper()
	m.dropAll()
	m.settle()
}

func (m *machine) dropAll() {
	m.Helper()
	for _, s := range m.stories {
		if s.flying == nil {
			m.drop(m.next(s))
		}
	}
}

// until waits until what was dropped has its outcome, or the daemon ends.
func (m *machine) until() {
	tick := time.NewTicker(glances)
	defer tick.Stop()
	for late := time.After(patience); ; {
		flying := false
		m.glance()
		for _, s := range m.stories {
			flying = flying || s.flying != nil
		}
		if !flying {
			return
		}
		select {
		case <-m.exited:
			return
		case <-late:
			m.Fatal("patches wait, and for nothing")
		case <-tick.C:
		}
	}
}

// once is a warden that does something at one call.
func once(n int, a action) *warden {
	return &warden{decide: func(at int, _ int32) action {
		if at == n {
			return a
		}
		return permit
	}}
}

func murdered(m *machine, rounds int)      { stepped(m, rounds, murder, false) }
func murderedStart(m *machine, rounds int) { stepped(m, rounds, murder, true) }
func refused(m *machine, rounds int)       { stepped(m, rounds, refuse, false) }
func refusedStart(m *machine, rounds int)  { stepped(m, rounds, refuse, true) }

func cutOff(m *machine, rounds int) {
	d := m.ext4()
	m.furnish()
	unix.Sync()
	for m.rounds < rounds {
		m.mustStart(nil)
		m.work(soon())
		d.cut()
		m.kill()
		m.cut = true
		m.rounds++
		d.restore()
		m.mustStart(nil)
		m.check()
		m.kill()
	}
}

// Invariant 4: the same power cuts, with a daemon whose syncs are lies.
func TestControl(t *testing.T) {
	const most = 10
	requireWarden(t)
	t.Parallel()
	row := &tally{fault: "power cut, and syncs that are lies"}
	liar := func() *warden {
		w := &warden{always: map[int32]action{}}
		for _, call := range syncs {
			w.always[call] = lie
		}
		return w
	}
	for row.rounds < most && row.lost == 0 {
		row.rounds++
		m := newMachine(t, row)
		d := m.ext4()
		m.furnish()
		unix.Sync()
		m.mustStart(liar())
		for m.acknowledged == 0 {
			m.work(soon())
		}
		d.cut()
		m.kill()
		d.restore()
		row.lost += m.missing()
	}
	t.Logf("\n%s", table([]*tally{row}))
	if row.lost == 0 {
		t.Errorf("%d power cuts without syncs have lost nothing: then those with syncs prove nothing", row.rounds)
	}
}

// missing counts the patches whose outcome was seen, and of which the ledger
// does not know, if there is one.
func (m *machine) missing() (lost int) {
	m.Helper()
	err := m.start(nil)
	for _, p := range m.patches {
		if p.entered && (err != nil || !m.shows(p)) {
			lost++
		}
	}
	m.kill()
	return lost
}

func filled(m *machine, rounds int) { full(m, m.tmpfs("disk", "300m"), rounds) }

func filledDrop(m *machine, rounds int) {
	m.furnish()
	full(m, m.tmpfs(beside, "256k"), rounds)
}

// full fills a disk while the daemon works, kills it, starts another one on the
// full disk, and makes room again.
func full(m *machine, d *disk, rounds int) {
	m.furnish()
	for m.rounds < rounds {
		m.mustStart(nil)
		m.work(soon())
		d.fill()
		m.work(soon())
		m.kill()
		m.mustStart(nil)
		m.work(soon())
		d.clear()
		m.rounds++
		m.check()
		m.kill()
	}
}
