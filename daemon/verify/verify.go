// Package verify is the edge that proxies ask for every request: it takes the
// token out of the request, decides, and answers. It can be reviewed by
// itself.
//
// Invariants:
//
//  1. The decision is a pure function of record, proven credential, gate,
//     request and time (Decide). It reads no header and no clock.
//  2. What the gate is not told, it does not guess: the answer is no, with
//     ContextMissing. It is told by its own proxy, in the headers that this
//     proxy has for it, and by nobody else; what stands there twice is refused.
//  3. A malformed token, an unknown one and a wrong secret get the same answer
//     after the same lookups and comparisons, under every pepper and for every
//     import: what work differs depends on the presented text alone, never on
//     what the store holds, but for whether it holds any opaque token at all. Of
//     a token nothing but its credentials is looked at before one of them is
//     proven, so that its size tells nothing either.
//  4. Whether a token is expired, disabled or the like is told only to who
//     has its secret.
//  5. A yes carries all identity headers, empty ones too, so that a proxy
//     which copies them overwrites forged ones. Their values are printable
//     ASCII whatever a manifest said.
//  6. No log line, header or body holds a token or a part of its secret.
//  7. Nothing is written here. Who is told of an outdated credential has its
//     digest, and not its secret.
//  8. Until the daemon is ready nobody gets another answer than NotReady.
//  9. A path is matched only if every program understands it alike. No path is
//     repaired.
//  10. What an answer is made of lies where the next one's will lie: nothing
//     looks at it any more once the decision is released.
//  11. Who introspects presents a bearer token of its own, and is told nothing of
//     a token that is not good, not even why (Introspector).
//  12. What Server reads itself it reads as net/http would, and answers alike:
//     only heads that are plain in every respect (head), and to the byte. All
//     else is net/http's. But for two things: nothing is read after a
//     Transfer-Encoding, whatever it is, and a path with a bad escape is a path
//     for its gate to refuse.
//
// What bounds a yes, from a profile of the daemon with thirty-two connections: the
// kernel. System calls take more than half of the time, nearly all of that to send
// the answer; waiting for the next question takes 6%, to read its head 5%, the
// decision 15% (a million tokens are not in the processor's cache: there it is up
// to twice that), to write the answer down 3%, to count the use 2%. What is
// allocated is one copy of the head.
//
// Why neither of the engines that there are: net/http takes as long for its headers
// as all of the above together. fasthttp is as fast as this, but takes a
// Content-Length beside a Transfer-Encoding for a plain request, and logs heads
// that it cannot read, tokens and all.
package verify

import (
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// Health is what /readyz tells.
type Health struct {
	Ready bool `json:"ready"`
	// Degraded has a line for each thing that does not work as configured,
	// although the daemon serves.
	Degraded []string `json:"degraded"`
}

// Handler serves /verify, /verify/NAME, /healthz, /readyz and /metrics.
type Handler struct {
	Register

	// Rules are asked for at each request, and have to be there at once.
	Rules  func() *Rules
	Now    func() time.Time
	Ready  func() bool
	Health func() Health
	// Outdated is told of a credential that was good, and that the store would
	// keep in another form today; nil for nobody. It must not wait.
	Outdated func(credential token.Key, digest token.Digest)
	// Used is told of each yes; nil for nobody. It must not wait.
	Used func(store.Used)
	// Decided is told of every answer of a gate; nil for nobody. The key is zero
	// unless the secret was right.
	Decided func(gate string, reason Reason, key token.Key)
	// Metrics answers at /metrics; nil for nobody.
	Metrics http.Handler
}

const verifyPath = "/verify"

// hangUp has net/http answer without waiting for a body that was announced: a
// proxy that keeps it to itself would wait with it. Where the next request begins
// is not known then.
var hangUp = []string{"close"}

// ServeHTTP does not route with a ServeMux, which would redirect paths that
// are not clean: a redirect is no answer to a proxy's question.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		w.Header()["Connection"] = hangUp
	}
	target := target(r)
	path, _, _ := strings.Cut(target, "?")
	switch {
	case path == verifyPath, strings.HasPrefix(path, verifyPath+"/"):
		h.gate(w, r, target[len(verifyPath):])
	case path == "/metrics" && h.Metrics != nil:
		h.Metrics.ServeHTTP(w, r)
	default:
		h.health(w, path, verifyPath)
	}
}

