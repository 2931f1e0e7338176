// Package daemon runs tokendrop: it opens the store, listens, applies what the
// drop directories hold, and says when it is ready.
//
// Invariants:
//
//  1. Data flows one way: directory → worker → store → memory → verify. The
//     worker is the only writer of the store.
//  2. Verify says nothing but not_ready until what the first scan of every
//     directory found has its outcome, or is found waiting.
//  3. When it cannot be known what was stored, Run returns without renaming
//     anything. The supervisor starts the process anew, and recovery decides.
//  4. Run stops in the reverse order of its start, and leaves no goroutine.
package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"runtime/debug"
	"sync/atomic"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/patches"
	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/badgerstore"
	"github.com/tokendrop/tokendrop/store/memstore"
)

// Options are what Run is given beside the configuration.
type Options struct {
	Log zerolog.Logger
	// OnReady is called once, when verify begins to answer; nil for none.
	OnReady func()
}

// Run expects a umask under which nothing that it makes is open to others before
// it has its mode. It runs the daemon until ctx ends, which is no error. It returns an error
// if the daemon cannot start or cannot go on.
func Run(ctx context.Context, cfg *config.Config, o Options) error {
	st, err := OpenStore(ctx, cfg.Store, o.Log)
	if err != nil {
		return err
	}
	err = newDaemon(cfg, st, o).run(ctx, cfg)
	if errors.Is(err, store.ErrUnknown) {
		return err // nothing may touch the files before they are opened anew
	}
	return errors.Join(err, st.Close())
}

// OpenStore opens the configured backend.
func OpenStore(ctx context.Context, c config.Store, log zerolog.Logger) (store.Store, error) {
	if c.Backend == config.Memory {
		return memstore.Open(nil, memstore.Faults{})
	}
	return badgerstore.Open(ctx, badgerstore.Options{Path: c.Path, Log: log})
}

type daemon struct {
	Options
	store store.Store
	dirs  []*patches.Dir
	ready atomic.Bool
}

func newDaemon(cfg *config.Config, st store.Store, o Options) *daemon {
	d := &daemon{Options: o, store: st}
	applier := &provision.Applier{Store: st, Now: time.Now, Random: rand.Reader}
	for i, c := range cfg.Drops {
		d.dirs = append(d.dirs, patches.New(patches.Config{
			Name: c.Name, Path: c.Path, AfterApply: c.AfterApply, Settle: c.Settle, Rescan: c.Rescan,
			StartWait: cfg.Verify.StartWait, Redact: c.Redact, MaxSize: c.MaxSize, Exclude: cfg.Excludes(i),
		}, worker{applier, o.Log}, o.Log))
	}
	return d
}

func (d *daemon) run(ctx context.Context, cfg *config.Config) error {
	group, ctx := errgroup.WithContext(ctx)
	servers, err := d.servers(ctx, cfg)
	if err != nil {
		return err
	}
	for _, s := range servers {
		group.Go(func() error { return s.run(ctx) })
	}
	for _, dir := range d.dirs {
		group.Go(func() error { return dir.Run(ctx) })
	}
	group.Go(func() error { return d.announce(ctx) })
	return group.Wait()
}

// announce says that the daemon is ready once every directory has had its
// first pass.
func (d *daemon) announce(ctx context.Context) error {
	for _, dir := range d.dirs {
		select {
		case <-dir.Started():
		case <-ctx.Done():
			return nil
		}
	}
	d.ready.Store(true)
	debug.FreeOSMemory() // what a first pass over many files took is not needed again
	d.Log.Info().Msg("ready")
	if _, err := systemd.SdNotify(false, systemd.SdNotifyReady); err != nil {
		d.Log.Warn().Err(err).Msg("telling systemd")
	}
	if d.OnReady != nil {
		d.OnReady()
	}
	<-ctx.Done()
	_, err := systemd.SdNotify(false, systemd.SdNotifyStopping)
	if err != nil {
		d.Log.Warn().Err(err).Msg("telling systemd")
	}
	return nil
}
