package daemon

import (
	"context"
	"os"
	"sync/atomic"
	"time"

	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/daemon/version"
	"github.com/tokendrop/tokendrop/patches"
	"github.com/tokendrop/tokendrop/store/token"
)

// serveAdmin prepares what the admin socket answers.
func (d *daemon) serveAdmin(cfg *config.Config) {
	s := d.service
	s.Formats, s.Keys, s.Seal = cfg.Tokens.Formats, d.keys.ring, d.keys.seal
	placeStore(s, cfg)
	s.Rules, s.Applier, s.Ready = d.rules.Load, d.applier, d.ready.Load
	s.Daemon, s.Directories = d.tell, d.drops.directories
	s.Vault = &vault{cfg: cfg, keys: d.keys, store: d.store, applier: d.applier, log: d.Log, restored: d.restored}
	s.Told = func(to string, key token.Key) {
		d.Log.Info().Str("to", to).Stringer("key", key).Msg("token revealed")
	}
	s.Broken = func(err error) {
		select {
		case d.broken <- err:
		default: // it ends already
		}
	}
}

// placeStore says which store is configured, and when its snapshot was made.
func placeStore(s *admin.Local, cfg *config.Config) {
	s.Backend = string(cfg.Store.Backend)
	if path := cfg.Store.Path; cfg.Store.Backend != config.Memory {
		s.Path, s.Snapshot = path, func() time.Time { return snapshotTime(path) }
	}
}

// tell tells of this process.
func (d *daemon) tell() admin.Daemon {
	h := d.health()
	return admin.Daemon{Info: version.Get(), PID: os.Getpid(), StartedAt: d.began.UTC(), Ready: h.Ready, Degraded: h.Degraded}
}

// directories lists the drop directories at work.
func (d *drops) directories() []admin.Directory {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]admin.Directory, len(d.running))
	for i, r := range d.running {
		list[i] = admin.Directory{Config: r.cfg, Watching: r.dir.Status, Progress: r.dir.Progress, Look: r.dir.Look}
	}
	return list
}

// unwatched lists the drop directories of a configuration that no daemon
// watches. Whoever looks at one applies what lies there himself, by begin.
func unwatched(cfg *config.Config, begin func(patches.Config) *patches.Dir) []admin.Directory {
	var list []admin.Directory
	for _, c := range dropConfigs(cfg) {
		var at atomic.Pointer[patches.Dir]
		at.Store(begin(c)) // which nobody runs
		list = append(list, admin.Directory{
			Config:   c,
			Progress: func() (done, all int) { return at.Load().Progress() },
			Look: func(ctx context.Context, enough func(patches.Status) bool) ([]patches.Done, patches.Status, error) {
				dir := begin(c)
				at.Store(dir)
				return lookOnce(ctx, dir, enough)
			},
		})
	}
	return list
}

// lookOnce lets a directory work as long as somebody looks at it.
func lookOnce(ctx context.Context, dir *patches.Dir, enough func(patches.Status) bool) ([]patches.Done, patches.Status, error) {
	working, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- dir.Run(working) }()
	done, status, err := dir.Look(ctx, enough)
	stop()
	if broken := <-ended; broken != nil {
		return nil, status, broken
	}
	return done, status, err
}

// keepSnapshot prepares the snapshot of a store that is on disk.
func (d *daemon) keepSnapshot(cfg *config.Config) {
	if cfg.Store.Backend == config.Memory {
		return
	}
	d.snapshot = newSnapshots(d.store, cfg.Store.Path, d.Log)
	d.snapshot.removeParts()
	if err := d.snapshot.putAside(); err != nil { // before a patch comes, which the store could catch up with
		d.Log.Warn().Err(err).Msg("no snapshot of the store is made until that can be done")
	}
	d.store.Committed = d.snapshot.noteChange
}

// restored has a snapshot made of what a backup has brought back, and the files
// that state something else applied again.
func (d *daemon) restored() {
	d.Log.Warn().Msg("a backup was restored")
	if d.snapshot != nil {
		d.snapshot.noteChange()
	}
	for _, dir := range d.drops.dirs() {
		dir.Reevaluate()
	}
}
