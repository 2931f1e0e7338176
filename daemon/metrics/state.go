package metrics

import (
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Source tells of the daemon at the moment of a scrape.
type Source struct {
	Ready func() bool
	Drops func() []Drop
	// Tokens counts the tokens by state. It may go through all of them.
	Tokens func() map[string]int
}

// Drop is a drop directory.
type Drop struct {
	Name    string
	OK      bool
	Waiting map[string]int // patches, by what they wait for
}

// Descriptions of what is asked for at a scrape.
var (
	readyDesc   = describe("tokendrop_ready", "Whether gates answer.")
	dropDesc    = describe("tokendrop_drop_directory_ok", "Whether a drop directory is watched, and patches in it are applied.", "drop")
	waitingDesc = describe("tokendrop_patches_waiting", "Patches without an outcome, by what they wait for; none where there are none.", "drop", "reason")
	tokensDesc  = describe("tokendrop_tokens", "Tokens by state: the first of blocked, disabled, expired, active that holds. Counted anew every few seconds where there are very many.", "state")
	appliedDesc = describe("tokendrop_last_applied_timestamp_seconds", "When a patch was installed last, since the start; absent before the first.")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// state asks a Source whenever it is collected.
type state struct {
	*Metrics
	source Source
	tokens paced
}

func newState(m *Metrics, source Source) *state {
	return &state{Metrics: m, source: source, tokens: paced{count: source.Tokens, now: m.now}}
}

// Describe implements prometheus.Collector.
func (s *state) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{readyDesc, dropDesc, waitingDesc, tokensDesc, appliedDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s *state) Collect(ch chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	gauge(readyDesc, number(s.source.Ready()))
	if at := s.applied.Load(); at != 0 {
		gauge(appliedDesc, float64(at)/1000)
	}
	names := s.names.Load().drops
	for _, d := range s.source.Drops() {
		name, ok := names[d.Name]
		if !ok {
			continue // it has just come, or is on its way out
		}
		gauge(dropDesc, number(d.OK), name)
		for reason, n := range d.Waiting {
			gauge(waitingDesc, float64(n), name, reason)
		}
	}
	for state, n := range s.tokens.get() {
		gauge(tokensDesc, float64(n), state)
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// buildInfo is constant.
func buildInfo() prometheus.Collector {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tokendrop_build_info", Help: "Constant 1, with the versions of tokendrop and of Go.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	}, func() float64 { return 1 })
}

// share is which part of one processor counting tokens may take: a 20th.
const share = 20

// paced counts again when that is due, and remembers it until then.
type paced struct {
	count func() map[string]int
	now   func() time.Time

	mu   sync.Mutex
	last map[string]int
	due  time.Time
}

func (p *paced) get() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	began := p.now()
	if p.last == nil || !began.Before(p.due) {
		p.last = p.count()
		ended := p.now()
		p.due = ended.Add((share - 1) * ended.Sub(began))
	}
	return p.last
}
