package main

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/tokendrop/tokendrop/daemon/admin"
)

const gatesConfig = `
[scope_sets]
readers = ["api::article.find*"]

[[verify.gates]]
name = "default"

[[verify.gates]]
name = "api"
proxy = "nginx"
  [[verify.gates.routes]]
  match = "GET /api/articles/{id}"
  scope = "api::article.findOne"
  [[verify.gates.routes]]
  match = "DELETE /api/articles/{id}"
  scope = "api::article.delete"

[[verify.gates]]
name = "mesh"
proxy = "envoy"
`

const manifestCustom = "tokens:\n- {action: create, user: /users/root, name: a, token: '" + tokenA + "', type: custom, scope_sets: [readers], allowed_ips: [192.0.2.0/24]}\n"

// asked asks a gate about a token, with what the proxy says.
func (m *machine) asked(path, token string, header ...string) *http.Response {
	m.t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://tokendrop"+path, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	resp, err := m.http.Do(req)
	if err != nil {
		m.t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

// A configured gate decides on what its proxy says, the command line tells the
// same, and SIGHUP replaces gates under way.
func TestGates(t *testing.T) {
	m := newMachine(t)
	plain := m.read("../tokendrop.toml")
	m.configure(plain + gatesConfig)
	m.start()
	m.install("a.yaml", manifestCustom)
	m.install("b.toml", manifestB)

	const client = "X-Forwarded-For: 192.0.2.7"
	read := []string{"X-Original-Method: GET", "X-Original-URI: /api/articles/7?a=b", client}
	for name, tt := range map[string]struct {
		path, token string
		header      []string
		want        string
	}{
		"a scope of a set":       {"/verify/api", tokenA, read, ""},
		"a query is appended":    {"/verify/api?gate=default", tokenA, read, ""},
		"another scope":          {"/verify/api", tokenA, []string{"X-Original-Method: DELETE", read[1], client}, "scope_missing"},
		"another address":        {"/verify/api", tokenA, []string{read[0], read[1], "X-Forwarded-For: 192.0.2.7, 198.51.100.1"}, "ip_not_allowed"},
		"nothing said":           {"/verify/api", tokenA, nil, "context_missing"},
		"nobody listens":         {"/verify", tokenA, read, "context_missing"},
		"full access, no route":  {"/verify/api", tokenB, []string{read[0], "X-Original-URI: /admin"}, "context_missing"},
		"full access":            {"/verify", tokenB, nil, ""},
		"envoy":                  {"/verify/mesh/any/thing", tokenB, nil, ""},
		"envoy demands no scope": {"/verify/mesh/any/thing", tokenA, []string{client}, "context_missing"},
	} {
		if got := m.asked(tt.path, tt.token, tt.header...).Header.Get("X-Token-Reason"); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	if got := m.asked("/verify/api", tokenA, read...).Header.Get("X-Token-Scopes"); got != "api::article.find*" {
		t.Errorf("the scopes are %q", got)
	}
	m.checkVerifyCommand()

	m.configure(plain + strings.Replace(gatesConfig, `"api::article.findOne"`, `"api::article.count"`, 1))
	m.hangUp("configuration reloaded")
	if got := m.asked("/verify/api", tokenA, read...).Header.Get("X-Token-Reason"); got != "scope_missing" {
		t.Errorf("after SIGHUP: %q", got)
	}
	// What the command line asks is no use.
	if used := m.list()[0]; used.UseCount != 3 || used.LastUsedIP == nil || used.LastUsedIP.String() != "192.0.2.7" {
		t.Errorf("used %d times, last by %v", used.UseCount, used.LastUsedIP)
	}
}

func (m *machine) checkVerifyCommand() {
	m.t.Helper()
	read := []string{"--gate", "api", "--method", "GET", "--uri", "/api/articles/7", "--ip", "192.0.2.7"}
	for want, args := range map[string][]string{
		"":                read,
		"scope_missing":   {"--gate", "api", "--method", "DELETE", "--uri", "/api/articles/7", "--ip", "192.0.2.7"},
		"ip_not_allowed":  {"--gate=api", "--ip=198.51.100.1"},
		"context_missing": {"--method", "GET", "--uri", "/api/articles/7", "--ip", "192.0.2.7"},
	} {
		cmd := exec.Command("tokendrop", append([]string{"verify", "-", "-o", "json", "--config", m.config()}, args...)...)
		cmd.Stdin = strings.NewReader(tokenA + "\n")
		out, err := cmd.Output()
		var v admin.Verdict
		if err := json.Unmarshal(out, &v); err != nil {
			m.t.Fatal(err)
		}
		if v.Reason != want || v.Active != (want == "") || (err == nil) != v.Active {
			m.t.Errorf("%q: %s, %v", args, out, err)
		}
	}
	if out, err := m.run("verify", tokenA, "--gate", "nothere"); err == nil || !strings.Contains(err.Error(), "the configuration has api, default, mesh") {
		m.t.Errorf("a gate that is not there: %s, %v", out, err)
	}
	for _, ip := range []string{"localhost", "192.0.2.0/24", "fe80::1%eth0"} {
		if _, err := m.run("verify", tokenA, "--ip", ip); err == nil || !strings.Contains(err.Error(), "exit status 2") {
			m.t.Errorf("--ip %s: %v", ip, err)
		}
	}
}
