package verify

import (
	"context"
	"crypto/tls"
	"errors"
	"log" //nolint:depguard // the type of http.Server.ErrorLog
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of the HTTP server.
const (
	// maxHeaderBytes bounds request line and headers; beyond it the answer is
	// 431. net/http adds slack of its own, which is taken off here.
	maxHeaderBytes = 32<<10 - netHTTPSlack
	netHTTPSlack   = 4 << 10

	// headerTimeout and requestTimeout bound how long a slow client may hold
	// a connection without having asked anything.
	headerTimeout  = 5 * time.Second
	requestTimeout = 10 * time.Second
	answerTimeout  = 10 * time.Second
	// idleTimeout is longer than the keepalive_timeout that nginx has for its
	// upstreams (60 s), so that it is the proxy that closes.
	idleTimeout = 90 * time.Second
)

// Server serves a handler within the limits above. Plain questions to the gates
// of a Handler it answers itself; a connection on which it reads anything else is
// net/http's from there on, and so is one that TLS is spoken over.
type Server struct {
	http  http.Server
	gates *Handler // nil: all is net/http's

	dates  dates
	ending atomic.Bool
	mu     sync.Mutex
	own    map[*conn]bool // those that are not net/http's
	done   sync.WaitGroup // until there are none
	front  *front
}

// NewServer makes a server, which tells the log what net/http would.
func NewServer(h http.Handler, log *log.Logger) *Server {
	s := &Server{own: map[*conn]bool{}}
	s.gates, _ = h.(*Handler)
	s.http = http.Server{
		Handler: closing{h}, ErrorLog: log,
		// net/http would answer "OPTIONS *" itself, with a yes.
		DisableGeneralOptionsHandler: true,
		MaxHeaderBytes:               maxHeaderBytes,
		ReadHeaderTimeout:            headerTimeout,
		ReadTimeout:                  requestTimeout,
		WriteTimeout:                 answerTimeout,
		IdleTimeout:                  idleTimeout,
	}
	return s
}

// Serve answers on a listener until Shutdown or Close, and returns
// http.ErrServerClosed then. It is called once.
func (s *Server) Serve(l net.Listener) error {
	if s.gates == nil {
		return s.http.Serve(l)
	}
	f := &front{Listener: l, passed: make(chan passed), closed: make(chan struct{})}
	s.mu.Lock()
	s.front = f
	s.mu.Unlock()
	go s.accept(f)
	return s.http.Serve(f)
}

// accept serves the connections of a listener. What goes wrong with that is
// net/http's, which knows how long to wait.
func (s *Server) accept(f *front) {
	for {
		c, err := f.Listener.Accept()
		switch _, encrypted := c.(*tls.Conn); {
		case err != nil && (errors.Is(err, net.ErrClosed) || s.ending.Load()):
			return
		case err != nil, encrypted:
			f.pass(c, err)
		default:
			s.open(c, f)
		}
	}
}

// open serves a connection.
func (s *Server) open(nc net.Conn, f *front) {
	c := &conn{Conn: nc, server: s, from: peerOf(nc.LocalAddr(), nc.RemoteAddr().String())}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending.Load() {
		_ = nc.Close()
		return
	}
	s.own[c] = true
	s.done.Go(func() {
		other := s.serve(c)
		s.mu.Lock()
		delete(s.own, c)
		s.mu.Unlock()
		if other {
			f.pass(c.rest(), nil)
		} else {
			_ = nc.Close()
		}
	})
}

// serve contains what goes wrong to the connection, as net/http does.
func (s *Server) serve(c *conn) (other bool) {
	defer func() {
		if v := recover(); v != nil {
			s.http.ErrorLog.Printf("verify: panic serving %v: %v\n%s", c.RemoteAddr(), v, debug.Stack())
		}
	}()
	return c.serve()
}

// Shutdown lets answers under way finish until ctx ends, as that of http.Server.
func (s *Server) Shutdown(ctx context.Context) error {
	s.end((*conn).wake)
	gone := make(chan struct{})
	go func() {
		s.done.Wait()
		close(gone)
	}()
	select {
	case <-gone:
	case <-ctx.Done():
	}
	return s.http.Shutdown(ctx)
}

// Close ends all connections.
func (s *Server) Close() error {
	s.end(func(c *conn) { _ = c.Close() })
	err := s.http.Close()
	s.done.Wait()
	return err
}

// end opens no more connections, and does something to those that there are.
func (s *Server) end(each func(*conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending.Store(true)
	if s.front != nil {
		_ = s.front.Listener.Close() // again: it is closed
	}
	for c := range s.own {
		each(c)
	}
}

// front is a listener for net/http, of what is passed on to it.
type front struct {
	net.Listener
	passed chan passed
	once   sync.Once
	closed chan struct{}
}

type passed struct {
	conn net.Conn
	err  error
}

// pass passes a connection on, or what Accept has said in the place of one.
func (f *front) pass(c net.Conn, err error) {
	select {
	case f.passed <- passed{c, err}:
	case <-f.closed:
		if c != nil {
			_ = c.Close()
		}
	}
}

// Accept implements net.Listener.
func (f *front) Accept() (net.Conn, error) {
	select {
	case p := <-f.passed:
		return p.conn, p.err
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (f *front) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.Listener.Close()
}

// closing ends a connection after one request of HTTP/1.0, as head.old does.
type closing struct{ http.Handler }

// ServeHTTP implements http.Handler.
func (c closing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !r.ProtoAtLeast(1, 1) {
		w.Header().Set("Connection", "close")
	}
	c.Handler.ServeHTTP(w, r)
}
