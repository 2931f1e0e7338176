// Package metrics tells Prometheus how the daemon does.
//
// Invariants:
//
//  1. The value of a label is a name that the configuration states, or a word
//     of a fixed list: never a token, a key, a user or a path.
//  2. Counting a decision takes no lock and allocates nothing.
//  3. However often it is asked, counting tokens takes a small part of one
//     processor.
package metrics

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tokendrop/tokendrop/daemon/verify"
)

// maxScrapes bounds how many are answered at once.
const maxScrapes = 4

// yes stands for the reason of a yes, which has none.
const yes = "yes"

// Metrics are what is counted, and what is asked for when somebody looks. New
// makes one.
type Metrics struct {
	registry       *prometheus.Registry
	decisions      *prometheus.CounterVec
	introspections *prometheus.CounterVec
	patches        *prometheus.CounterVec

	names   atomic.Pointer[names]
	asked   counters // of introspections
	applied atomic.Int64
	now     func() time.Time
}

// counters are those of a gate, by reason.
type counters [verify.Reasons]prometheus.Counter

// names are what can stand in labels.
type names struct {
	gates map[string]*counters
	drops map[string]string
}

// New makes metrics that ask source when somebody looks.
func New(source Source, now func() time.Time) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		decisions: counterVec("tokendrop_verify_decisions_total",
			`What gates have said: "yes", or the reason of a refusal.`, "gate", "reason"),
		introspections: counterVec("tokendrop_introspections_total",
			`Introspections of tokens, "yes" for good ones, or the reason that only the log is told.`, "reason"),
		patches: counterVec("tokendrop_patches_total",
			"Patches that have their outcome, since the start.", "drop", "outcome"),
		now: now,
	}
	for reason := range verify.Reasons {
		m.asked[reason] = m.introspections.WithLabelValues(label(reason))
	}
	m.names.Store(&names{})
	m.registry.MustRegister(m.decisions, m.introspections, m.patches, newState(m, source), buildInfo(),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func label(r verify.Reason) string {
	if r == verify.Yes {
		return yes
	}
	return r.String()
}

// outcomes are what becomes of a patch.
var outcomes = []string{"installed", "failed", "skipped"}

// Configure states the names of gates, and what drop directories are called in
// labels, by their names. What is counted of others stays.
func (m *Metrics) Configure(gates []string, drops map[string]string) {
	next := &names{gates: make(map[string]*counters, len(gates)), drops: drops}
	for _, gate := range gates {
		c := new(counters)
		for reason := range verify.Reasons {
			c[reason] = m.decisions.WithLabelValues(gate, label(reason))
		}
		next.gates[gate] = c
	}
	for _, drop := range drops {
		for _, outcome := range outcomes {
			m.patches.WithLabelValues(drop, outcome)
		}
	}
	m.names.Store(next)
}

// Decided counts what a gate has said. It may be called at any time, also of a
// gate that is not configured any more.
func (m *Metrics) Decided(gate string, reason verify.Reason) {
	if c := m.names.Load().gates[gate]; c != nil {
		c[reason].Inc()
	}
}

// Introspected counts what an introspection has found.
func (m *Metrics) Introspected(reason verify.Reason) { m.asked[reason].Inc() }

// Patch counts a patch that has its outcome.
func (m *Metrics) Patch(drop, outcome string) {
	if name, ok := m.names.Load().drops[drop]; ok {
		m.patches.WithLabelValues(name, outcome).Inc()
	}
	if outcome == outcomes[0] {
		m.applied.Store(m.now().UnixMilli())
	}
}

// Handler answers a scrape. It takes GET and HEAD.
func (m *Metrics) Handler() http.Handler {
	// Compression would cost more memory than all that there is to tell.
	scrape := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{DisableCompression: true, MaxRequestsInFlight: maxScrapes})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "metrics are read with GET", http.StatusMethodNotAllowed)
			return
		}
		scrape.ServeHTTP(w, r)
	})
}
