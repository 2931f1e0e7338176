package verify

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokendrop/tokendrop/store"
)

// dialed is a new connection to a server whose listener has no other.
func dialed(t *testing.T, h http.Handler) (client net.Conn, s *Server) {
	t.Helper()
	client, served := net.Pipe()
	l := &once{make(chan net.Conn, 1), make(chan struct{})}
	l.conn <- served
	t.Cleanup(func() { _ = client.Close() })
	return client, serveOn(t, h, l)
}

// says writes, and reads the status of the answer.
func says(t *testing.T, conn net.Conn, text string) int {
	t.Helper()
	go func() { _, _ = io.WriteString(conn, text) }()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Errorf("%q is answered with %v", text, err)
		return 0
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// closes tells how long it takes until the server closes a connection.
func closes(conn net.Conn) time.Duration {
	began := time.Now()
	_, _ = io.Copy(io.Discard, conn)
	return time.Since(began)
}

// Who says nothing, or does not finish, is waited for as long as net/http waits.
func TestConnectionsTimeOut(t *testing.T) {
	for name, tt := range map[string]struct {
		first, then string
		want        time.Duration
	}{
		"silent":             {"", "", headerTimeout},
		"slow":               {"", plainLine + "X: ", headerTimeout},
		"silent, then idle":  {talk["yes"], "", idleTimeout},
		"idle, then slow":    {talk["yes"], plainLine + "X: ", headerTimeout},
		"slow after a while": {talk["no token"], "GET /ver", headerTimeout},
	} {
		synctest.Test(t, func(t *testing.T) {
			conn, _ := dialed(t, testHandler(t, goodRecord(t)))
			if tt.first != "" {
				says(t, conn, tt.first)
				<-time.After(idleTimeout / 2)
				says(t, conn, tt.first)
			}
			if tt.then != "" {
				_, _ = io.WriteString(conn, tt.then)
			}
			if took := closes(conn); took < tt.want || took > tt.want+2*deadlineStep {
				t.Errorf("%s: closed after %v, want %v", name, took, tt.want)
			}
		})
	}
}

// A body that was announced is not waited for, whether it comes or not, and what
// comes is never taken for another request.
func TestBodiesAreNotWaitedFor(t *testing.T) {
	announced := strings.Replace(talk["yes"], "\r\n\r\n", "\r\nContent-Length: 5\r\n\r\n", 1)
	for name, text := range map[string]string{"it never comes": announced, "it comes": announced + "12345" + talk["yes"]} {
		synctest.Test(t, func(t *testing.T) {
			conn, _ := dialed(t, testHandler(t, goodRecord(t)))
			began := time.Now()
			if status := says(t, conn, text); status != http.StatusOK || time.Since(began) > 0 {
				t.Errorf("%s: %d after %v", name, status, time.Since(began))
			}
			if rest, err := io.ReadAll(conn); len(rest) > 0 || err != nil {
				t.Errorf("%s: then comes %q, %v", name, rest, err)
			}
		})
	}
}

// Who does not read the answer is cut off.
func TestAnswersTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, _ := dialed(t, testHandler(t, goodRecord(t)))
		_, _ = io.WriteString(conn, talk["yes"])
		<-time.After(answerTimeout + 2*deadlineStep)
		if _, err := io.WriteString(conn, talk["yes"]); err == nil {
			t.Error("the connection is open")
		}
	})
}

// Shutdown answers what was asked, and waits for no other connection.
func TestShutdownFinishesAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := testHandler(t, goodRecord(t))
		began, end := make(chan struct{}), make(chan struct{})
		h.Used = func(store.Used) {
			close(began)
			<-end
		}
		conn, s := dialed(t, h)
		status := make(chan int)
		go func() { status <- says(t, conn, talk["yes"]) }()
		<-began
		stopped := make(chan error)
		go func() { stopped <- s.Shutdown(t.Context()) }()
		synctest.Wait()
		select {
		case err := <-stopped:
			t.Fatalf("did not wait: %v", err)
		default:
		}
		close(end)
		if got, err := <-status, <-stopped; got != http.StatusOK || err != nil {
			t.Errorf("answered with %d, shut down with %v", got, err)
		}
		if closes(conn) > 0 {
			t.Error("the connection stays open")
		}
	})
}

// What waits for a question is closed at once.
func TestShutdownEndsIdleConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, s := dialed(t, testHandler(t, goodRecord(t)))
		says(t, conn, talk["yes"])
		began := time.Now()
		if err := s.Shutdown(t.Context()); err != nil || time.Since(began) > 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// Who keeps an answer waiting is cut off by Close.
func TestShutdownEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, s := dialed(t, testHandler(t, goodRecord(t)))
		_, _ = io.WriteString(conn, talk["yes"]) // and does not read
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_ = s.Shutdown(ctx)
		if err := s.Close(); err != nil || time.Since(began) > time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// failing is a listener that cannot accept for a while.
type failing struct {
	net.Listener
	left int
}

func (f *failing) Accept() (net.Conn, error) {
	if f.left--; f.left >= 0 {
		return nil, temporary{errors.New("too many open files")}
	}
	return f.Listener.Accept()
}

type temporary struct{ error }

func (temporary) Temporary() bool { return true }
func (temporary) Timeout() bool   { return false }

// A process that has no descriptor to spare waits, and serves on.
func TestAcceptingGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, served := net.Pipe()
		defer client.Close()
		l := &once{make(chan net.Conn, 1), make(chan struct{})}
		l.conn <- served
		serveOn(t, testHandler(t, goodRecord(t)), &failing{l, 5})
		if got := says(t, client, talk["yes"]); got != http.StatusOK {
			t.Errorf("%d", got)
		}
	})
}

// Who asks over a Unix socket is believed, whoever has read the question.
func TestUnixSocketsAreBelieved(t *testing.T) {
	h := gateHandler(t, goodRecord(t), routed(t, func(g *Gate) { g.Name = DefaultName }))
	trusting := h.Rules()
	distrusting := &Rules{Gates: trusting.Gates, Trusted: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}}
	h.Rules = func() *Rules { return distrusting }
	const text = plainLine + plainAuth + "X-Original-Method: GET\r\nX-Original-URI: /api/articles/7\r\n\r\n"
	for name, handler := range map[string]http.Handler{"own": h, "net/http": netHTTP(h)} {
		path := filepath.Join(t.TempDir(), "sock")
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		serveOn(t, handler, l)
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if got := says(t, conn, text); got != http.StatusOK {
			t.Errorf("%s: %d over a Unix socket", name, got)
		}
		conn.Close()
		if got := send(t, serve(t, handler), text); got != "403 context_missing" {
			t.Errorf("%s: %s over TCP", name, got)
		}
	}
}
