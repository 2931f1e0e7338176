// Package daemon runs tokendrop: it opens the store, listens, applies what the
// drop directories hold, and says when it is ready.
//
// Invariants:
//
//  1. Data flows one way: directory → worker → store → memory → verify. The
//     worker is the only writer of tokens in the store. What flows back is when
//     tokens are used, which no decision depends on.
//  2. Verify says nothing but not_ready until what the first scan of every
//     directory found has its outcome, or is found waiting.
//  3. When it cannot be known what was stored, Run returns without renaming
//     anything. The supervisor starts the process anew, and recovery decides.
//  4. When Run ends, all its parts are told to stop at once. The store is closed
//     after the last of them, and after the last uses are in it, and no goroutine
//     is left.
//  5. Where the system has not what a store and drop directories rest on, none is
//     opened, and nothing is written: see Supported.
//  6. No snapshot replaces one that has more in it than the store has.
package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/daemon/metrics"
	"github.com/tokendrop/tokendrop/daemon/usage"
	"github.com/tokendrop/tokendrop/daemon/verify"
	"github.com/tokendrop/tokendrop/patches"
	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/badgerstore"
	"github.com/tokendrop/tokendrop/store/memstore"
	"github.com/tokendrop/tokendrop/store/swapstore"
)

// Options are what Run is given beside the configuration.
type Options struct {
	Log zerolog.Logger
	// Now is the time that tokens are judged, and patches applied, by; nil: the
	// system's.
	Now func() time.Time
	// Progress is told now and then how many of the patches that the first passes
	// have found are applied, and zeros at the end of that; nil for none.
	Progress func(done, all int)
	// OnReady is called once, when verify begins to answer; nil for none.
	OnReady func()
	// Sockets are those that a service manager has opened, each under the name
	// of the listeners that it stands for; see takeSockets. Run closes them.
	Sockets []*os.File
	// Reload asks for the configuration to be read again, by Load.
	Reload <-chan os.Signal
	Load   func() (*config.Config, error)
}

// Run runs the daemon until ctx ends, which is no error. It returns an error if
// the daemon cannot start or cannot go on. It expects a umask under which
// nothing is open to others before it has its mode.
func Run(ctx context.Context, cfg *config.Config, o Options) error {
	if err := Supported(); err != nil {
		return err
	}
	shareProcessor()
	opened, err := openStore(ctx, cfg.Store, o.Log)
	if err != nil {
		return err
	}
	st := swapstore.New(opened)
	err = newDaemon(st, o).run(ctx, cfg)
	if errors.Is(err, store.ErrUnknown) {
		return err // nothing may touch the files before they are opened anew
	}
	return errors.Join(err, st.Close())
}

// ErrFormat says that another version of the program has written the store. It
// does not pass by itself.
var ErrFormat = badgerstore.ErrFormat

// openStore opens the configured backend.
func openStore(ctx context.Context, c config.Store, log zerolog.Logger) (store.Store, error) {
	if c.Backend == config.Memory {
		return memstore.Open(nil, memstore.Faults{})
	}
	st, err := badgerstore.Open(ctx, badgerstore.Options{Path: c.Path, Log: log})
	if err != nil {
		return nil, adviseDamaged(c.Path, err)
	}
	return st, nil
}

type daemon struct {
	Options
	store    *swapstore.Store
	keys     keys
	applier  *provision.Applier
	rehasher *rehasher
	uses     *usage.Recorder
	snapshot *snapshots // nil: the store is in memory
	drops    drops
	ready    atomic.Bool
	metrics  *metrics.Metrics
	service  *admin.Local // what the admin socket answers
	teller   teller
	began    time.Time
	broken   chan error                   // after which the process has to end
	rules    atomic.Pointer[verify.Rules] // of the gates

	certificate *certificate
	bearer      atomic.Pointer[verify.Bearer] // of who introspects
}

func newApplier(st store.Store, settings provision.Settings, now func() time.Time) *provision.Applier {
	a := &provision.Applier{Store: st, Now: now, Random: rand.Reader, Groups: groupsOf}
	a.Configure(settings)
	return a
}

