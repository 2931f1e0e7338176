package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const (
	bearerText = "bearer-of-introspection-"
	edgeConfig = `
[introspect]
listen = ["unix:%[1]s/introspect.sock"]
token_file = "%[1]s/bearer"
`
)

// newEdge is a machine that answers at every kind of listener, the address at
// which it speaks TLS, and that of health.
func newEdge(t *testing.T) (m *machine, address, health string) {
	t.Helper()
	m = newMachine(t)
	address, health = freeAddress(t), freeAddress(t)
	m.writeSecret("bearer", bearerText+"1\n")
	m.newCertificate(1)
	text := strings.Replace(m.read("../tokendrop.toml"), `verify.sock"]`, fmt.Sprintf(`verify.sock", %q]
health = %q
tls_cert = "%[3]s/cert.pem"
tls_key = "%[3]s/key.pem"`, address, health, m.root), 1)
	m.configure(text + fmt.Sprintf(edgeConfig, m.root))
	return m, address, health
}

// writeSecret puts a file in the place of the one with that name.
func (m *machine) writeSecret(name, text string) {
	m.t.Helper()
	path := m.root + "/" + name
	if err := errors.Join(os.WriteFile(path+".new", []byte(text), 0o600), os.Rename(path+".new", path)); err != nil {
		m.t.Fatal(err)
	}
}

// newCertificate makes the certificate anew, with that serial number.
func (m *machine) newCertificate(serial int64) {
	m.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		m.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		m.t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		m.t.Fatal(err)
	}
	m.writeSecret("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	m.writeSecret("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
}

