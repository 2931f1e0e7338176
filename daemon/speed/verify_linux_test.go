package speed

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/tokendrop/tokendrop/store/token"
)

const (
	connections = 32
	rounds      = 5
	lasts       = 1200 * time.Millisecond
	// asked is how many different tokens are presented at most. Each is written
	// down when it is used first, and once a minute from then on.
	asked = 10_000
	// settles is how long a server is asked before it is measured.
	settles = 3 * time.Second
)

// BenchmarkVerify compares a yes with the empty handler and nginx, and with
// refusals, with 1,000 tokens.
func BenchmarkVerify(b *testing.B) { benchmark(b, 1000) }

// BenchmarkVerifyMillion is BenchmarkVerify with 1,000,000 tokens.
func BenchmarkVerifyMillion(b *testing.B) { benchmark(b, 1_000_000) }

func benchmark(b *testing.B, n int) {
	defer alone(b)()
	all := tokens(b, n, 1)
	root, size := place(b, all)
	verify := start(b, "verify", 200, ours(root))
	empty := start(b, "empty handler", 204, ours(""))
	asks := presenting(texts(every(all, asked)))
	unknown := presenting(texts(tokens(b, 1000, 2)))
	subjects := []*subject{
		{server: empty, requests: asks, status: 204},
		{server: verify, requests: asks, status: 200},
		{server: verify, named: "verify, a refusal", requests: unknown, status: 401},
	}
	if program, err := exec.LookPath("nginx"); err == nil {
		s := start(b, "nginx with a map", 204, nginx(b, program, all))
		subjects = append(subjects, &subject{server: s, requests: asks, status: 204})
	} else {
		b.Log("nginx is not installed, and is not compared with")
	}
	for _, s := range subjects {
		s.open(b)
		s.round(b, settles)
		s.measured = nil
	}
	for b.Loop() {
		for range rounds {
			for _, s := range subjects {
				s.round(b, lasts)
			}
		}
	}
	base, yes, no := subjects[0], subjects[1], subjects[2]
	b.Logf("%d tokens, %d different ones presented, %d connections, %s, %s:\n%s", n, len(asks), connections, runtime.Version(), machine(), table(b, subjects))
	b.Logf("the daemon was ready after %.2f s and takes %.0f bytes a token on disk", verify.started.Seconds(), size)
	b.ReportMetric(yes.median(measure.rate)/base.median(measure.rate), "of-empty")
	b.ReportMetric(no.median(measure.cpu)/yes.median(measure.cpu), "no/yes-cpu")
	b.ReportMetric(verify.resident(b), "MiB")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkVerifyAlike compares how long the refusals take that must not be told
// apart: whatever is known of a token, and however much.
func BenchmarkVerifyAlike(b *testing.B) {
	defer alone(b)()
	const each = 20_000
	all := tokens(b, 1000, 1)
	large := tokens(b, 1000, 3)
	root, _ := place(b, all, large...)
	verify := start(b, "verify", 200, ours(root))
	var requests [][]byte
	strangers := presenting(texts(tokens(b, len(all), 2)))
	for i := range all {
		wrong := func(of []token.Token) []byte { // the key, and another one's secret
			return presenting([]string{of[i].Reveal()[:22] + of[(i+1)%len(of)].Reveal()[22:]})[0]
		}
		requests = append(requests, strangers[i], wrong(all), wrong(large), presenting([]string{all[i].Reveal()[:43] + "!"})[0])
	}
	l, err := connect(verify.address, 1, 401, requests)
	if err != nil {
		b.Fatal(err)
	}
	defer l.close()
	names := []string{"unknown key", "wrong secret", "wrong secret of a large token", "malformed"}
	medians := make([]float64, len(names))
	for b.Loop() {
		a, err := l.round(time.Minute, len(names)*each)
		if err != nil {
			b.Fatal(err)
		}
		for kind := range medians {
			var took []float64
			for i := kind; i < a.count; i += len(medians) {
				took = append(took, float64(a.took[i].Nanoseconds())/1000)
			}
			medians[kind] = median(took)
			b.Logf("%s: median of %d is %.2f µs", names[kind], len(took), medians[kind])
		}
	}
	b.ReportMetric(100*(slices.Max(medians)/slices.Min(medians)-1), "%difference")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkVerifyApplying is how verify fares while 10,000 patches are applied,
// with 1,000 tokens.
func BenchmarkVerifyApplying(b *testing.B) { benchmarkApplying(b, 1000) }

// BenchmarkVerifyApplyingMillion is BenchmarkVerifyApplying with 1,000,000 tokens.
func BenchmarkVerifyApplyingMillion(b *testing.B) { benchmarkApplying(b, 1_000_000) }

func benchmarkApplying(b *testing.B, n int) {
	defer alone(b)()
	const patches = 10_000
	all := tokens(b, n, 1)
	root, _ := place(b, all)
	verify := start(b, "verify", 200, ours(root))
	l, err := connect(verify.address, connections, 200, presenting(texts(every(all, asked))))
	if err != nil {
		b.Fatal(err)
	}
	defer l.close()
	l.until(b, func(passed time.Duration) bool { return passed > settles })
	var slower []float64
	round := 0
	for b.Loop() {
		for range rounds {
			next := fmt.Sprintf("%s/%d", root, round)
			write(b, next, tokens(b, patches, byte(10+round)), round)
			round++
			idle := l.until(b, func(passed time.Duration) bool { return passed > settles })
			dropped := root + "/drop/" + filepath.Base(next)
			if err := os.Rename(next, dropped); err != nil {
				b.Fatal(err)
			}
			applying := l.until(b, func(time.Duration) bool { return installed(b, dropped) == patches })
			slower = append(slower, float64(applying.p99)/float64(idle.p99))
			b.Logf("idle: %.0f/s, p50 %v, p99 %v; while %d patches are applied, for %v: %.0f/s, p50 %v, p99 %v, %.1f times",
				idle.rate(), idle.p50, idle.p99, patches, applying.elapsed.Round(time.Millisecond), applying.rate(), applying.p50, applying.p99, slower[len(slower)-1])
		}
	}
	b.ReportMetric(median(slower), "p99/idle")
	b.ReportMetric(slices.Max(slower), "p99/idle-worst")
	b.ReportMetric(0, "ns/op")
}

// until asks until it is done.
func (l *load) until(b *testing.B, done func(passed time.Duration) bool) answered {
	b.Helper()
	var took []time.Duration
	began := time.Now()
	for !done(time.Since(began)) {
		a, err := l.round(200*time.Millisecond, 0)
		if err != nil {
			b.Fatal(err)
		}
		if took = append(took, a.took...); time.Since(began) > 2*time.Minute {
			b.Fatal("the patches are not applied")
		}
	}
	return summary(took, time.Since(began))
}

// write writes a patch for each token into a new directory.
func write(b *testing.B, dir string, all []token.Token, n int) {
	b.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		b.Fatal(err)
	}
	for i, t := range all {
		text := fmt.Sprintf("tokens:\n  - action: create\n    user: /patched/u%d\n    name: token-%d-%d\n    key: %s\n    digest: %s\n    expires_at: 2099-12-31\n", i%100, n, i, t.Key, t.Digest())
		if err := os.WriteFile(fmt.Sprintf("%s/%05d.yaml", dir, i), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
}

func installed(b *testing.B, dir string) (n int) {
	b.Helper()
	d, err := os.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".installed") {
			n++
		}
	}
	return n
}

// subject is what is asked in turn with others.
type subject struct {
	server   *server
	named    string // the server's name if it is empty
	requests [][]byte
	status   int
	load     *load
	measured []measure
}

// measure is what one round has shown.
type measure struct {
	answered
	used used // by the server
}

func (m measure) rate() float64    { return m.answered.rate() }
func (m measure) median() float64  { return float64(m.p50.Microseconds()) }
func (m measure) slowest() float64 { return float64(m.p99.Microseconds()) }
func (m measure) cpu() float64     { return float64(m.used.CPU.Nanoseconds()) / float64(m.count) / 1000 }
func (m measure) mallocs() float64 { return float64(m.used.Mallocs) / float64(m.count) }

func (s *subject) open(b *testing.B) {
	b.Helper()
	var err error
	if s.load, err = connect(s.server.address, connections, s.status, s.requests); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.load.close)
}