func newDaemon(st *swapstore.Store, o Options) *daemon {
	if o.Now == nil {
		o.Now = time.Now
	}
	d := &daemon{Options: o, store: st, uses: usage.New(st, o.Now, o.Log), began: time.Now(), broken: make(chan error, 1)}
	d.service = &admin.Local{Store: st, Now: o.Now, Uses: d.uses}
	d.metrics = d.newMetrics()
	d.drops.new = func(cfg patches.Config) *patches.Dir {
		return patches.New(cfg, worker{d.applier, d.metrics, o.Log}, o.Log)
	}
	return d
}

func (d *daemon) run(ctx context.Context, cfg *config.Config) error {
	if err := d.readFiles(cfg); err != nil {
		return err
	}
	d.applier = newApplier(d.store, d.keys.settings(cfg), d.Now)
	d.rehasher = newRehasher(d.applier, d.Log)
	d.rules.Store(cfg.Gates())
	d.observe(cfg)
	d.warnOfStrangers(cfg)
	d.serveAdmin(cfg)
	d.keepSnapshot(cfg)
	group, ctx := errgroup.WithContext(ctx)
	servers, err := d.servers(ctx, cfg)
	if err != nil {
		return err
	}
	for _, s := range servers {
		group.Go(func() error { return s.run(ctx) })
	}
	d.drops.begin(ctx, group, dropConfigs(cfg))
	group.Go(func() error { return behind(func() error { return d.supervised(ctx, servers) }) })
	group.Go(func() error { return behind(func() error { return d.uses.Run(ctx) }) })
	group.Go(func() error { return behind(func() error { return d.rehasher.run(ctx) }) })
	group.Go(func() error { return boundGarbage(ctx) })
	if d.snapshot != nil {
		group.Go(func() error { return behind(func() error { return d.snapshot.run(ctx) }) })
	}
	group.Go(func() error {
		select {
		case err := <-d.broken:
			return err
		case <-ctx.Done():
			return nil
		}
	})
	group.Go(func() error {
		if d.announce(ctx) {
			watch := expiryWatch{store: d.store, log: d.Log}
			group.Go(func() error { return behind(func() error { return watch.run(ctx, d.Now) }) })
			d.reload(ctx, group, cfg)
		}
		d.notify(systemd.SdNotifyStopping)
		return nil
	})
	err = group.Wait()
	if errors.Is(err, store.ErrUnknown) {
		return err
	}
	return errors.Join(err, d.flush(context.WithoutCancel(ctx)))
}

// readFiles reads the files that the configuration names. Its error is a
// *config.Error.
func (d *daemon) readFiles(cfg *config.Config) error {
	err := checkAdminGroup(cfg)
	if err != nil {
		return err
	}
	if d.keys, err = readKeys(cfg); err != nil {
		return err
	}
	if err := d.keys.recognizes(d.store, cfg); err != nil {
		return err
	}
	bearer, err := readBearer(cfg)
	if err != nil {
		return err
	}
	d.bearer.Store(&bearer)
	d.certificate, err = readCertificate(cfg, d.Log)
	return err
}

// flush stores the last uses of tokens, and what they prove, when nobody asks
// about any more.
func (d *daemon) flush(ctx context.Context) error {
	if err := d.rehasher.flush(ctx); err != nil {
		return err
	}
	err := d.uses.Flush(ctx)
	if d.snapshot != nil && !errors.Is(err, store.ErrUnknown) {
		d.snapshot.flush(ctx)
	}
	if err == nil || errors.Is(err, store.ErrUnknown) {
		return err
	}
	d.Log.Warn().Err(err).Msg("stopping without all uses of tokens stored")
	return nil
}

// announce says that the daemon is ready once every directory has had its
// first pass. It returns false if ctx ended before.
func (d *daemon) announce(ctx context.Context) bool {
	if !d.awaitFirstPasses(ctx) {
		return false
	}
	d.ready.Store(true)
	d.Log.Info().Msg("ready")
	d.notify(systemd.SdNotifyReady + "\n" + d.statusLine())
	if d.OnReady != nil {
		d.OnReady()
	}
	debug.FreeOSMemory() // what a first pass over many files took is not needed again
	return true
}
