package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/tokendrop/tokendrop/patches"
)

const socketExample = moduleRoot + "/examples/admin-socket/"

// The page about the admin socket says what works: its lines are run as they
// stand there.
func TestAdminSocketExample(t *testing.T) {
	requireTool(t, "curl")
	m := newMachine(t)
	m.start()
	page, err := os.ReadFile(socketExample + "README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, script, _ := strings.Cut(string(page), "```sh\n")
	script, _, _ = strings.Cut(script, "```")
	script = strings.Replace(script, "/run/tokendrop/admin/sock", m.root+"/admin.sock", 1)
	cmd := exec.Command("sh", "-ec", strings.ReplaceAll(script, "curl ", "curl --silent --show-error --fail "))
	cmd.Dir = socketExample
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	me := patches.UserName(uint32(os.Geteuid()))
	for _, want := range []string{`"well":true`, `"outcome":"installed"`, `"result":"created"`, `"dir":"admin","path":"ci.yaml"`, `"author":"` + me + `"`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("nothing says %s in\n%s", want, out)
		}
	}
	m.checkPaths(string(page))
}

// checkPaths asks for each path of the page's table.
func (m *machine) checkPaths(page string) {
	m.t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", m.root+"/admin.sock")
		},
	}}
	rows := regexp.MustCompile("(?m)^\\| `(GET|POST) (/[a-z]+)").FindAllStringSubmatch(page, -1)
	for _, row := range rows {
		req, err := http.NewRequest(row[1], "http://tokendrop"+row[2], strings.NewReader("{"))
		if err != nil {
			m.t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			m.t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		nobody := strings.HasPrefix(string(text), "404 page") // rather than a token that is not there
		if err != nil || nobody || resp.StatusCode == http.StatusMethodNotAllowed {
			m.t.Errorf("%s %s: %s", row[1], row[2], resp.Status)
		}
	}
	if len(rows) < 10 {
		m.t.Errorf("the page has %d requests", len(rows))
	}
}
