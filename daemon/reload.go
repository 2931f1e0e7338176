package daemon

import (
	"context"
	"reflect"
	"slices"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/daemon/verify"
)

// reload reads the configuration again whenever it is asked to, until ctx ends.
// A wrong one changes nothing. What cannot change while the daemon runs stays as
// it was started with.
func (d *daemon) reload(ctx context.Context, group *errgroup.Group, started *config.Config) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.Reload:
		}
		d.notify(systemd.SdNotifyReloading + "\n" + systemd.SdNotifyMonotonicUsec())
		next, bearer, err := d.load()
		if err != nil {
			d.Log.Error().Err(err).Msg("configuration not reloaded, nothing has changed")
		} else {
			d.bearer.Store(&bearer)
			d.apply(ctx, group, started, next)
		}
		d.notify(systemd.SdNotifyReady + "\n" + d.statusLine())
	}
}

// load reads the configuration, and what of its files can change while the
// daemon runs.
func (d *daemon) load() (cfg *config.Config, bearer verify.Bearer, err error) {
	if cfg, err = d.Load(); err == nil {
		err = checkAdminGroup(cfg)
	}
	if err == nil {
		bearer, err = readBearer(cfg)
	}
	return cfg, bearer, err
}

// apply takes over what can change while the daemon runs, and says what
// cannot.
func (d *daemon) apply(ctx context.Context, group *errgroup.Group, started, next *config.Config) {
	for _, section := range postponed(started, next) {
		d.Log.Warn().Str("section", section).Msg("this part of the configuration takes effect after a restart")
	}
	next.Tokens = started.Tokens
	next.Verify.StartWait = started.Verify.StartWait // or every directory would be opened anew
	zerolog.SetGlobalLevel(next.Log.Level)
	want := dropConfigs(next)
	d.drops.end(want) // before its rules are gone
	d.applier.Configure(d.keys.settings(next))
	d.rules.Store(next.Gates())
	d.observe(next)
	d.warnOfStrangers(next)
	for _, dir := range d.drops.dirs() {
		dir.Reevaluate() // under the rules of now
	}
	d.drops.begin(ctx, group, want)
	d.Log.Info().Msg("configuration reloaded")
}

// postponed names the sections that say something else than what the daemon was
// started with, in which that stays in force.
func postponed(started, next *config.Config) (sections []string) {
	for _, section := range []struct {
		name string
		same bool
	}{
		{"store", started.Store == next.Store},
		{"verify", reflect.DeepEqual(withoutGates(started.Verify), withoutGates(next.Verify))},
		{"introspect", slices.Equal(started.Introspect.Listen, next.Introspect.Listen)},
		{"tokens", reflect.DeepEqual(started.Tokens, next.Tokens)},
		{"admin", started.Admin == next.Admin},
	} {
		if !section.same {
			sections = append(sections, section.name)
		}
	}
	return sections
}

// withoutGates is what of [verify] cannot change while the daemon runs.
func withoutGates(v config.Verify) config.Verify {
	v.Gates, v.TrustedProxies = nil, nil
	return v
}
