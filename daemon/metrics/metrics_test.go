package metrics

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/tokendrop/tokendrop/daemon/verify"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 500e6, time.UTC)

func source() Source {
	return Source{
		Ready:    func() bool { return true },
		Writable: func() bool { return false },
		Drops: func() []Drop {
			return []Drop{
				{Name: "spool", OK: true, Waiting: map[string]int{"settling": 2, "unsigned": 1}, Withheld: 5},
				{Name: "/srv/drop", OK: false},
				{Name: "gone", OK: true},
			}
		},
		Tokens: func() Tokens {
			return Tokens{States: map[string]int{"active": 3, "blocked": 0}, Expiring: map[string]int{"30d": 2, "1d": 0}}
		},
		Digest:   func() string { return "0a1b" },
		Snapshot: func() time.Time { return noon.Add(-time.Hour) },
	}
}

func configured(s Source) *Metrics {
	m := New(s, func() time.Time { return noon })
	m.Configure([]string{"default", "api"}, map[string]string{"spool": "spool", "/srv/drop": "drop"})
	return m
}

func scrape(tb testing.TB, m *Metrics) string {
	tb.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != http.StatusOK {
		tb.Fatal(w.Code, err)
	}
	return string(body)
}

// used is what something of everything has happened to.
func used() *Metrics {
	m := configured(source())
	m.Decided("default", verify.Yes)
	m.Decided("default", verify.Yes)
	m.Decided("api", verify.ContextMissing)
	m.Decided("nothere", verify.Yes)
	m.Introspected(verify.Yes)
	m.Introspected(verify.Disabled)
	m.Patch("spool", "installed")
	m.Patch("/srv/drop", "failed")
	m.Patch("/srv/nothere", "failed")
	return m
}

func TestMetrics(t *testing.T) {
	text := scrape(t, used())
	lines := strings.Split(text, "\n")
	for _, want := range []string{
		`tokendrop_verify_decisions_total{gate="default",reason="yes"} 2`,
		`tokendrop_verify_decisions_total{gate="default",reason="expired"} 0`,
		`tokendrop_verify_decisions_total{gate="api",reason="context_missing"} 1`,
		`tokendrop_introspections_total{reason="yes"} 1`,
		`tokendrop_introspections_total{reason="disabled"} 1`,
		`tokendrop_patches_total{drop="spool",outcome="installed"} 1`,
		`tokendrop_patches_total{drop="spool",outcome="failed"} 0`,
		`tokendrop_patches_total{drop="drop",outcome="failed"} 1`,
		`tokendrop_patches_waiting{drop="spool",reason="settling"} 2`,
		`tokendrop_patches_waiting{drop="spool",reason="unsigned"} 1`,
		`tokendrop_drop_directory_ok{drop="spool"} 1`,
		`tokendrop_prune_withheld{drop="spool"} 5`,
		`tokendrop_prune_withheld{drop="drop"} 0`,
		`tokendrop_drop_directory_ok{drop="drop"} 0`,
		`tokendrop_tokens{state="active"} 3`,
		`tokendrop_tokens{state="blocked"} 0`,
		`tokendrop_tokens_expiring{within="30d"} 2`,
		`tokendrop_tokens_expiring{within="1d"} 0`,
		`tokendrop_state_info{digest="0a1b"} 1`,
		`tokendrop_last_applied_timestamp_seconds 1.7803152005e+09`,
		`tokendrop_snapshot_timestamp_seconds 1.7803116005e+09`,
		`tokendrop_ready 1`,
		`tokendrop_store_writable 0`,
	} {
		if !contains(lines, want) {
			t.Errorf("no line is %s", want)
		}
	}
	for _, part := range []string{"nothere", "gone", "/srv", "tokendrop_build_info{goversion=", "process_open_fds", "go_goroutines"} {
		if got, want := strings.Contains(text, part), strings.Contains(part, "_"); got != want {
			t.Errorf("%q is there: %v", part, got)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func contains(lines []string, want string) bool {
	for _, line := range lines {
		if line == want {
			return true
		}
	}
	return false
}

// The names are as Prometheus has them, by the library that promtool judges with,
// and by promtool where it is.
func TestLint(t *testing.T) {
	m := used()
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	text := scrape(t, m)
	if problems, err = promlint.New(strings.NewReader(text)).Lint(); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Log("promtool is not installed")
		return
	}
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}

// Invariant 1: the names of all labels, and where their values come from.
func TestLabels(t *testing.T) {
	families, err := used().registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			for _, l := range metric.GetLabel() {
				if strings.HasPrefix(f.GetName(), "tokendrop_") {
					seen[l.GetName()] = true
				}
				if strings.Contains(l.GetValue(), "/") {
					t.Errorf("%s has the label %s=%q", f.GetName(), l.GetName(), l.GetValue())
				}
			}
		}
	}
	if got, want := fmt.Sprint(seen), "map[digest:true drop:true gate:true goversion:true outcome:true reason:true state:true version:true within:true]"; got != want {
		t.Errorf("the labels are %s, want %s", got, want)
	}
}

// What has not happened has no time.
func TestNothingApplied(t *testing.T) {
	from := source()
	from.Snapshot = func() time.Time { return time.Time{} }
	m := configured(from)
	m.Patch("spool", "skipped")
	m.Patch("spool", "failed")
	if text := scrape(t, m); strings.Contains(text, "\ntokendrop_last_applied") || strings.Contains(text, "\ntokendrop_snapshot") {
		t.Error(text)
	}
}

// What was counted of a gate stays when the configuration changes, also when it
// is gone for a while.
func TestConfiguredAgain(t *testing.T) {
	m := used()
	m.Configure([]string{"api"}, map[string]string{"spool": "spool"})
	m.Decided("default", verify.Yes)
	m.Configure([]string{"default"}, map[string]string{"spool": "spool"})
	m.Decided("default", verify.Yes)
	if text := scrape(t, m); !strings.Contains(text, `{gate="default",reason="yes"} 3`) || !strings.Contains(text, `{gate="api",reason="context_missing"} 1`) {
		t.Error(text)
	}
}

func TestScrapeMethods(t *testing.T) {
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "DELETE": 405, "OPTIONS": 405} {
		w := httptest.NewRecorder()
		used().Handler().ServeHTTP(w, httptest.NewRequest(method, "/metrics", nil))
		if w.Code != want {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
}

// Invariant 3: whoever asks again at once gets the last count.
func TestTokensAreCountedNowAndThen(t *testing.T) {
	now, counts := noon, 0
	p := paced[int]{now: func() time.Time { return now }, count: func() int {
		counts++
		now = now.Add(time.Second)
		return counts
	}}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {0, 1}, {18 * time.Second, 1}, {time.Second, 2}, {time.Second, 2}, {time.Hour, 3}} {
		now = now.Add(step.after)
		if got := p.get(); got != step.want {
			t.Errorf("after %v: %d, want %d", step.after, got, step.want)
		}
	}
}

// Invariant 2.
func TestDecidedDoesNotAllocate(t *testing.T) {
	m := configured(source())
	if n := testing.AllocsPerRun(100, func() { m.Decided("default", verify.Expired) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecided(b *testing.B) {
	m := configured(source())
	b.ReportAllocs()
	for b.Loop() {
		m.Decided("default", verify.Yes)
	}
}

func BenchmarkScrape(b *testing.B) {
	m := used()
	b.ReportAllocs()
	for b.Loop() {
		scrape(b, m)
	}
}