// socketAnswer asks over a socket of the machine, and returns the status and the body.
func (m *machine) socketAnswer(socket, method, path, bearer string, form url.Values) string {
	m.t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", m.root+"/"+socket)
		},
	}}
	req, err := http.NewRequest(method, "http://tokendrop"+path, strings.NewReader(form.Encode()))
	if err != nil {
		m.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := client.Do(req)
	if err != nil {
		m.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return fmt.Sprint(resp.StatusCode, " ", string(body))
}

func (m *machine) introspect(bearer, token string) string {
	m.t.Helper()
	return m.socketAnswer("introspect.sock", http.MethodPost, "/introspect", bearer, url.Values{"token": {token}})
}

// The bearer's file is read at the start and on SIGHUP, and one that cannot be
// used changes nothing.
func TestIntrospect(t *testing.T) {
	m, _, _ := newEdge(t)
	m.start()
	m.install("a.yaml", manifestA)
	if got := m.introspect(bearerText+"1", tokenA); !strings.HasPrefix(got, `200 {"active":true,`) || !strings.Contains(got, `"jti":"`+keyA+`"`) {
		t.Error(got)
	}
	if got := m.introspect(bearerText+"1", tokenB); got != "200 {\"active\":false}\n" {
		t.Error(got)
	}
	if got := m.socketAnswer("verify.sock", http.MethodPost, "/introspect", bearerText+"1", nil); !strings.HasPrefix(got, "404") {
		t.Errorf("at the gate's listener: %s", got)
	}
	if used := m.list()[0]; used.UseCount != 1 || used.LastUsedAt == nil || used.LastUsedIP != nil {
		t.Errorf("used %d times, at %v by %v", used.UseCount, used.LastUsedAt, used.LastUsedIP)
	}

	m.writeSecret("bearer", bearerText+" 2")
	m.hangUp("configuration not reloaded")
	if got := m.introspect(bearerText+"1", tokenA); !strings.HasPrefix(got, "200") {
		t.Errorf("after a file that cannot be used: %s", got)
	}
	m.writeSecret("bearer", bearerText+"2")
	m.hangUp("configuration reloaded")
	if got := m.introspect(bearerText+"1", tokenA); !strings.HasPrefix(got, "401") {
		t.Errorf("with the old bearer: %s", got)
	}
	if got := m.introspect(bearerText+"2", tokenA); !strings.HasPrefix(got, "200") {
		t.Errorf("with the new bearer: %s", got)
	}
	m.install("b.yaml", edit("disable", ""))
	if got := m.introspect(bearerText+"2", tokenA); got != "200 {\"active\":false}\n" {
		t.Errorf("disabled: %s", got)
	}
	if strings.Contains(m.log.String(), bearerText) {
		t.Error("the log has the bearer")
	}
	m.stop()
}

// What is told to Prometheus follows what happens, and names nobody.
func TestMetrics(t *testing.T) {
	m, _, _ := newEdge(t)
	m.start()
	m.install("a.yaml", manifestA)
	m.put("wrong.yaml", "tokens: [{action: bake}]")
	m.outcome("wrong.yaml")
	m.verify(tokenA)
	m.verify(tokenB)
	m.introspect(bearerText+"1", tokenA)
	text := m.socketAnswer("verify.sock", http.MethodGet, "/metrics", "", nil)
	for _, want := range []string{
		`tokendrop_verify_decisions_total{gate="default",reason="yes"} 1`,
		`tokendrop_verify_decisions_total{gate="default",reason="invalid_token"} 1`,
		`tokendrop_introspections_total{reason="yes"} 1`,
		`tokendrop_patches_total{drop="spool",outcome="installed"} 1`,
		`tokendrop_patches_total{drop="spool",outcome="failed"} 1`,
		`tokendrop_drop_directory_ok{drop="spool"} 1`,
		`tokendrop_tokens{state="active"} 1`,
		`tokendrop_ready 1`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("there is no line %s", want)
		}
	}
	m.configure(m.read("../tokendrop.toml") + "[[verify.gates]]\nname = 'late'\n")
	m.hangUp("configuration reloaded")
	m.asked("/verify/late", tokenA)
	text = m.socketAnswer("verify.sock", http.MethodGet, "/metrics", "", nil)
	if want := `tokendrop_verify_decisions_total{gate="late",reason="yes"} 1`; !strings.Contains(text, want) {
		t.Errorf("of a new gate there is no line %s", want)
	}
	for _, secret := range []string{tokenA, keyA, "/users/root", m.drop, "a.yaml"} {
		if strings.Contains(text, secret) {
			t.Errorf("told is %q", secret)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// TLS is spoken on TCP and not on the socket, and a renewed certificate is
// presented without a restart.
func TestTLS(t *testing.T) {
	m, address, health := newEdge(t)
	m.start()
	m.install("a.yaml", manifestA)
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	ask := func() (status int, serial string) {
		req, err := http.NewRequest(http.MethodGet, "https://"+address+"/verify", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+tokenA)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode, resp.TLS.PeerCertificates[0].SerialNumber.String()
	}
	if status, serial := ask(); status != http.StatusOK || serial != "1" {
		t.Errorf("%d with certificate %s", status, serial)
	}
	if got := m.verify(tokenA); got != "200 "+keyA {
		t.Errorf("over the socket: %s", got)
	}
	for path, want := range map[string]int{"/readyz": 200, "/healthz": 200, "/verify": 404, "/metrics": 404} {
		resp, err := client.Get("http://" + health + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("health, %s: %s", path, resp.Status)
		}
	}
	m.newCertificate(2)
	if status, serial := ask(); status != http.StatusOK || serial != "2" {
		t.Errorf("%d with certificate %s", status, serial)
	}
	m.writeSecret("key.pem", "no key")
	if status, serial := ask(); status != http.StatusOK || serial != "2" {
		t.Errorf("after a file that is no key: %d with certificate %s", status, serial)
	}
}

// The exit code is that of /readyz: while a file is waited for, when it is
// there, and when nobody answers.
func TestHealthcheck(t *testing.T) {
	m, _, _ := newEdge(t)
	if out, err := m.run("healthcheck"); err == nil || !strings.Contains(err.Error(), "exit status 1: ") || len(out) > 0 {
		t.Errorf("no daemon: %s, %v", out, err)
	}
	written, err := os.Create(m.drop + "/a.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer written.Close()
	if _, err := io.WriteString(written, manifestA); err != nil {
		t.Fatal(err)
	}
	defer m.launch().Close()
	m.waitHealth("not ready: ", 1)
	if err := written.Close(); err != nil {
		t.Fatal(err)
	}
	m.waitHealth("ready\n", 0)
	if got := m.outcome("a.yaml"); got != "installed" {
		t.Error(got)
	}
	m.stop()
	if _, err := m.run("healthcheck"); err == nil {
		t.Error("the daemon has stopped, and is healthy")
	}
}

// waitHealth asks until healthcheck prints something that begins so, and expects
// the exit code that goes with it.
func (m *machine) waitHealth(text string, code int) {
	m.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		cmd := exec.Command("tokendrop", "healthcheck", "--config", m.config())
		out, _ := cmd.Output() // judged by its code
		if strings.HasPrefix(string(out), text) {
			if got := cmd.ProcessState.ExitCode(); got != code {
				m.t.Errorf("%s with exit code %d", out, got)
			}
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			m.t.Fatalf("healthcheck says %q, not %q", out, text)
		}
	}
}
