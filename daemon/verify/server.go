package verify

import (
	"net/http"
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

// NewServer serves a handler within the limits above, faster to connections of
// Direct.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:     closing{h},
		ConnContext: withDirect,
		// net/http would answer "OPTIONS *" itself, with a yes.
		DisableGeneralOptionsHandler: true,
		MaxHeaderBytes:               maxHeaderBytes,
		ReadHeaderTimeout:            headerTimeout,
		ReadTimeout:                  requestTimeout,
		WriteTimeout:                 answerTimeout,
		IdleTimeout:                  idleTimeout,
	}
}

// closing ends a connection after one request of HTTP/1.0. There net/http takes
// no notice of a Transfer-Encoding, whose body would then be the next request
// (RFC 9112, section 6.1).
type closing struct{ http.Handler }

// ServeHTTP implements http.Handler.
func (c closing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !r.ProtoAtLeast(1, 1) {
		w.Header().Set("Connection", "close")
	}
	c.Handler.ServeHTTP(w, r)
}
