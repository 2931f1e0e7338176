package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const examplesDir = moduleRoot + "/examples/"

// site is a service behind a proxy that asks a daemon, as a folder of examples
// has it.
type site struct {
	*machine
	gate, app, front string // addresses
	reached          atomic.Int32
}

// newSite starts the service, and the daemon with the example's configuration
// and tokens. Those of the office are good from officeAddress.
func newSite(t *testing.T, folder string) *site {
	t.Helper()
	l, err := net.Listen("tcp", officeAddress+":0")
	if err != nil {
		skip(t, "127.0.0.1 is the only loopback address here")
	}
	l.Close()
	s := &site{machine: newMachine(t), gate: freeAddress(t), front: freeAddress(t)}
	app := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(app.Close)
	s.app = app.Listener.Addr().String()
	s.configure(fmt.Sprintf("[store]\npath = %q\n[admin]\nsocket = %q\n", s.root+"/store", s.root+"/admin.sock") +
		s.example(folder+"/tokendrop.toml", "/var/spool/tokendrop", s.drop))
	s.start()
	s.install("tokens.yaml", s.example(folder+"/tokens.yaml", "192.0.2.0/24", officeAddress+"/32"))
	return s
}

// example is a file of an example, with this site's addresses.
func (s *site) example(file string, replacements ...string) string {
	s.t.Helper()
	text, err := os.ReadFile(examplesDir + file)
	if err != nil {
		s.t.Fatal(err)
	}
	replacements = append(replacements, "127.0.0.1:7575", s.gate, "127.0.0.1:9000", s.app)
	return strings.NewReplacer(replacements...).Replace(string(text))
}

// freeAddress is an address where nobody listens, with a port that no outgoing
// connection takes meanwhile.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprint("127.0.0.1:", 10_000+rand.N(20_000))
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

// write makes a file of the site.
func (s *site) write(name, text string) (path string) {
	s.t.Helper()
	path = s.root + "/" + name
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// runProxy starts the proxy, and waits until it listens.
func (s *site) runProxy(name string, args ...string) {
	s.t.Helper()
	output := &logBuffer{}
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "HOME="+s.root, "XDG_CONFIG_HOME="+s.root, "XDG_DATA_HOME="+s.root)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = groupAs(nil)
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	s.t.Cleanup(func() {
		_ = killGroup(cmd.Process.Pid)
		<-ended
		if s.t.Failed() {
			s.t.Logf("%s says:\n%s", name, output)
		}
	})
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		if conn, err := net.Dial("tcp", s.front); err == nil {
			conn.Close()
			return
		}
		select {
		case <-tick.C:
		case <-ended:
			s.t.Fatalf("%s has ended:\n%s", name, output)
		case <-deadline:
			s.t.Fatalf("%s does not listen:\n%s", name, output)
		}
	}
}

// seen is a request as it has reached the service.
type seen struct {
	Method, URI, Body string
	Header            http.Header
}

// serve answers with the request itself.
func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	s.reached.Add(1)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_ = json.NewEncoder(w).Encode(seen{r.Method, r.RequestURI, string(body), r.Header})
}

// call is what a client sends. Nothing of it is cleaned on the way.
type call struct {
	token, method, uri string
	header             []string // lines
	body               string
	from               string // an address of the loopback network
}

const (
	officeAddress    = "127.0.0.2"
	elsewhereAddress = "127.0.0.3"
)

// answer is what comes back. Seen is nil unless the service has answered.
type answer struct {
	status int
	header http.Header
	seen   *seen
}

// String is the status, with the reason of a refusal.
func (a *answer) String() string {
	return strings.TrimSpace(fmt.Sprint(a.status, " ", a.header.Get("X-Token-Reason")))
}

// call makes a request of the proxy.
func (s *site) call(c call) *answer {
	s.t.Helper()
	if c.from == "" {
		c.from = elsewhereAddress
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(c.from)}, Timeout: patience}
	conn, err := dialer.DialContext(context.Background(), "tcp", s.front)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	before := s.reached.Load()
	if _, err := io.WriteString(conn, c.text()); err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		s.t.Fatalf("%+v: %v", c, err)
	}
	defer resp.Body.Close()
	a := &answer{status: resp.StatusCode, header: resp.Header}
	if s.reached.Load() == before {
		return a
	}
	a.seen = new(seen)
	if err := json.NewDecoder(resp.Body).Decode(a.seen); err != nil {
		s.t.Fatalf("%+v: %s: %v", c, resp.Status, err)
	}
	return a
}

// text is the request as it is sent.
func (c *call) text() string {
	lines := []string{c.method + " " + c.uri + " HTTP/1.1", "Host: api.example"}
	if c.token != "" {
		lines = append(lines, "Authorization: Bearer "+c.token)
	}
	lines = append(lines, c.header...)
	if c.body != "" && !strings.Contains(strings.Join(c.header, "\n"), "Transfer-Encoding") {
		lines = append(lines, fmt.Sprint("Content-Length: ", len(c.body)))
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + c.body
}
