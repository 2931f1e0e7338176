package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tokendrop/tokendrop/daemon/version"
	"github.com/tokendrop/tokendrop/patches"
	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store"
)

// Status says whether all is well, what waits, what failed, and why.
type Status struct {
	Well bool `json:"well"`
	// Problems are why it is not.
	Problems []string      `json:"problems"`
	Daemon   *Daemon       `json:"daemon"` // null where none runs
	Drops    []DropStatus  `json:"drops"`
	Failures []LastFailure `json:"failures"` // the latest first
	Store    StoreStatus   `json:"store"`
}

// Daemon is the process that answers.
type Daemon struct {
	version.Info

	PID       int       `json:"pid"`
	StartedAt time.Time `json:"started_at"`
	Ready     bool      `json:"ready"`
	// Degraded is what /readyz says: what does not work as configured.
	Degraded []string `json:"degraded"`
}

// DropStatus is a drop directory. Of what waits and of what has failed no more
// than maxTold are told one by one.
type DropStatus struct {
	Name   string `json:"name"`
	Path   string `json:"path"`
	State  string `json:"state"`
	Detail string `json:"detail"` // why it is not ok
	// Mode is what becomes of a file that was applied: rename, remove or keep.
	Mode string `json:"mode"`
	// Watched: what is dropped is noticed at once. Otherwise it is by looking,
	// every rescan.
	Watched bool   `json:"watched"`
	Rescan  string `json:"rescan"`
	// Leased: what is dropped is applied once its last writer is gone. Otherwise
	// it has to lie unchanged for settle.
	Leased       bool          `json:"leased"`
	Settle       string        `json:"settle"`
	Tokens       int           `json:"tokens"` // whose source it is
	Waiting      []WaitingFile `json:"waiting"`
	WaitingCount int           `json:"waiting_count"`
	Failed       []FailedFile  `json:"failed"`
	FailedCount  int           `json:"failed_count"`
	Warnings     []string      `json:"warnings"`
	Withheld     *Withheld     `json:"withheld"` // null: no prune is
}

// Withheld is a prune that does not take place.
type Withheld struct {
	Reason string   `json:"reason"`
	Count  int      `json:"count"`  // of tokens that no patch states
	Limit  int      `json:"limit"`  // of them may go at once
	Tokens []string `json:"tokens"` // the first of them, as USER/NAME
}

// NotWatched is the state of a drop directory where no daemon runs.
const NotWatched = "not watched"

// WaitingFile is a patch without an outcome.
type WaitingFile struct {
	Path    string    `json:"path"`
	Reason  string    `json:"reason"`
	Detail  string    `json:"detail"`
	Claimed bool      `json:"claimed"` // it lies in .tokendrop
	Since   time.Time `json:"since"`
}

// FailedFile is a patch that has failed, and is there still.
type FailedFile struct {
	Path    string     `json:"path"`
	Reasons []string   `json:"reasons"`
	Since   time.Time  `json:"since"`
	Next    *time.Time `json:"next"` // when it is tried again by itself; null: never
}

// LastFailure is the newest entry of the ledger about a file, which failed, and is
// among the latest maxLooked. The file may be gone meanwhile.
type LastFailure struct {
	ID     uint64    `json:"id"`
	Time   time.Time `json:"time"`
	Dir    string    `json:"dir"`
	Path   string    `json:"path"`
	Reason string    `json:"reason"`
}

// StoreStatus is what is stored.
type StoreStatus struct {
	Backend string        `json:"backend"`
	Path    string        `json:"path"` // empty where there is none
	Tokens  map[State]int `json:"tokens"`
	Entries uint64        `json:"entries"` // of the ledger
	// Problem is why nothing can be written to it, empty where that is not so.
	Problem string `json:"problem"`
	// Snapshot is when the one beside it was made; null where there is none.
	Snapshot *time.Time `json:"snapshot"`
	// Digest is over all tokens and users; see store.Digest. Empty while they keep
	// changing.
	Digest string `json:"digest"`
}

const (
	// maxTold bounds what is told of one directory one by one.
	maxTold = 100
	// maxFailures bounds the LastFailures.
	maxFailures = 10
	// maxLooked bounds how many entries of the ledger are looked at for them.
	maxLooked = 1000
)

