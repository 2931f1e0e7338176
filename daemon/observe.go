package daemon

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/daemon/metrics"
	"github.com/tokendrop/tokendrop/daemon/verify"
	"github.com/tokendrop/tokendrop/patches"
	"github.com/tokendrop/tokendrop/store/token"
)

func (d *daemon) newMetrics() *metrics.Metrics {
	return metrics.New(metrics.Source{
		Ready: d.ready.Load, Drops: d.dropMetrics, Writable: func() bool { return d.store.Writable() == nil },
		Tokens: func() metrics.Tokens {
			census := d.service.Count()
			tokens := metrics.Tokens{States: map[string]int{}, Expiring: map[string]int{}}
			for state, n := range census.States {
				tokens.States[string(state)] = n
			}
			for days, n := range census.Expiring {
				tokens.Expiring[fmt.Sprintf("%dd", days)] = n
			}
			return tokens
		},
		Digest: func() string { return d.service.Digests.Of(d.store, d.Now()) },
		Snapshot: func() time.Time {
			if d.service.Snapshot == nil {
				return time.Time{}
			}
			return d.service.Snapshot()
		},
	}, d.Now)
}

func (d *daemon) dropMetrics() []metrics.Drop {
	withheld := map[string]int{}
	for _, w := range d.applier.Withheld() {
		withheld[w.Dir] = w.Count
	}
	var drops []metrics.Drop
	for _, dir := range d.drops.dirs() {
		s := dir.Status()
		drop := metrics.Drop{Name: s.Name, OK: s.State == patches.Working, Waiting: map[string]int{}, Withheld: withheld[s.Name]}
		for _, w := range s.Waiting {
			drop.Waiting[string(w.Reason)]++
		}
		drops = append(drops, drop)
	}
	return drops
}

// labels are what drop directories are called in metrics, by their names. Where
// the name is the path, for want of another, it is replaced by the path's last
// element: who may scrape need not know where things lie.
func labels(cfg *config.Config) map[string]string {
	names, taken := make(map[string]string, len(cfg.Drops)), make(map[string]bool)
	for _, d := range cfg.Drops {
		names[d.Name], taken[d.Name] = d.Name, true
	}
	for _, d := range cfg.Drops {
		if d.Name != d.Path {
			continue
		}
		name := filepath.Base(d.Path)
		for taken[name] { // two series of one name, and nobody could scrape
			name += "'"
		}
		names[d.Name], taken[name] = name, true
	}
	return names
}

// observe makes metrics follow the configuration.
func (d *daemon) observe(cfg *config.Config) {
	d.metrics.Configure(slices.Collect(maps.Keys(d.rules.Load().Gates)), labels(cfg))
}

// decided counts and logs what a gate has said. The key is zero unless the
// secret was right.
func (d *daemon) decided(gate string, reason verify.Reason, key token.Key) {
	d.metrics.Decided(gate, reason)
	d.logDecided("gate asked", gate, reason, key)
}

// introspected is decided for an introspection.
func (d *daemon) introspected(_ string, reason verify.Reason, key token.Key) {
	d.metrics.Introspected(reason)
	d.logDecided("token introspected", "", reason, key)
}

func (d *daemon) logDecided(message, gate string, reason verify.Reason, key token.Key) {
	e := d.Log.Debug()
	if !e.Enabled() {
		return
	}
	if !key.IsZero() {
		e = e.Stringer("key", key)
	}
	if gate != "" {
		e = e.Str("gate", gate)
	}
	e.Bool("active", reason == verify.Yes).Stringer("reason", reason).Msg(message)
}

// health tells whether the daemon is ready, and what does not work.
func (d *daemon) health() verify.Health {
	h := verify.Health{Ready: d.ready.Load(), Degraded: []string{}}
	if err := d.store.Writable(); err != nil {
		h.Degraded = append(h.Degraded, "store: "+err.Error())
	}
	for _, dir := range d.drops.dirs() {
		s := dir.Status()
		if s.State != patches.Working && s.State != patches.Starting {
			h.Degraded = append(h.Degraded, fmt.Sprintf("drop directory %s: %s", s.Name, s.State))
		}
		h.Degraded = append(h.Degraded, stuck(&s)...)
	}
	for _, w := range d.applier.Withheld() {
		h.Degraded = append(h.Degraded, fmt.Sprintf("drop directory %s: a prune of %d tokens is withheld: %s", w.Dir, w.Count, w.Reason))
	}
	return h
}

// stuck counts the patches that wait for something that does not come by
// itself. Their names are for "tokendrop status": who asks here may be anybody.
func stuck(s *patches.Status) []string {
	counts := map[patches.Reason]int{}
	for _, w := range s.Waiting {
		if !w.Reason.Passes() {
			counts[w.Reason]++
		}
	}
	var lines []string
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		lines = append(lines, fmt.Sprintf("drop directory %s: %d waiting: %s", s.Name, counts[reason], reason))
	}
	return lines
}
