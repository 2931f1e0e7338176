package daemon

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/daemon/verify"
)

const (
	// healthTimeout bounds how long a daemon is waited for: less than the ten
	// seconds or more that container engines have.
	healthTimeout = 5 * time.Second
	maxHealth     = 1 << 20 // bytes of an answer
)

// Healthcheck asks the running daemon for its /readyz, at the first address of
// [verify], health before the others, where something answers. It is an error
// if nothing does.
func Healthcheck(ctx context.Context, cfg *config.Config) (verify.Health, error) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	var failures []error
	for _, a := range append([]config.Address{cfg.Verify.Health}, cfg.Verify.Listen...) {
		dial, ok := dialable(a)
		if !ok {
			continue
		}
		plain := cfg.Verify.TLSCert == "" || a == cfg.Verify.Health || a.Network == "unix"
		health, err := askReady(ctx, dial, plain)
		if err == nil {
			return health, nil
		}
		failures = append(failures, fmt.Errorf("asking the daemon at %s: %w", a, cause(err)))
	}
	if failures == nil {
		return verify.Health{}, errors.New("the daemon cannot be asked: no address in [verify] has a port that is known beforehand; state health")
	}
	return verify.Health{}, errors.Join(failures...)
}

// dialable is where a listener of that address is reached from this machine, if
// that can be known.
func dialable(a config.Address) (config.Address, bool) {
	if a.Network != "tcp" {
		return a, a.Network == "unix"
	}
	host, port, err := net.SplitHostPort(a.Address)
	if err != nil || port == "0" {
		return a, false
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
		if err == nil && ip.Is4() {
			host = "127.0.0.1"
		}
	}
	return config.Address{Network: "tcp", Address: net.JoinHostPort(host, port)}, true
}

// askReady asks one address. Whose certificate answers does not matter: nothing
// is told to it, and it is on the address that is ours.
func askReady(ctx context.Context, a config.Address, plain bool) (h verify.Health, err error) {
	transport := &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, a.Network, a.Address)
		},
	}
	scheme := "https"
	if plain {
		scheme = "http"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://localhost/readyz", nil)
	if err != nil {
		return h, err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return h, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxHealth)).Decode(&h); err != nil {
		return h, errors.New("what answers there is no tokendrop")
	}
	if h.Ready != (resp.StatusCode == http.StatusOK) {
		return h, fmt.Errorf("what answers there is no tokendrop: %s", resp.Status)
	}
	return h, nil
}
