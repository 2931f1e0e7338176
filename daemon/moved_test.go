package daemon

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/tokendrop/tokendrop/daemon/admin"
)

// Patches that are moved in at once, as a directory and one by one, are all
// applied, and verify says yes all the while. BenchmarkMovedIn of daemon/speed
// does it with more of them.
func TestMovedIn(t *testing.T) {
	const each = 300
	cfg := place(t)
	root, drop := filepath.Dir(cfg.Drops[0].Path), cfg.Drops[0].Path
	text, tok := manifest(t, 0)
	var wanted []admin.Place
	put := func(dir, name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(drop, "0.yaml", text)
	for _, dir := range []string{"moved", "files"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
		for range each {
			n := len(wanted) + 1
			text, _ := manifest(t, n)
			name := fmt.Sprintf("%d.yaml", n)
			put(filepath.Join(root, dir), name, text)
			if dir == "moved" {
				name = "moved/" + name
			}
			wanted = append(wanted, admin.Place{Dir: cfg.Drops[0].Name, Path: name})
		}
	}
	stop := start(t, cfg)
	defer stop()
	asking := newAsker(t, cfg.Verify.Listen[0].Address, tok.Reveal())
	err := os.Rename(root+"/moved", drop+"/moved")
	files, _ := filepath.Glob(root + "/files/*")
	for _, file := range files {
		if err == nil {
			err = os.Rename(file, filepath.Join(drop, filepath.Base(file)))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	looked, err := admin.NewClient(cfg.Admin.Socket).Look(t.Context(), admin.Wanted{Places: wanted, Wait: true})
	if err != nil {
		t.Fatal(err)
	}
	installed := 0
	for _, s := range looked.Seen {
		if s.Outcome == "installed" {
			installed++
		}
	}
	if installed != 2*each {
		t.Errorf("%d of %d are installed", installed, 2*each)
	}
	if n, err := asking(); n == 0 || err != nil {
		t.Errorf("after %d answers: %v", n, err)
	}
}

// newAsker asks with a token again and again, until the function is called that
// it returns, which tells how many yeses there were, and what was no yes.
func newAsker(t *testing.T, socket, text string) (end func() (int, error)) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	req, err := http.NewRequest(http.MethodGet, "http://tokendrop/verify", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+text)
	over, ended := make(chan struct{}), make(chan error, 1)
	yes := 0
	go func() {
		for {
			resp, err := client.Do(req)
			if err == nil {
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					err = fmt.Errorf("the gate says %s", resp.Status)
				}
			}
			if err != nil {
				ended <- err
				return
			}
			yes++
			select {
			case <-over:
				ended <- nil
				return
			default:
			}
		}
	}()
	return func() (int, error) {
		close(over)
		err := <-ended
		client.CloseIdleConnections()
		return yes, err
	}
}