// HealthOnly serves /healthz and /readyz, and nothing else.
func (h *Handler) HealthOnly() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, _, _ := strings.Cut(target(r), "?")
		h.health(w, path, "/readyz")
	})
}

// target is what the request line asks for, from its path on.
func target(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		return r.RequestURI
	}
	return r.URL.RequestURI() // a request as to a proxy names a host first
}

// gatePath splits what follows "/verify" in the request target into the name of a
// gate and what stands behind that. The query of the verify URI is not read.
func gatePath(rest string) (name, behind string) {
	named, ok := strings.CutPrefix(rest, "/")
	if !ok {
		return DefaultName, ""
	}
	end := strings.IndexAny(named, "/?")
	switch {
	case end < 0:
		return named, ""
	case named[end] == '?':
		return named[:end], ""
	}
	return named[:end], named[end:]
}

// gate answers at the gate that rest names, which is the request target after
// "/verify".
func (h *Handler) gate(w http.ResponseWriter, r *http.Request, rest string) {
	d, gate := h.judge(saidBy(r, rest))
	defer d.Release()
	switch {
	case gate == nil:
		notFound(w, "there is no such gate")
	case d.Reason != Yes:
		refuse(w, d.Reason)
	default:
		accept(w, d.identity(gate))
	}
}

// judge decides on a question, and tells and counts what it decided. Nil is
// no such gate: only to Envoy a gate is a place with something behind it.
func (h *Handler) judge(s *said) (Decision, *Gate) {
	name, behind := gatePath(s.rest)
	rules := h.Rules()
	gate := rules.Gates[name]
	if gate == nil || behind != "" && gate.Proxy != Envoy {
		return Decision{}, nil
	}
	q, now := Question{Gate: gate}, h.Now()
	d := h.decide(s, &q, behind, rules, now)
	h.tell(gate.Name, d.Reason, d.Presented())
	if d.Reason == Yes {
		h.count(&d, q.Request.Client, now)
	}
	return d, gate
}

func (h *Handler) tell(gate string, reason Reason, key token.Key) {
	if h.Decided != nil {
		h.Decided(gate, reason, key)
	}
}

// count tells of a yes to a client.
func (h *Handler) count(d *Decision, client netip.Addr, now time.Time) {
	if d.Outdated && h.Outdated != nil {
		h.Outdated(d.Credential.Key, d.Digest())
	}
	if h.Used != nil {
		h.Used(d.used(client, now))
	}
}

// decide asks what the request asks.
func (h *Handler) decide(s *said, q *Question, behind string, rules *Rules, now time.Time) Decision {
	if !h.Ready() {
		return Decision{Reason: NotReady}
	}
	var ok bool
	if q.Request, ok = q.Gate.told(s, behind, rules.Trusted); !ok {
		return Decision{Reason: MalformedRequest}
	}
	var reason Reason
	if q.Text, q.User, reason = q.Gate.credential(s, &q.Request); reason != Yes {
		return Decision{Reason: reason}
	}
	return h.Ask(q, now)
}

// health answers at the paths that tell about the daemon, or says where else to
// ask.
func (h *Handler) health(w http.ResponseWriter, path, otherwise string) {
	switch path {
	case "/healthz":
		writeJSON(w, http.StatusOK, struct {
			Healthy bool `json:"healthy"`
		}{true})
	case "/readyz":
		health := h.Health()
		status := http.StatusOK
		if !health.Ready {
			status = http.StatusServiceUnavailable
		}
		writeJSON(w, status, health)
	default:
		notFound(w, "ask "+otherwise)
	}
}
