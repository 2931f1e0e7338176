package main

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// dashboard is what a test looks at in Grafana's model.
type dashboard struct {
	UID    string
	Panels []struct {
		ID      int
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct{ Expr string }
	}
}

// Every panel has an identity, a place and a question that can be asked of a
// running daemon.
func TestMonitoringDashboard(t *testing.T) {
	text := exampleText(t, "monitoring/dashboard.json")
	var d dashboard
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	if d.UID == "" || len(d.Panels) == 0 {
		t.Fatalf("the dashboard is %+v", d)
	}
	type cell struct{ x, y int }
	ids, taken := map[int]bool{}, map[cell]string{}
	for _, p := range d.Panels {
		if p.ID == 0 || ids[p.ID] || p.Title == "" || len(p.Targets) == 0 {
			t.Errorf("panel %+v has no identity of its own, or asks nothing", p)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[cell{x, y}]; other != "" || x >= 24 {
					t.Errorf("%s lies over %q at %d,%d", p.Title, other, x, y)
				}
				taken[cell{x, y}] = p.Title
			}
		}
	}
	expectMetrics(t, text)
	checkQueries(t, &d)
}

// checkQueries lets promtool read what the panels ask.
func checkQueries(t *testing.T, d *dashboard) {
	t.Helper()
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			rules = append(rules, rule{"asked:" + strings.Repeat("x", len(rules)+1), strings.ReplaceAll(target.Expr, "$__rate_interval", "5m")})
		}
	}
	text, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "panels", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := t.TempDir() + "/rules.json"
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}

// Every alert is tested to fire, explained, and asks what a running daemon
// tells.
func TestMonitoringRules(t *testing.T) {
	promtool(t, "check", "config", examplesDir+"monitoring/prometheus.yml")
	promtool(t, "test", "rules", examplesDir+"monitoring/rules_test.yml")
	rules := exampleText(t, "monitoring/rules.yml")
	alerts := regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(rules, -1)
	if len(alerts) == 0 {
		t.Fatal("there are no alerts")
	}
	tests, readme := exampleText(t, "monitoring/rules_test.yml"), exampleText(t, "monitoring/README.md")
	for _, alert := range alerts {
		fires := regexp.MustCompile(`alertname: ` + alert[1] + `\n +eval_time: \w+\n +exp_alerts:\n +- exp_labels`)
		if !fires.MatchString(tests) {
			t.Errorf("no test has %s fire", alert[1])
		}
		if !strings.Contains(readme, "| "+alert[1]+" |") {
			t.Errorf("README does not explain %s", alert[1])
		}
	}
	expectMetrics(t, rules)
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	requireTool(t, "promtool")
	if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %v: %v\n%s", args, err, out)
	}
}

var metricName = regexp.MustCompile(`\b(?:tokendrop|process|go)_[a-z_]+\b`)

// expectMetrics expects that a daemon to which something of everything has
// happened tells of each metric in the text.
func expectMetrics(t *testing.T, text string) {
	t.Helper()
	names := metricName.FindAllString(text, -1)
	if len(names) == 0 {
		t.Error("no metric is named")
	}
	m := newMachine(t)
	m.start()
	m.install("a.yaml", manifestA)
	m.stop() // which makes a snapshot
	m.start()
	m.install("b.yaml", manifestA)
	writing, err := os.Create(m.drop + "/waits.yaml") // and is being written to
	if err != nil {
		t.Fatal(err)
	}
	defer writing.Close()
	var told string
	m.soon("a patch waits", func() bool {
		told = m.socketAnswer("verify.sock", http.MethodGet, "/metrics", "", nil)
		return strings.Contains(told, "\ntokendrop_patches_waiting{")
	})
	for _, name := range names {
		if !strings.Contains(told, "\n"+name+"{") && !strings.Contains(told, "\n"+name+" ") {
			t.Errorf("a running daemon tells nothing of %s", name)
		}
	}
}
