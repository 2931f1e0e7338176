package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tokendrop/tokendrop/daemon/version"
)

// Source tells of the daemon at the moment of a scrape.
type Source struct {
	Ready func() bool
	// Writable tells whether the store can be written to.
	Writable func() bool
	Drops    func() []Drop
	// Tokens counts the tokens. It may go through all of them.
	Tokens func() Tokens
	// Digest is the state digest, empty where there is none. It may go through all
	// tokens where the store has changed.
	Digest func() string
	// Snapshot is when the snapshot of the store was made, the zero time where there
	// is none.
	Snapshot func() time.Time
}

// Tokens are numbers of tokens.
type Tokens struct {
	States   map[string]int
	Expiring map[string]int // by the durations within which they expire
}

// Drop is a drop directory.
type Drop struct {
	Name    string
	OK      bool
	Waiting map[string]int // patches, by what they wait for
	// Withheld is how many tokens no patch states, and are not pruned.
	Withheld int
}

// Descriptions of what is asked for at a scrape.
var (
	readyDesc    = describe("tokendrop_ready", "Whether gates answer.")
	storeDesc    = describe("tokendrop_store_writable", "Whether the store can be written to; while it cannot, as with a full disk, patches wait.")
	dropDesc     = describe("tokendrop_drop_directory_ok", "Whether a drop directory is watched, and patches in it are applied.", "drop")
	heldDesc     = describe("tokendrop_prune_withheld", "Tokens that no patch of a drop directory states any more, and that are not pruned; tokendrop status says why.", "drop")
	waitingDesc  = describe("tokendrop_patches_waiting", "Patches without an outcome, by what they wait for; none where there are none.", "drop", "reason")
	tokensDesc   = describe("tokendrop_tokens", "Tokens by state: the first of blocked, disabled, expired, active that holds. Counted anew every few seconds where there are very many.", "state")
	expiringDesc = describe("tokendrop_tokens_expiring", "Active tokens that expire within that time, those of the shorter ones included. Counted with tokendrop_tokens.", "within")
	stateDesc    = describe("tokendrop_state_info", "Constant 1, with the digest of all tokens and users: hosts of equal digests answer alike. Taken anew when that has changed and a few seconds have passed; absent while it keeps changing.", "digest")
	snapshotDesc = describe("tokendrop_snapshot_timestamp_seconds", "When the snapshot beside the store was made, which a damaged store is restored from; absent where there is none.")
	appliedDesc  = describe("tokendrop_last_applied_timestamp_seconds", "When a patch was installed last, since the start; absent before the first.")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// state asks a Source whenever it is collected.
type state struct {
	*Metrics
	source Source
	tokens paced[Tokens]
	digest paced[string]
}

func newState(m *Metrics, source Source) *state {
	return &state{
		Metrics: m, source: source,
		tokens: paced[Tokens]{count: source.Tokens, now: m.now}, digest: paced[string]{count: source.Digest, now: m.now},
	}
}

// Describe implements prometheus.Collector.
func (s *state) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{readyDesc, storeDesc, dropDesc, heldDesc, waitingDesc, tokensDesc, expiringDesc, stateDesc, snapshotDesc, appliedDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s *state) Collect(ch chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	gauge(readyDesc, number(s.source.Ready()))
	gauge(storeDesc, number(s.source.Writable()))
	if at := s.applied.Load(); at != 0 {
		gauge(appliedDesc, float64(at)/1000)
	}
	if at := s.source.Snapshot(); !at.IsZero() {
		gauge(snapshotDesc, float64(at.UnixMilli())/1000)
	}
	names := s.names.Load().drops
	for _, d := range s.source.Drops() {
		name, ok := names[d.Name]
		if !ok {
			continue // it has just come, or is on its way out
		}
		gauge(dropDesc, number(d.OK), name)
		gauge(heldDesc, float64(d.Withheld), name)
		for reason, n := range d.Waiting {
			gauge(waitingDesc, float64(n), name, reason)
		}
	}
	tokens := s.tokens.get()
	for state, n := range tokens.States {
		gauge(tokensDesc, float64(n), state)
	}
	for within, n := range tokens.Expiring {
		gauge(expiringDesc, float64(n), within)
	}
	if digest := s.digest.get(); digest != "" {
		gauge(stateDesc, 1, digest)
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
	info := version.Get()
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tokendrop_build_info", Help: "Constant 1, with the versions of tokendrop and of Go.",
		ConstLabels: prometheus.Labels{"version": info.Version, "goversion": info.Go},
	}, func() float64 { return 1 })
}

// share is which part of one processor it may take to go through all tokens: a
// 20th.
const share = 20

// paced counts again when that is due, and remembers it until then.
type paced[T any] struct {
	count func() T
	now   func() time.Time

	mu   sync.Mutex
	last T
	due  time.Time
}

func (p *paced[T]) get() T {
	p.mu.Lock()
	defer p.mu.Unlock()
	began := p.now()
	if !began.Before(p.due) {
		p.last = p.count()
		ended := p.now()
		p.due = ended.Add((share - 1) * ended.Sub(began))
	}
	return p.last
}
