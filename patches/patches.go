// Package patches watches drop directories and leads every file in them from
// its name to an outcome. It hands names and bytes to a Handler and knows
// nothing of what they mean.
//
// The states of a patch are its file names:
//
//	sub/x.yaml                      dropped; waits until nobody writes it
//	   │ claim
//	.tokendrop/sub/ID.x.yaml        claimed; the handler decides
//	   │ finish
//	sub/x.yaml.installed            or .skipped, or gone
//	sub/x.yaml.failed               beside sub/x.yaml.failed.reason
//
// Only the daemon moves a file along an arrow, by one rename or by writing the
// new file whole before the old one goes. A claim that is put off stays where
// it is and is handed over again.
//
// Where patches have companions, sub/x.yaml waits for sub/x.yaml.sig, which
// takes each arrow before it does:
//
//	sub/x.yaml.sig  →  .tokendrop/sub/ID.x.yaml.sig  →  sub/x.yaml.sig.installed,
//	                                                    .skipped, .failed, or gone
//
// and which lies where it is, untouched, as long as there is no sub/x.yaml.
//
// In keep mode there is one state, and no arrow: sub/x.yaml is read where it
// lies, whenever it is new, changed, or due again. A directory is in keep mode
// because it is configured so, or for as long as its mount is read-only.
//
// Invariants:
//
//  1. Settled. What a handler gets is a whole file: no writer had it open, or
//     it lay unchanged for the settling period, before the claim and again
//     when it was read.
//  2. Claimed first. A file is read for the handler only under its claim's
//     name, and that name is on disk before the handler sees it. A file that
//     is dropped under the same name meanwhile is a patch of its own.
//  3. Decided first. No outcome shows, and no claim goes, before the handler
//     has returned a verdict on it.
//  4. Nothing is lost. Whatever goes wrong between claim and outcome leaves
//     the claim where it is. What a writer puts into a claim that has been
//     read becomes a patch with an ID of its own.
//  5. Recovery is the normal path. Claims that are found when a directory is
//     opened go first, in the order of their IDs, with every check made anew.
//  6. No link is followed below the drop directory, and nothing that is not a
//     regular file with one link is opened, claimed or renamed. In keep mode
//     links are followed to such files inside the directory.
//  7. One daemon. Nothing is claimed or recovered without the lock. In keep mode
//     there is neither, and any number of daemons.
//  8. Hints are not believed. The scan decides; whatever a hint misses is
//     found by the next one.
//  9. A companion belongs to the claim with its ID. A claim without one has had
//     it already, or was made when the wait for it had ended: none that comes
//     later is put beside it. A companion without a claim goes back to its
//     name. Where a late writer makes another patch of a claim, its companion
//     goes with the later text: whether the two fit is for the handler to say.
//  10. Trusted ways only. Nothing is made, claimed or applied in a directory that
//     others than root, the daemon and its owners by configuration may write
//     to, or for which they could put another: every directory and link that
//     its path leads through is judged at each pass, and each subdirectory
//     whenever a file in it is looked at and when it is claimed.
//  11. Kept. In keep mode nothing is written, renamed, removed or changed in mode
//     in the directory, and nothing is remembered outside the process: what was
//     applied before is for the handler to know.
//  12. One generation. What Kubernetes exchanges at once is read at once: a pass
//     sees one generation of a volume, and where that has been swapped it hands
//     over nothing more and begins anew.
//  13. No more is told than was seen. Swept follows the listing of all of a
//     directory only, and calls it whole only if nothing in it waits, has failed
//     or was left alone. A file that vanishes has to be away for as long as one
//     that comes has to lie there, and those that vanish one after the other are
//     told of at once.
//
// A later success of a name removes its older .failed along with the reason:
// both outcomes side by side would say that the name is still broken.
package patches

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// Config is one drop directory.
type Config struct {
	Name string // for humans, logs and the ledger
	Path string // absolute

	AfterApply AfterApply

	Settle    time.Duration // how long a file lies unchanged where no lease can be had
	Rescan    time.Duration // between two full scans
	StartWait time.Duration // how long files that are being written hold Started
	Resync    time.Duration // in keep mode: between two times that all files are handed over

	// Companions: a patch NAME is ready when there is a whole NAME.sig beside it
	// too, or when it has been whole itself for CompanionWait.
	Companions    bool
	CompanionWait time.Duration

	Redact  bool  // write outcome files without secrets
	MaxSize int64 // in bytes; a larger file is refused unread

	// Strict: a directory is not used where others than root, the daemon and
	// DirOwners, which are users and groups as "group:NAME", may write to it or
	// put another one in its place. Otherwise that is only warned of.
	Strict    bool
	DirOwners []string

	// Exclude are the other drop directories, absolute. Those that lie inside
	// this one, by whatever name, are left to their own Dir.
	Exclude []string
}

