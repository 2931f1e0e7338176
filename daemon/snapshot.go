package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/badgerstore"
	"github.com/tokendrop/tokendrop/store/dump"
)

// SnapshotPath is the file of the snapshot of the store at path: a backup that
// the daemon keeps beside it, for the case that the store cannot be opened.
func SnapshotPath(path string) string { return path + ".snapshot" }

// snapshotTime is when the snapshot of the store at path was made, the zero time if
// there is none, or none that can be read.
func snapshotTime(path string) time.Time {
	have, err := snapshotSummary(path)
	if err != nil {
		return time.Time{}
	}
	return have.Time
}

func snapshotSummary(path string) (dump.Summary, error) {
	f, err := os.Open(SnapshotPath(path))
	if err != nil {
		return dump.Summary{}, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	return dump.Summarize(f)
}

const (
	// snapshotAfter is how long after a change a snapshot is made, with what
	// changes meanwhile.
	snapshotAfter = time.Minute
	// snapshotEvery is the least time between two snapshots.
	snapshotEvery = 10 * time.Minute
	// snapshotSoon is snapshotAfter for a change that takes a right away: until
	// the next snapshot there is none that may be used.
	snapshotSoon = 2 * time.Second
	// snapshotShare bounds the part of the time in which snapshots are made, where
	// rights are taken away all the time: one in so many.
	snapshotShare = 10
	// lastSnapshot bounds the snapshot that is made when the daemon stops.
	lastSnapshot = 5 * time.Second
)

// snapshots keeps a snapshot of a store.
type snapshots struct {
	store   store.Store
	path    string // of the store
	log     zerolog.Logger
	changed chan struct{}
	failing bool // the log was told so
	pace    pace
}

func newSnapshots(st store.Store, path string, log zerolog.Logger) *snapshots {
	return &snapshots{store: st, path: path, log: log, changed: make(chan struct{}, 1)}
}

// noteChange has a snapshot made by and by. It does not wait.
func (s *snapshots) noteChange() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// pace decides when a snapshot is made. The zero pace has seen nothing.
type pace struct {
	changed    time.Time // the first change since the last one; zero: none
	restricted time.Time // the same, of changes that took a right away
	made       time.Time // when the last one was begun
	took       time.Duration
}

func (p *pace) note(now time.Time, restricted bool) {
	if p.changed.IsZero() {
		p.changed = now
	}
	if restricted && p.restricted.IsZero() {
		p.restricted = now
	}
}

// due is when the next snapshot is made; false if there is no need for one.
func (p *pace) due() (time.Time, bool) {
	if p.changed.IsZero() {
		return time.Time{}, false
	}
	at := later(p.changed.Add(snapshotAfter), p.made.Add(snapshotEvery))
	if !p.restricted.IsZero() {
		soon := later(p.restricted.Add(snapshotSoon), p.made.Add(p.took*snapshotShare))
		if soon.Before(at) {
			at = soon
		}
	}
	return at, true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// run makes snapshots until ctx ends. That none can be made is no reason to end.
func (s *snapshots) run(ctx context.Context) error {
	if !s.current() {
		s.note(time.Now())
	}
	for {
		var timer <-chan time.Time
		if at, ok := s.pace.due(); ok {
			timer = time.After(time.Until(at))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.changed:
			s.note(time.Now())
		case <-timer:
			s.make(ctx)
		}
	}
}

// note notes a change, and whether the snapshot that there is has become of no
// use by it.
func (s *snapshots) note(now time.Time) {
	s.pace.note(now, !s.usable())
}

// flush makes a last snapshot, unless that takes too long.
func (s *snapshots) flush(ctx context.Context) {
	if s.current() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lastSnapshot)
	defer cancel()
	s.make(ctx)
}

// current tells whether the snapshot has all that is in the ledger.
func (s *snapshots) current() bool {
	have, err := snapshotSummary(s.path)
	return err == nil && have.Head == s.store.Head()
}

// usable tells whether the snapshot is none from before a right was taken away.
func (s *snapshots) usable() bool {
	have, err := snapshotSummary(s.path)
	anchor, anchorErr := badgerstore.ReadAnchor(s.path)
	return err == nil && anchorErr == nil && have.ID >= anchor.Restricted
}

// make makes a snapshot, and tells the log if that does not work, or does again.
func (s *snapshots) make(ctx context.Context) {
	began := time.Now()
	err := s.write(ctx)
	s.pace = pace{made: began, took: time.Since(began)}
	if err != nil {
		s.pace = pace{changed: began} // tried again as after a change
	}
	switch {
	case ctx.Err() != nil:
	case err != nil && !s.failing:
		s.log.Warn().Err(err).Msg("the snapshot of the store is an older one")
	case err == nil && s.failing:
		s.log.Info().Msg("there is a snapshot of the store again")
	}
	s.failing = err != nil
}

// write writes a snapshot in the place of the one that is there, once it is
// whole and durable.
func (s *snapshots) write(ctx context.Context) error {
	if err := s.putAside(); err != nil {
		return err
	}
	err := WriteWhole(SnapshotPath(s.path), func(w io.Writer) error {
		out := spareOn(s.path, w)
		return s.store.View(ctx, func(v store.View) error {
			_, err := dump.Write(out, time.Now(), v)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("writing a snapshot: %w", err)
	}
	return nil
}

// putAside moves a snapshot that the store has not come from: the store was lost,
// or another one put there, and the snapshot may be all that is left.
func (s *snapshots) putAside() error {
	have, err := snapshotSummary(s.path)
	if head := s.store.Head(); err != nil || have.ID < head.ID || have.Head == head {
		return nil //nolint:nilerr // there is none, or none that can be restored
	}
	path := SnapshotPath(s.path)
	aside, err := freeName(path)
	if err == nil {
		err = os.Rename(path, aside)
	}
	if err != nil {
		return fmt.Errorf("putting the snapshot aside, which has more in it than the store: %w", err)
	}
	s.log.Warn().Str("path", aside).Uint64("entries", have.ID).
		Msg("the snapshot has more in it than the store, and was put aside; \"tokendrop restore\" brings back what it holds")
	return nil
}

// freeName is the path with the first number behind it that no file has.
func freeName(path string) (string, error) {
	for n := 1; ; n++ {
		name := fmt.Sprintf("%s.%d", path, n)
		if _, err := os.Lstat(name); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
			return name, err
		}
	}
}

// removeParts removes what a killed process has left of snapshots. The caller has
// the store open.
func (s *snapshots) removeParts() {
	dir, name := filepath.Split(SnapshotPath(s.path))
	files, err := os.ReadDir(dir)
	if err != nil {
		return // nor can there be a snapshot, which the log tells
	}
	for _, f := range files {
		if strings.HasPrefix(f.Name(), "."+name) {
			_ = os.Remove(filepath.Join(dir, f.Name()))
		}
	}
}
