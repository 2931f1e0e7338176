//go:build unix

package daemon

import (
	"io"
	stdlog "log" //nolint:depguard // the type of http.Server.ErrorLog
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/daemon/verify"
)

// answering is a listener of a daemon that says whether it is ready.
func answering(t *testing.T, a config.Address, c *certificate, ready bool) config.Address {
	t.Helper()
	l, err := listenVerify(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	h := &verify.Handler{Health: func() verify.Health { return verify.Health{Ready: ready, Degraded: []string{"something"}} }}
	s := verify.NewServer(h.HealthOnly(), stdlog.New(io.Discard, "", 0))
	done := make(chan error)
	go func() { done <- s.Serve(c.wrap(l)) }()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	if a.Network == "tcp" {
		host, _, _ := net.SplitHostPort(a.Address)
		_, port, _ := net.SplitHostPort(l.Addr().String())
		a.Address = net.JoinHostPort(host, port)
	}
	return a
}

func tcp(address string) config.Address { return config.Address{Network: "tcp", Address: address} }

func TestHealthcheck(t *testing.T) {
	none := config.Address{}
	silent := config.Address{Network: "unix", Address: socketDir(t) + "/nothere"}
	socket := func(ready bool) config.Address {
		return answering(t, config.Address{Network: "unix", Address: socketDir(t) + "/sock"}, nil, ready)
	}
	plain := func(address string, ready bool) config.Address { return answering(t, tcp(address), nil, ready) }
	tlsConfig := tlsPlace(t, 1)
	c, err := readCertificate(tlsConfig, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	defer stranger.Close()
	strange := tcp(stranger.Listener.Addr().String())

	for name, tt := range map[string]struct {
		health config.Address
		listen []config.Address
		tls    bool
		ready  bool
		want   string // of an error
	}{
		"a socket":                          {none, []config.Address{socket(true)}, false, true, ""},
		"not ready":                         {none, []config.Address{socket(false)}, false, false, ""},
		"TCP":                               {none, []config.Address{plain("127.0.0.1:0", true)}, false, true, ""},
		"every address":                     {none, []config.Address{plain(":0", true)}, false, true, ""},
		"every IPv4 address":                {none, []config.Address{plain("0.0.0.0:0", true)}, false, true, ""},
		"health goes first":                 {plain("127.0.0.1:0", true), []config.Address{socket(false)}, false, true, ""},
		"TLS":                               {none, []config.Address{answering(t, tcp("127.0.0.1:0"), c, true)}, true, true, ""},
		"a plain socket beside TLS":         {none, []config.Address{socket(true)}, true, true, ""},
		"plain health beside TLS":           {plain("127.0.0.1:0", true), nil, true, true, ""},
		"the next where nothing listens":    {none, []config.Address{silent, tcp("127.0.0.1:0"), socket(true)}, false, true, ""},
		"the next where a stranger listens": {none, []config.Address{strange, socket(true)}, false, true, ""},
		"nothing listens":                   {none, []config.Address{silent}, false, false, "asking the daemon at unix:" + silent.Address + ": connect: no such file or directory"},
		"nobody knows where":                {none, []config.Address{tcp("127.0.0.1:0")}, false, false, "state health"},
		"a stranger":                        {none, []config.Address{strange}, false, false, "no tokendrop"},
	} {
		cfg := config.Default()
		if tt.tls {
			cfg = tlsConfig
		}
		cfg.Verify.Health, cfg.Verify.Listen = tt.health, tt.listen
		h, err := Healthcheck(t.Context(), cfg)
		if tt.want != "" {
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v, want %s", name, err, tt.want)
			}
			continue
		}
		if err != nil || h.Ready != tt.ready || !slices.Equal(h.Degraded, []string{"something"}) {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
}
