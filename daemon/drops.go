package daemon

import (
	"context"
	"reflect"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/patches"
)

// drops are the drop directories at work. They follow the configuration when
// that is read again.
type drops struct {
	new func(patches.Config) *patches.Dir

	mu      sync.Mutex
	running []*running
}

// running is one drop directory, and how to end it.
type running struct {
	cfg   patches.Config
	dir   *patches.Dir
	stop  context.CancelFunc
	ended chan struct{}
}

// dirs lists the directories at work.
func (d *drops) dirs() []*patches.Dir {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]*patches.Dir, len(d.running))
	for i, r := range d.running {
		list[i] = r.dir
	}
	return list
}

// end ends the directories that are not wanted as they run, and waits for that,
// so that their locks are free.
func (d *drops) end(want []patches.Config) {
	unwanted := d.takeOut(want)
	for _, r := range unwanted {
		r.stop()
	}
	for _, r := range unwanted {
		<-r.ended // which may take as long as a patch: meanwhile others ask for dirs
	}
}

// takeOut takes out of the list what is not wanted as it runs.
func (d *drops) takeOut(want []patches.Config) (unwanted []*running) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var kept []*running
	for _, r := range d.running {
		if slices.ContainsFunc(want, r.runs) {
			kept = append(kept, r)
		} else {
			unwanted = append(unwanted, r)
		}
	}
	d.running = kept
	return unwanted
}

// begin starts the directories that do not run as they are wanted.
func (d *drops) begin(ctx context.Context, group *errgroup.Group, want []patches.Config) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, cfg := range want {
		if !slices.ContainsFunc(d.running, func(r *running) bool { return r.runs(cfg) }) {
			d.running = append(d.running, d.start(ctx, group, cfg))
		}
	}
}

// runs tells whether the directory runs as that says.
func (r *running) runs(cfg patches.Config) bool { return reflect.DeepEqual(r.cfg, cfg) }

func (d *drops) start(ctx context.Context, group *errgroup.Group, cfg patches.Config) *running {
	ctx, stop := context.WithCancel(ctx)
	r := &running{cfg: cfg, dir: d.new(cfg), stop: stop, ended: make(chan struct{})}
	group.Go(func() error {
		defer close(r.ended)
		return behind(func() error { return r.dir.Run(ctx) })
	})
	return r
}

// dropConfigs is what the configuration says of drop directories.
func dropConfigs(cfg *config.Config) []patches.Config {
	list := make([]patches.Config, len(cfg.Drops))
	for i, c := range cfg.Drops {
		list[i] = patches.Config{
			Name: c.Name, Path: c.Path, AfterApply: c.AfterApply, Settle: c.Settle, Rescan: c.Rescan, Resync: c.Resync,
			StartWait: cfg.Verify.StartWait, Redact: c.Redact, MaxSize: c.MaxSize,
			Strict: c.Strict, DirOwners: c.DirOwners, Exclude: others(cfg.Drops, i),
		}
		if policy := c.Rules.Policy; policy != nil && policy.AllowedSigners != "" {
			list[i].Companions, list[i].CompanionWait = true, policy.SignatureWait
		}
	}
	return list
}

// others lists the paths of all drop directories but one.
func others(drops []config.Drop, i int) []string {
	var paths []string
	for j, other := range drops {
		if j != i {
			paths = append(paths, other.Path)
		}
	}
	return paths
}
