package daemon

import (
	"context"
	"errors"
	"fmt"
	stdlog "log" //nolint:depguard // the type of http.Server.ErrorLog
	"net"
	"net/http"
	"time"

	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/daemon/verify"
)

// shutdownTimeout bounds how long answers under way are waited for.
const shutdownTimeout = 5 * time.Second

// server is an HTTP server with the listener it was given.
type server struct {
	http     httpServer
	listener net.Listener
	asked    bool // it answers /readyz, and all of verify
	plain    bool // without TLS
}

// httpServer is what http.Server does.
type httpServer interface {
	Serve(l net.Listener) error
	Shutdown(ctx context.Context) error
	Close() error
}

// servers opens every configured listener, or none.
func (d *daemon) servers(ctx context.Context, cfg *config.Config) ([]server, error) {
	handed, err := takeSockets(d.Sockets, cfg)
	if err != nil {
		return nil, err
	}
	all, err := d.open(ctx, cfg, handed)
	if err != nil {
		return nil, errors.Join(err, handed.close(), closeAll(all))
	}
	return all, nil
}

// open opens what was not handed over.
func (d *daemon) open(ctx context.Context, cfg *config.Config, handed sockets) (all []server, err error) {
	control := handed.one(adminSocket)
	if control == nil {
		control, err = listenAdmin(ctx, cfg.Admin)
	}
	if err != nil {
		return nil, err
	}
	log := stdlog.New(serverLog{d.Log}, "", 0)
	local := admin.NewServer(d.service, d.service.Vault.Spool)
	local.ErrorLog = log
	all = append(all, server{http: local, listener: control})

	for _, e := range d.endpoints(cfg) {
		listeners, err := handed.listeners(ctx, e)
		for _, l := range listeners {
			d.Log.Info().Stringer("address", l.Addr()).Str("for", e.name).Msg("listening")
			all = append(all, server{
				http: verify.NewServer(e.handler, log), listener: e.tls.wrap(l),
				asked: e.name == "verify", plain: e.tls == nil || l.Addr().Network() == "unix",
			})
		}
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// endpoint is what answers at some addresses.
type endpoint struct {
	name      string
	addresses []config.Address
	handler   http.Handler
	tls       *certificate // nil: plain
}

// endpoints are what answers whoever is not the command line.
func (d *daemon) endpoints(cfg *config.Config) []endpoint {
	gate := &verify.Handler{
		Register: verify.Register{Tokens: d.store, Formats: cfg.Tokens.Formats, Keys: d.keys.ring},
		Rules:    d.rules.Load, Now: d.Now, Ready: d.ready.Load, Health: d.health,
		Used: d.uses.Count, Decided: d.decided, Outdated: d.rehasher.offer, Metrics: d.metrics.Handler(),
	}
	inner := *gate
	inner.Decided = d.introspected
	all := []endpoint{
		{"verify", cfg.Verify.Listen, gate, d.certificate},
		{"introspect", cfg.Introspect.Listen, &verify.Introspector{Handler: &inner, Bearer: func() verify.Bearer { return *d.bearer.Load() }}, d.certificate},
	}
	if cfg.Verify.Health != (config.Address{}) {
		all = append(all, endpoint{"health", []config.Address{cfg.Verify.Health}, gate.HealthOnly(), nil})
	}
	return all
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
