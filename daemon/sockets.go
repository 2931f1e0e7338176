package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/tokendrop/tokendrop/daemon/config"
)

// adminSocket is the name of a handed-over socket that stands for [admin] socket.
const adminSocket = "admin"

// sockets are listeners that were handed over, by what they are for.
type sockets map[string][]net.Listener

// takeSockets takes over the sockets that a service manager has opened. Their
// names are FileDescriptorName= of systemd.socket(5): "verify", "introspect" and
// "health" stand for all addresses in listen, or in health, and "admin" for the
// admin socket. A name for which nothing is configured is refused, and so is an
// address where tokens would cross a network in plain text, as in the
// configuration. Its error is a *config.Error.
func takeSockets(files []*os.File, cfg *config.Config) (sockets, error) {
	all, problems := sockets{}, []config.Problem(nil)
	for _, f := range files {
		l, err := net.FileListener(f)
		if err = errors.Join(err, f.Close()); err == nil {
			all[f.Name()] = append(all[f.Name()], l)
			err = judgeSocket(f.Name(), l.Addr(), cfg)
		}
		if err != nil {
			problems = append(problems, config.Problem{Place: config.Place{Source: "socket unit"}, Text: fmt.Sprintf("the socket named %q: %v", f.Name(), err)})
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(&config.Error{Problems: problems}, all.close())
	}
	return all, nil
}

func judgeSocket(name string, a net.Addr, cfg *config.Config) error {
	_, isUnix := a.(*net.UnixAddr)
	switch {
	case name == adminSocket && !isUnix:
		return errors.New("the admin socket is a Unix socket: want ListenStream=/PATH")
	case name == adminSocket, name == "health" && cfg.Verify.Health != (config.Address{}):
		return nil
	case name == "verify", name == "introspect" && len(cfg.Introspect.Listen) > 0:
		if tcp, ok := a.(*net.TCPAddr); ok && !tcp.IP.IsLoopback() && !cfg.Verify.AllowPlain && cfg.Verify.TLSCert == "" {
			return errors.New("tokens would cross the network in plain text there: use a loopback address, state tls_cert and tls_key in [verify], or say allow_plain = true there where the network is trusted")
		}
		return nil
	case name == "health", name == "introspect":
		return errors.New("the configuration does not say that it is wanted: state an address for it there, for which this socket is taken")
	}
	return errors.New(`what it is for is not known: want FileDescriptorName= to be "verify", "introspect", "health" or "admin"`)
}

// one takes the only socket of that name, nil if there is none.
func (s sockets) one(name string) net.Listener {
	list := s[name]
	if len(list) == 0 {
		return nil
	}
	s[name] = list[1:]
	return list[0]
}

// listeners takes the sockets that stand for an endpoint, or opens its addresses.
func (s sockets) listeners(ctx context.Context, e endpoint) ([]net.Listener, error) {
	if list := s[e.name]; len(list) > 0 {
		delete(s, e.name)
		return list, nil
	}
	var list []net.Listener
	for _, address := range e.addresses {
		l, err := listenVerify(ctx, address)
		if err != nil {
			return list, err
		}
		list = append(list, l)
	}
	return list, nil
}

func (s sockets) close() error {
	var errs []error
	for _, list := range s {
		for _, l := range list {
			errs = append(errs, l.Close())
		}
	}
	return errors.Join(errs...)
}