// Status implements Service.
func (l *Local) Status(ctx context.Context) (Status, error) {
	s := Status{Problems: []string{}, Drops: []DropStatus{}}
	if l.Daemon != nil {
		running := l.Daemon()
		s.Daemon = &running
		s.Problems = append(s.Problems, running.Degraded...)
		if !running.Ready {
			s.Problems = append(s.Problems, "the daemon is not ready: gates answer not_ready until what was found at the start has its outcome")
		}
	} else {
		s.Problems = append(s.Problems, `no daemon is running: start "tokendrop serve"; this is from its store`)
	}
	for _, d := range l.Directories() {
		drop, err := l.drop(ctx, &d)
		if err != nil {
			return s, err
		}
		if drop.FailedCount > 0 {
			s.Problems = append(s.Problems, fmt.Sprintf("drop directory %s: %d failed", drop.Name, drop.FailedCount))
		}
		s.Drops = append(s.Drops, drop)
	}
	var err error
	if s.Failures, err = l.lastFailures(ctx); err != nil {
		return s, err
	}
	s.Store = StoreStatus{
		Backend: l.Backend, Path: l.Path, Tokens: l.Count().States, Entries: l.Store.Head().ID, Digest: l.Digests.Of(l.Store, l.Now()),
	}
	if l.Snapshot != nil {
		s.Store.Snapshot = instant(l.Snapshot())
	}
	if err := l.Store.Writable(); err != nil {
		s.Store.Problem = err.Error()
		if l.Daemon == nil { // which would have said so
			s.Problems = append(s.Problems, "store: "+err.Error())
		}
	}
	s.Well = len(s.Problems) == 0
	return s, nil
}

func (l *Local) drop(ctx context.Context, d *Directory) (DropStatus, error) {
	out := DropStatus{
		Name: d.Name, Path: d.Path, Mode: string(d.AfterApply), Rescan: d.Rescan.String(), Settle: d.Settle.String(),
		Tokens: l.Store.CountFrom(d.Name), Waiting: []WaitingFile{}, Failed: []FailedFile{}, Warnings: []string{},
		Withheld: l.withheld(d.Name),
	}
	if d.Watching == nil {
		out.State = NotWatched
		if _, err := os.Stat(d.Path); errors.Is(err, fs.ErrNotExist) {
			out.Detail = "it is absent"
		}
	} else {
		s := d.Watching()
		out.watching(&s)
	}
	if out.Mode == string(patches.Keep) {
		return out, nil
	}
	failed, count, err := patches.FailedFiles(ctx, d.Path, d.Exclude, maxTold)
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	if err != nil {
		return out, nil //nolint:nilerr // the state of the directory says why
	}
	out.FailedCount += count
	for _, f := range failed {
		out.Failed = append(out.Failed, FailedFile{Path: f.Path, Reasons: orNone(f.Reasons), Since: f.Since})
	}
	return out, nil
}

// withheld is the prune of a directory that does not take place, nil where none
// is known of.
func (l *Local) withheld(dir string) *Withheld {
	for _, w := range l.Applier.Withheld() {
		if w.Dir != dir {
			continue
		}
		told := &Withheld{Reason: string(w.Reason), Count: w.Count, Limit: w.Limit, Tokens: make([]string, len(w.Tokens))}
		for i, name := range w.Tokens {
			told.Tokens[i] = name.User + "/" + name.Name
		}
		return told
	}
	return nil
}

// watching tells what the daemon knows of the directory.
func (out *DropStatus) watching(s *patches.Status) {
	out.State, out.Detail, out.Watched, out.Leased = string(s.State), s.Detail, s.Watched, s.Leased
	if s.Keep {
		out.Mode = string(patches.Keep)
	}
	out.Warnings = append(out.Warnings, s.Warnings...)
	out.WaitingCount, out.FailedCount = len(s.Waiting), len(s.Failed)
	for _, w := range s.Waiting[:min(maxTold, len(s.Waiting))] {
		out.Waiting = append(out.Waiting, WaitingFile{w.Path, string(w.Reason), w.Detail, w.Claimed, w.Since})
	}
	for _, f := range s.Failed[:min(maxTold, len(s.Failed))] {
		out.Failed = append(out.Failed, FailedFile{f.Path, orNone(f.Reasons), f.Since, instant(f.Next)})
	}
}

// lastFailures are files whose last entry among the latest of the ledger is a
// failure. Orders are left out: who gave one was told.
func (l *Local) lastFailures(ctx context.Context) ([]LastFailure, error) {
	last := map[Place]LastFailure{}
	failed := map[uint64]bool{}
	looked := 0
	for e, err := range l.Store.Latest(ctx) {
		if err != nil {
			return nil, err
		}
		if looked++; looked > maxLooked {
			break
		}
		if at := (Place{e.Dir, e.Path}); last[at].ID < e.ID && e.Dir != provision.OrderDir {
			last[at] = LastFailure{e.ID, e.Time, e.Dir, e.Path, strings.Join(e.Reasons, "\n")}
			failed[e.ID] = e.Outcome == store.Failed
		}
	}
	list := slices.DeleteFunc(slices.Collect(maps.Values(last)), func(f LastFailure) bool { return !failed[f.ID] })
	slices.SortFunc(list, func(a, b LastFailure) int { return cmp.Compare(b.ID, a.ID) })
	return append([]LastFailure{}, list[:min(maxFailures, len(list))]...), nil
}