func (s *subject) round(b *testing.B, lasts time.Duration) {
	b.Helper()
	before := s.server.used(b)
	a, err := s.load.round(lasts, 0)
	if err != nil {
		b.Fatalf("%s: %v", s.server.name, err)
	}
	after := s.server.used(b)
	a.took = nil
	s.measured = append(s.measured, measure{a, used{after.CPU - before.CPU, after.Mallocs - before.Mallocs}})
}

func (s *subject) median(of func(measure) float64) float64 {
	values := make([]float64, len(s.measured))
	for i, m := range s.measured {
		values[i] = of(m)
	}
	return median(values)
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// table compares subjects with the first of them.
func table(b *testing.B, subjects []*subject) string {
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\trequests/s\tratio\tp50 µs\tp99 µs\tCPU µs\tallocations\tresident MiB\t")
	for _, s := range subjects {
		name := s.named
		if name == "" {
			name = s.server.name
		}
		rate := s.median(measure.rate)
		fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%.0f\t%.0f\t%.2f\t%.1f\t%.0f\t\n", name, rate, rate/subjects[0].median(measure.rate),
			s.median(measure.median), s.median(measure.slowest), s.median(measure.cpu), s.median(measure.mallocs), s.server.resident(b))
	}
	_ = w.Flush()
	return text.String()
}

// machine is the processor's name.
func machine() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	_, name, _ := strings.Cut(string(text), "model name")
	name, _, _ = strings.Cut(name, "\n")
	return strings.TrimLeft(name, "\t: ")
}

// every picks some of the tokens, from all over.
func every(all []token.Token, most int) []token.Token {
	step := max(1, len(all)/most)
	var some []token.Token
	for i := 0; i < len(all); i += step {
		some = append(some, all[i])
	}
	return some
}

func texts(all []token.Token) []string {
	list := make([]string, len(all))
	for i, t := range all {
		list[i] = t.Reveal()
	}
	return list
}

// presenting are requests with each of the texts.
func presenting(texts []string) [][]byte {
	requests := make([][]byte, len(texts))
	for i, text := range texts {
		requests[i] = fmt.Appendf(nil, "GET /verify HTTP/1.1\r\nHost: tokendrop\r\nAuthorization: Bearer %s\r\n\r\n", text)
	}
	return requests
}
