//go:build unix

package daemon

import (
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tokendrop/tokendrop/daemon/config"
)

// handOver opens an address as systemd does, under that name.
func handOver(t *testing.T, name, network, address string) *os.File {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // which removes a Unix socket
	file, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), name)
}

func TestHandedOverSockets(t *testing.T) {
	health := config.Address{Network: "tcp", Address: ":7576"}
	for name, c := range map[string]struct {
		socket, network, address string
		cfg                      config.Config
		problem                  string
	}{
		"verify":              {"verify", "tcp", "127.0.0.1:0", config.Config{}, ""},
		"verify, Unix":        {"verify", "unix", "", config.Config{}, ""},
		"open to a network":   {"verify", "tcp", "0.0.0.0:0", config.Config{}, "in plain text"},
		"which is allowed":    {"verify", "tcp", "0.0.0.0:0", config.Config{Verify: config.Verify{AllowPlain: true}}, ""},
		"or by TLS":           {"verify", "tcp", "0.0.0.0:0", config.Config{Verify: config.Verify{TLSCert: "/c"}}, ""},
		"health":              {"health", "tcp", "0.0.0.0:0", config.Config{Verify: config.Verify{Health: health}}, ""},
		"health, not wanted":  {"health", "tcp", "127.0.0.1:0", config.Config{}, "does not say that it is wanted"},
		"introspect unwanted": {"introspect", "tcp", "127.0.0.1:0", config.Config{}, "does not say that it is wanted"},
		"admin":               {"admin", "unix", "", config.Config{}, ""},
		"admin by TCP":        {"admin", "tcp", "127.0.0.1:0", config.Config{}, "is a Unix socket"},
		"without a name":      {"tokendrop-verify.socket", "tcp", "127.0.0.1:0", config.Config{}, "FileDescriptorName="},
	} {
		t.Run(name, func(t *testing.T) {
			if c.network == "unix" {
				c.address = socketDir(t) + "/sock"
			}
			got, err := takeSockets([]*os.File{handOver(t, c.socket, c.network, c.address)}, &c.cfg)
			switch {
			case c.problem == "" && err != nil, c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)):
				t.Fatalf("takeSockets: %v, want %q", err, c.problem)
			case c.problem != "":
				return
			}
			defer func() { _ = got.close() }()
			l := got.one(c.socket)
			if l == nil || l.Addr().Network() != c.network {
				t.Errorf("it is %v", l)
			}
			_ = l.Close()
			if c.network == "unix" {
				if _, err := os.Stat(c.address); err != nil {
					t.Errorf("a socket that is not the daemon's own is gone with it: %v", err)
				}
			}
		})
	}
}

// What was handed over stands for all addresses that are configured.
func TestHandedOverReplacesListen(t *testing.T) {
	file := handOver(t, "verify", "tcp", "127.0.0.1:0")
	handed, err := takeSockets([]*os.File{file}, &config.Config{})
	if err != nil {
		t.Fatal(err)
	}
	configured := []config.Address{{Network: "unix", Address: "/nowhere/to/be/made\x00"}}
	list, err := handed.listeners(t.Context(), endpoint{name: "verify", addresses: configured})
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	_ = list[0].Close()
	if _, err := handed.listeners(t.Context(), endpoint{name: "introspect", addresses: configured}); err == nil {
		t.Error("what was not handed over is not opened")
	}
}
