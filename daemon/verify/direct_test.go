package verify

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store"
)

// answersTo is all that a server writes to what a connection says, until the
// server closes it or has answered as often as is said. Headers are sorted, and
// the time of the answer is cut out.
func answersTo(t *testing.T, address, text, method string, answers int) (all string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, text) // a server that has seen enough may have closed
	r := bufio.NewReader(conn)
	for range answers {
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return all + "closed"
		}
		body, err := io.ReadAll(resp.Body)
		if resp.Header.Get("Date") == "" || err != nil {
			t.Errorf("an answer without its time, or cut off: %v", err)
		}
		resp.Header.Del("Date")
		var header bytes.Buffer
		_ = resp.Header.Write(&header)
		all += fmt.Sprintf("%s %s %d %v %v\n%s\n%s\n", resp.Proto, resp.Status, resp.ContentLength, resp.Close, resp.TransferEncoding, &header, body)
	}
	return all
}

// Invariant 12: whoever asks cannot tell how an answer was written.
func TestDirectAnswersAreTheSame(t *testing.T) {
	rec := goodRecord(t)
	rec.User = "a,b=c%d é\r\nX-Token-User: root\r\n\r\n"
	rec.Labels = []store.Label{{Key: "team", Value: "x=y"}}
	h := testHandler(t, rec)
	direct, indirect := serve(t, h), serveOn(t, h, func(l net.Listener) net.Listener { return l })
	const auth = "Host: x\r\nAuthorization: Bearer " + goodToken + "\r\n"
	for name, tt := range map[string]struct {
		method, text string
		answers      int
	}{
		"yes":                  {"GET", "GET /verify HTTP/1.1\r\n" + auth + "\r\n", 1},
		"no token":             {"GET", "GET /verify HTTP/1.1\r\nHost: x\r\n\r\n", 1},
		"unknown token":        {"GET", "GET /verify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + opaqueToken + "\r\n\r\n", 1},
		"no such gate":         {"GET", "GET /verify/other HTTP/1.1\r\n" + auth + "\r\n", 1},
		"HEAD":                 {"HEAD", "HEAD /verify HTTP/1.1\r\n" + auth + "\r\n", 1},
		"HTTP/1.0":             {"GET", "GET /verify HTTP/1.0\r\n" + auth + "\r\n", 2},
		"HTTP/1.0, kept alive": {"GET", "GET /verify HTTP/1.0\r\nConnection: keep-alive\r\n" + auth + "\r\n", 1},
		"closing":              {"GET", "GET /verify HTTP/1.1\r\nConnection: close\r\n" + auth + "\r\n", 2},
		"a body":               {"POST", "POST /verify HTTP/1.1\r\nContent-Length: 5\r\n" + auth + "\r\nhelloGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 2},
		"an expected body":     {"POST", "POST /verify HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n" + auth + "\r\n", 1},
		"a chunked body":       {"POST", "POST /verify HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + auth + "\r\n0\r\n\r\n", 1},
		"several":              {"GET", "GET /verify HTTP/1.1\r\n" + auth + "\r\nGET /readyz HTTP/1.1\r\nHost: x\r\n\r\nGET /verify HTTP/1.1\r\nHost: x\r\n\r\n", 3},
		"then nonsense":        {"GET", "GET /verify HTTP/1.1\r\n" + auth + "\r\nnonsense\r\n\r\n", 1},
	} {
		got := answersTo(t, direct, tt.text, tt.method, tt.answers)
		if want := answersTo(t, indirect, tt.text, tt.method, tt.answers); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
	}
}

// written is a connection that remembers what is written.
type written struct {
	net.Conn
	text []byte
}

func (w *written) Write(text []byte) (int, error) {
	w.text = append(w.text, text...)
	return len(text), nil
}

// Invariant 12: what is not the stub is not taken for it, and nothing is sent.
func TestDirectRefusesWhatIsNoStub(t *testing.T) {
	for _, text := range []string{
		"", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 304 Not Modified\r\n\r\n", stubLine, stubLine + "Date: x\r\n\r\nbody",
	} {
		out := &written{}
		c := &directConn{Conn: out, answering: true, line: okLine, rest: []byte("\r\n")}
		if _, err := c.Write([]byte(text)); err == nil || len(out.text) > 0 {
			t.Errorf("%q: %v, %q is sent", text, err, out.text)
		}
	}
}