// Dir is a drop directory at work. One goroutine, in Run, does everything;
// only Started, Status, Reevaluate, Look, Beats and Progress may be called from
// others.
type Dir struct {
	cfg     Config
	exclude map[string]bool // relative to the directory
	handler Handler
	log     zerolog.Logger

	tree  *tree  // nil while the directory cannot be had
	watch *watch // nil where there is nothing to watch
	keep  *keeping
	ids   ids

	files  map[string]*item     // dropped and not yet claimed, by path
	claims map[ID]*item         // claimed and without an outcome
	hints  map[string]bool      // paths to look at in the next pass
	said   map[string]leftAlone // by path, which is logged
	round  int                  // number of the scan
	leased bool                 // the last file seen could be leased
	// unwatched: the log says that the directory is scanned at intervals only
	unwatched bool
	owners    map[uint32]string
	others    map[[2]uint64]bool // the other drop directories, as their paths lead now
	trust     *trust             // nil before the first pass
	warned    map[string]string  // what was said of directories that are used all the same, by path
	// passedOver are the subdirectories that the last scan did not list, with why.
	passedOver map[string]string
	// warnings are those of the last scan.
	warnings []string

	reevaluate chan struct{} // holds one where all files are to be handed over again

	full   bool      // the next pass is a full scan
	scanAt time.Time // when the next one is due anyway
	pause  time.Time // nothing is handed over before: something was put off

	began   time.Time // of the first pass
	scanned bool      // the first scan has been made
	started chan struct{}

	asked chan struct{} // holds one where a pass over everything is wanted now
	beats atomic.Uint64 // see Beats
	// ahead is what was ready when the pass under way began to apply it, and passed
	// how much of that is done; see Progress.
	ahead, passed atomic.Int64
	felt          chan struct{} // holds one where a beat is wanted now
	over          chan struct{} // closed when Run has ended

	mu        sync.Mutex
	status    Status
	onlookers []*onlooker

	// step is called after each step that survives a crash, for tests to end
	// a pass there with errStopped.
	step func(string) error
	// sync makes a directory's names durable, syncBytes what is in claims.
	sync      func(*folder) error
	syncBytes func(*tree, []*item) error
}

// errStopped ends a pass at once, as a crash would.
var errStopped = errors.New("stopped between two steps")

// New prepares a Dir; nothing is touched before Run.
func New(cfg Config, h Handler, log zerolog.Logger) *Dir {
	cfg.Path = filepath.Clean(cfg.Path)
	d := &Dir{
		cfg:     cfg,
		exclude: map[string]bool{}, warned: map[string]string{}, others: map[[2]uint64]bool{},
		handler: h,
		log:     log.With().Str("drop", cfg.Name).Logger(),
		started: make(chan struct{}),

		reevaluate: make(chan struct{}, 1),
		asked:      make(chan struct{}, 1),
		felt:       make(chan struct{}, 1),
		over:       make(chan struct{}),
		step:       func(string) error { return nil },
		sync:       (*folder).sync, syncBytes: (*tree).syncBytes,
	}
	for _, path := range cfg.Exclude {
		if rel, ok := strings.CutPrefix(filepath.Clean(path), cfg.Path+"/"); ok {
			d.exclude[rel] = true
		}
	}
	d.status = Status{Name: cfg.Name, Path: cfg.Path, State: Starting}
	return d
}

// Run applies patches until ctx ends, and returns nil then, or until the
// handler fails, and returns its error. What is claimed at that moment is
// taken up by the Run of the next Dir.
func (d *Dir) Run(ctx context.Context) error {
	defer close(d.over)
	defer d.detach()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		d.beats.Add(1)
		select {
		case <-ctx.Done():
			return nil
		case <-d.felt:
		case ev := <-d.watch.events():
			d.hint(ev)
			d.drain()
		case err := <-d.watch.errors():
			d.hintLost(err)
		case <-d.asked:
			d.full = true
		case <-d.reevaluate:
			d.evaluate(time.Now())
		case <-timer.C:
			if err := d.turn(ctx, timer); err != nil {
				return err
			}
			continue
		}
		if d.full || len(d.hints) > 0 {
			if err := d.turn(ctx, timer); err != nil {
				return err
			}
		}
	}
}

// turn makes a pass and sets the timer for the next.
func (d *Dir) turn(ctx context.Context, timer *time.Timer) error {
	next, err := d.pass(ctx, time.Now())
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	timer.Reset(time.Until(next))
	return err
}

// drain takes the hints that wait already, so that one pass serves them all.
func (d *Dir) drain() {
	for {
		select {
		case ev := <-d.watch.events():
			d.hint(ev)
		default:
			return
		}
	}
}

// Started is closed once every patch that the first scan found has its
// outcome or is known to wait for something else than its writer.
func (d *Dir) Started() <-chan struct{} { return d.started }

// Beats grows whenever Run moves on: with every file that it looks at, before and
// after every group that it hands over, and once soon after each call. Where it
// has not grown between two calls, Run is held up.
func (d *Dir) Beats() uint64 {
	select {
	case d.felt <- struct{}{}:
	default: // the last one has not been felt yet
	}
	return d.beats.Load()
}

// Progress tells how many patches the pass under way applies, and how many of them
// are done. Both are zero where nothing is applied at the moment.
func (d *Dir) Progress() (done, all int) {
	return int(d.passed.Load()), int(d.ahead.Load())
}

// Reevaluate asks for all files of a directory in keep mode to be handed over
// again soon. It may be called at any time, and does nothing in other modes.
func (d *Dir) Reevaluate() {
	select {
	case d.reevaluate <- struct{}{}:
	default: // it was asked for already
	}
}
