// Package verify is the edge that proxies ask for every request: it takes the
// token out of the request, decides, and answers. It can be reviewed by
// itself.
//
// Invariants:
//
//  1. The decision is a pure function of record, proven credential, gate and
//     time (Decide). It reads no header and no clock.
//  2. What the gate is not told, it does not guess: the answer is no, with
//     ContextMissing.
//  3. A malformed token, an unknown one and a wrong secret get the same answer
//     after the same lookups and comparisons, under every pepper and for every
//     import: what work differs depends on the presented text alone, never on
//     what the store holds.
//  4. Whether a token is expired, disabled or the like is told only to who
//     has its secret.
//  5. A yes carries all identity headers, empty ones too, so that a proxy
//     which copies them overwrites forged ones. Their values are printable
//     ASCII whatever a manifest said.
//  6. No log line, header or body holds a token or a part of its secret.
//  7. Nothing is written here. Who is told of an outdated credential has its
//     digest, and not its secret.
//  8. Until the daemon is ready nobody gets another answer than NotReady.
package verify

import (
	"net/http"
	"strings"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// Gate is a verify endpoint with its rules.
type Gate struct {
	Name     string
	Audience string
}

// DefaultGate answers at /verify. It is told nothing about the original
// request.
var DefaultGate = Gate{Name: "default", Audience: store.DefaultAudience}

// Health is what /readyz tells.
type Health struct {
	Ready bool `json:"ready"`
	// Degraded has a line for each thing that does not work as configured,
	// although the daemon serves.
	Degraded []string `json:"degraded"`
}

// Handler serves /verify, /verify/NAME, /healthz and /readyz.
type Handler struct {
	Register

	Now    func() time.Time
	Ready  func() bool
	Health func() Health
	// Outdated is told of a credential that was good, and that the store would
	// keep in another form today; nil for nobody. It must not wait.
	Outdated func(credential token.Key, digest token.Digest)
	// Used is told of each yes; nil for nobody. It must not wait.
	Used func(store.Used)
}

const gatePrefix = "/verify/"

// ServeHTTP does not route with a ServeMux, which would redirect paths that
// are not clean: a redirect is no answer to a proxy's question.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == "/verify", path == gatePrefix+DefaultGate.Name:
		h.verify(w, r)
	case strings.HasPrefix(path, gatePrefix):
		notFound(w, "there is no such gate")
	case path == "/healthz":
		writeJSON(w, http.StatusOK, struct {
			Healthy bool `json:"healthy"`
		}{true})
	case path == "/readyz":
		h.readyz(w)
	default:
		notFound(w, "ask /verify")
	}
}

func (h *Handler) verify(w http.ResponseWriter, r *http.Request) {
	if !h.Ready() {
		refuse(w, NotReady)
		return
	}
	text, reason := credential(r)
	if reason != Yes {
		refuse(w, reason)
		return
	}
	now := h.Now()
	d := h.Ask(text, &DefaultGate, now)
	if d.Reason != Yes {
		refuse(w, d.Reason)
		return
	}
	if d.Outdated && h.Outdated != nil {
		h.Outdated(d.Credential.Key, d.Digest)
	}
	if h.Used != nil {
		h.Used(d.used(now))
	}
	accept(w, d.Presented, &d.Record)
}

func (h *Handler) readyz(w http.ResponseWriter) {
	health := h.Health()
	status := http.StatusOK
	if !health.Ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, health)
}
