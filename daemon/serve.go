package daemon

import (
	"context"
	"errors"
	"fmt"
	stdlog "log" //nolint:depguard // the type of http.Server.ErrorLog
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/daemon/verify"
	"github.com/tokendrop/tokendrop/patches"
	"github.com/tokendrop/tokendrop/store/token"
)

// shutdownTimeout bounds how long answers under way are waited for.
const shutdownTimeout = 5 * time.Second

// server is an HTTP server with the listener it was given.
type server struct {
	http     *http.Server
	listener net.Listener
}

// servers opens every configured listener, or none.
func (d *daemon) servers(ctx context.Context, cfg *config.Config) ([]server, error) {
	var all []server
	control, err := listenAdmin(ctx, cfg.Admin)
	if err != nil {
		return nil, err
	}
	service := &admin.Local{
		Store: d.store, Formats: cfg.Tokens.Formats, Keys: d.keys.ring, Seal: d.keys.seal, Rules: d.rules.Load,
		Now: time.Now, Uses: d.uses, Applier: d.applier, Ready: d.ready.Load,
	}
	all = append(all, server{admin.NewServer(service), control})

	gate := &verify.Handler{
		Register: verify.Register{Tokens: d.store, Formats: cfg.Tokens.Formats, Keys: d.keys.ring},
		Rules:    d.rules.Load, Now: time.Now, Ready: d.ready.Load, Health: d.health,
		Used: d.uses.Count, Decided: d.decided, Outdated: d.rehasher.offer,
	}
	for _, address := range cfg.Verify.Listen {
		l, err := listenVerify(ctx, address)
		if err != nil {
			return nil, errors.Join(err, closeAll(all))
		}
		d.Log.Info().Stringer("address", l.Addr()).Msg("listening")
		all = append(all, server{verify.NewServer(gate), l})
	}
	for _, s := range all {
		s.http.ErrorLog = stdlog.New(d.Log, "", 0)
	}
	return all, nil
}

func closeAll(servers []server) error {
	var errs []error
	for _, s := range servers {
		errs = append(errs, s.listener.Close())
	}
	return errors.Join(errs...)
}

// run answers until ctx ends, and then lets answers under way finish.
func (s server) run(ctx context.Context) error {
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		stopped <- s.http.Shutdown(grace)
	}()
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving %s: %w", s.listener.Addr(), err)
	}
	if err := <-stopped; err != nil {
		return s.http.Close() // clients that would not finish are cut off
	}
	return nil
}

// decided logs what a gate has said. The key is zero unless the secret was
// right.
func (d *daemon) decided(gate string, reason verify.Reason, key token.Key) {
	e := d.Log.Debug()
	if !e.Enabled() {
		return
	}
	if !key.IsZero() {
		e = e.Stringer("key", key)
	}
	e.Str("gate", gate).Bool("active", reason == verify.Yes).Stringer("reason", reason).Msg("gate asked")
}

// health tells whether the daemon is ready, and what does not work.
func (d *daemon) health() verify.Health {
	h := verify.Health{Ready: d.ready.Load(), Degraded: []string{}}
	for _, dir := range d.drops.dirs() {
		s := dir.Status()
		if s.State != patches.Working && s.State != patches.Starting {
			h.Degraded = append(h.Degraded, fmt.Sprintf("drop directory %s: %s", s.Name, s.State))
		}
		h.Degraded = append(h.Degraded, stuck(&s)...)
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
