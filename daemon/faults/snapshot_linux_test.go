package faults

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/tokendrop/tokendrop/daemon"
	"github.com/tokendrop/tokendrop/store/dump"
)

// murderedSnapshot kills daemons at the file system calls by which they make the
// snapshot beside the store, while patches are applied.
func murderedSnapshot(m *machine, rounds int) {
	requireWarden(m.T)
	m.furnish()
	probe := &warden{only: m.part("*"), decide: func(int, int32) action { return permit }}
	m.snapshot(probe)
	all := probe.stop()
	m.Logf("%d calls", all)
	if all == 0 {
		m.Fatal("the warden is asked about nothing")
	}
	for at := range rounds {
		w := once(1+(at*max(all, rounds)/rounds+rand.IntN(max(all/rounds, 1)))%all, murder)
		w.only = m.part("*")
		m.snapshot(w)
		m.checkSnapshot()
		m.mustStart(nil)
		if left, _ := filepath.Glob(m.part("*")); len(left) > 0 {
			m.wrong++
			m.Errorf("of snapshots that were not finished %q are left", left)
		}
		m.check()
		m.kill()
		m.rounds++
	}
}

// part is what a snapshot is called until it is whole.
func (m *machine) part(number string) string {
	path := daemon.SnapshotPath(configuration(m.root).Store.Path)
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+number)
}

// snapshot runs a daemon under a warden, with patches being dropped, until there
// is a new snapshot or it has ended.
func (m *machine) snapshot(w *warden) {
	m.Helper()
	if err := m.start(w); err == nil {
		w.count()
		m.work(m.snapshotted())
	}
	m.kill()
}

// snapshotted tells when there is another snapshot than now, or no daemon.
func (m *machine) snapshotted() <-chan struct{} {
	path := daemon.SnapshotPath(configuration(m.root).Store.Path)
	before, _ := os.Stat(path)
	done, exited := make(chan struct{}), m.exited
	go func() {
		defer close(done)
		tick := time.NewTicker(glances)
		defer tick.Stop()
		for late := time.After(patience); ; {
			if now, err := os.Stat(path); err == nil && (before == nil || !os.SameFile(before, now)) {
				return
			}
			select {
			case <-exited:
				return
			case <-late:
				return // the checks find that there is none
			case <-tick.C:
			}
		}
	}()
	return done
}

// checkSnapshot expects a snapshot that is whole.
func (m *machine) checkSnapshot() {
	m.Helper()
	f, err := os.Open(daemon.SnapshotPath(configuration(m.root).Store.Path))
	if errors.Is(err, fs.ErrNotExist) {
		m.lost++ // there was one before the first was killed
	}
	if err == nil {
		_, err = dump.Check(f)
		_ = f.Close()
	}
	if err != nil {
		m.Errorf("the snapshot: %v", err)
	}
}
