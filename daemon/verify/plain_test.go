package verify

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log" //nolint:depguard // the type of http.Server.ErrorLog
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokendrop/tokendrop/store"
)

// scripted is a connection that says what it was given, in so many pieces, and
// remembers what it is told.
type scripted struct {
	pieces [][]byte
	told   bytes.Buffer
	closed chan struct{}
}

func (s *scripted) Read(p []byte) (int, error) {
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; len(s.pieces[0]) == 0 {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

func (s *scripted) Write(p []byte) (int, error) { return s.told.Write(p) }
func (s *scripted) CloseWrite() error           { return nil }

func (s *scripted) Close() error {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return nil
}

func (*scripted) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7575} }

func (*scripted) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40000} }
func (*scripted) SetDeadline(time.Time) error      { return nil }
func (*scripted) SetReadDeadline(time.Time) error  { return nil }
func (*scripted) SetWriteDeadline(time.Time) error { return nil }

// once is a listener with one connection.
type once struct {
	conn   chan net.Conn
	closed chan struct{}
}

func (o *once) Accept() (net.Conn, error) {
	select {
	case c := <-o.conn:
		return c, nil
	case <-o.closed:
		return nil, net.ErrClosed
	}
}

func (o *once) Close() error {
	select {
	case <-o.closed:
	default:
		close(o.closed)
	}
	return nil
}

func (*once) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7575} }

// quiet is a log that nobody reads.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// answersTo is all that a server answers to a connection that says this. The
// headers are sorted, and the time is cut out.
func answersTo(t *testing.T, h http.Handler, pieces ...string) (all []string) {
	t.Helper()
	c := &scripted{closed: make(chan struct{})}
	for _, p := range pieces {
		c.pieces = append(c.pieces, []byte(p))
	}
	s, l := NewServer(h, quiet()), &once{make(chan net.Conn, 1), make(chan struct{})}
	l.conn <- c
	done := make(chan error)
	go func() { done <- s.Serve(l) }()
	<-c.closed
	_ = s.Close()
	<-done
	r, asked := bufio.NewReader(&c.told), &http.Request{Method: http.MethodGet}
	if strings.Contains(strings.Join(pieces, ""), http.MethodHead) {
		asked.Method = http.MethodHead // whose answer has no body
	}
	for {
		resp, err := http.ReadResponse(r, asked)
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%v in the answers to %q", err, pieces)
		}
		all = append(all, normal(t, resp))
	}
}

func normal(t *testing.T, resp *http.Response) string {
	t.Helper()
	if resp.StatusCode == http.StatusContinue {
		return resp.Status
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.Header.Get("Date") == "" && resp.StatusCode < 400 {
		t.Errorf("an answer without its time, or cut off: %v", err)
	}
	resp.Header.Del("Date")
	var header bytes.Buffer
	_ = resp.Header.Write(&header)
	return fmt.Sprintf("%s %s %d %v %v\n%s\n%s\n", resp.Proto, resp.Status, resp.ContentLength, resp.Close, resp.TransferEncoding, &header, body)
}

// netHTTP is the handler without what Server knows of it.
func netHTTP(h *Handler) http.Handler { return http.HandlerFunc(h.ServeHTTP) }

// hostileRecord is a record whose texts try to be more than that.
func hostileRecord(t *testing.T) store.Record {
	t.Helper()
	rec := goodRecord(t)
	rec.User = "a,b=c%d é\r\nX-Token-User: root\r\n\r\n"
	rec.Labels = []store.Label{{Key: "team", Value: "x=y"}}
	return rec
}

const (
	plainLine = "GET /verify HTTP/1.1\r\nHost: x\r\n"
	plainAuth = "Authorization: Bearer " + goodToken + "\r\n"
)

// talk is what connections say: each is answered as net/http would.
var talk = map[string]string{
	"yes":                  plainLine + plainAuth + "\r\n",
	"no token":             plainLine + "\r\n",
	"an unknown token":     plainLine + "Authorization: Bearer " + opaqueToken + "\r\n\r\n",
	"no such gate":         "GET /verify/other HTTP/1.1\r\nHost: x\r\n" + plainAuth + "\r\n",
	"any method":           "BREW /verify?x=%zz HTTP/1.1\r\nHost: x\r\n" + plainAuth + "\r\n",
	"no method":            "get /verify HTTP/1.1\r\nHost: x\r\n" + plainAuth + "\r\n",
	"a bad escape":         "GET /verify/%zz HTTP/1.1\r\nHost: x\r\n" + plainAuth + "\r\n",
	"HEAD":                 "HEAD /verify HTTP/1.1\r\nHost: x\r\n" + plainAuth + "\r\n",
	"HTTP/1.0":             "GET /verify HTTP/1.0\r\n" + plainAuth + "\r\n" + plainLine + "\r\n",
	"HTTP/1.0, kept alive": "GET /verify HTTP/1.0\r\nConnection: keep-alive\r\n" + plainAuth + "\r\n" + plainLine + "\r\n",
	"closing":              plainLine + "Connection: close\r\n" + plainAuth + "\r\n" + plainLine + "\r\n",
	"closing or not":       plainLine + "Connection: close\r\nConnection: keep-alive\r\n" + plainAuth + "\r\n" + plainLine + "\r\n",
	"an upgrade":           plainLine + "Connection: upgrade\r\nUpgrade: websocket\r\n" + plainAuth + "\r\n",
	"an empty body":        "POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n" + plainAuth + "\r\n" + plainLine + "\r\n",
	"a body":               "POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n" + plainAuth + "\r\nhello" + plainLine + plainAuth + "\r\n",
	"a line after a POST":  "POST /verify HTTP/1.1\r\nHost: x\r\n" + plainAuth + "\r\n\r\n" + plainLine + plainAuth + "\r\n",
	"lines after a POST":   "POST /verify HTTP/1.1\r\nHost: x\r\n" + plainAuth + "\r\n\n\r\n\r\r\n" + plainLine + "\r\n",
	"a CR after a POST":    "POST /verify HTTP/1.1\r\nHost: x\r\n\r\n\r0 * HTTP/0.0\n\r\n",
	"a line after another": plainLine + plainAuth + "\r\n\r\n" + plainLine + "\r\n",
	"two lengths":          plainLine + "Content-Length: 0\r\nContent-Length: 0\r\n" + plainAuth + "\r\n",
	"other lengths":        plainLine + "Content-Length: 0\r\nContent-Length: 5\r\n" + plainAuth + "\r\nhello",
	"an expected body":     "POST /verify HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n" + plainAuth + "\r\nhello",
	"several":              plainLine + plainAuth + "\r\n" + plainLine + "\r\n" + plainLine + plainAuth + "\r\nGET /readyz HTTP/1.1\r\nHost: x\r\n\r\n" + plainLine + "\r\n",
	"then nonsense":        plainLine + plainAuth + "\r\nnonsense\r\n\r\n",
	"nonsense":             "nonsense\r\n\r\n",
	"nothing":              "",
	"half of it":           plainLine + "Author",
	"no host":              "GET /verify HTTP/1.1\r\n" + plainAuth + "\r\n",
	"two hosts":            plainLine + "Host: y\r\n" + plainAuth + "\r\n",
	"no host name":         "GET /verify HTTP/1.1\r\nHost:\r\n" + plainAuth + "\r\n",
	"a bad host":           "GET /verify HTTP/1.1\r\nHost: x y\r\n" + plainAuth + "\r\n",
	"bare LF":              "GET /verify HTTP/1.1\nHost: x\n" + strings.TrimSpace(plainAuth) + "\n\n",
	"a bare LF":            plainLine + "X: y\n" + plainAuth + "\r\n",
	"a bare CR":            plainLine + "X: y\rz\r\n" + plainAuth + "\r\n",
	"folded":               plainLine + "X: y\r\n " + plainAuth + "\r\n",
	"NUL":                  plainLine + "X: \x00\r\n" + plainAuth + "\r\n",
	"beyond ASCII":         plainLine + "X: \xff\r\n" + plainAuth + "\r\n",
	"a space too many":     plainLine + "Authorization : Bearer " + goodToken + "\r\n\r\n",
	"no name":              plainLine + ": x\r\n" + plainAuth + "\r\n",
	"no colon":             plainLine + "x\r\n" + plainAuth + "\r\n",
	"two tokens":           plainLine + plainAuth + "x-api-key: x\r\n\r\n",
	"many headers":         plainLine + strings.Repeat("X-Forwarded-For: 192.0.2.1\r\n", 200) + plainAuth + "\r\n",
	"a large header":       plainLine + "X: " + strings.Repeat("y", maxHead) + "\r\n" + plainAuth + "\r\n",
	"too large a header":   plainLine + "X: " + strings.Repeat("y", 40<<10) + "\r\n" + plainAuth + "\r\n",
}

// Invariant 12: whoever asks cannot tell who has read the question, in whatever
// pieces it comes.
func TestPlainAnswersAreTheSame(t *testing.T) {
	for name, text := range talk {
		synctest.Test(t, func(t *testing.T) {
			h := testHandler(t, hostileRecord(t))
			want := answersTo(t, netHTTP(h), text)
			if strings.Contains(name, "yes") && len(want) != 1 {
				t.Errorf("%s: %q", name, want)
			}
			for _, cut := range []int{0, 1, len(text) / 2, max(0, len(text)-1)} {
				cut = min(cut, len(text))
				if got := answersTo(t, h, text[:cut], text[cut:]); !slices.Equal(got, want) {
					t.Errorf("%s, cut at %d:\n%q\nwant\n%q", name, cut, got, want)
				}
			}
		})
	}
}

// A Transfer-Encoding is refused whatever it is, and nothing is read after it:
// net/http says 501 to one that it does not know, and does not see one of HTTP/1.0.
func TestNothingFollowsTransferEncoding(t *testing.T) {
	for _, text := range []string{
		"POST /verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + plainAuth + "\r\n0\r\n\r\n" + plainLine + plainAuth + "\r\n",
		plainLine + "Transfer-Encoding: gzip\r\n" + plainAuth + "\r\n" + plainLine + plainAuth + "\r\n",
		plainLine + "transfer-encoding: chunked\r\nContent-Length: 5\r\n" + plainAuth + "\r\n0\r\n\r\n" + plainLine + plainAuth + "\r\n",
		"GET /verify HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n" + plainAuth + "\r\n" + plainLine + plainAuth + "\r\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			got := answersTo(t, testHandler(t, hostileRecord(t)), text)
			if len(got) != 1 || !strings.Contains(got[0], " 401 ") || !strings.Contains(got[0], "malformed_request") || !strings.Contains(got[0], " true []") {
				t.Errorf("%q is answered with %q", text, got)
			}
		})
	}
}

// FuzzAnswers compares what is answered with what net/http alone would answer.
func FuzzAnswers(f *testing.F) {
	for _, text := range talk {
		f.Add(text, 20)
	}
	f.Fuzz(func(t *testing.T, text string, cut int) {
		if strings.Contains(strings.ToLower(text), "transfer-encoding") || strings.Contains(text, http.MethodHead) {
			t.Skip("is refused more strictly, or answered without a body")
		}
		for few := 1; few < 4; few++ {
			if strings.HasSuffix(text[:max(0, len(text)-few)], "\r\n\r\n") {
				t.Skip("net/http says nothing to a first few bytes, unless they are the very first")
			}
		}
		cut = min(max(cut, 0), len(text))
		synctest.Test(t, func(t *testing.T) {
			h := testHandler(t, hostileRecord(t))
			want, got := answersTo(t, netHTTP(h), text), answersTo(t, h, text[:cut], text[cut:])
			if !slices.Equal(got, want) {
				t.Errorf("%q, cut at %d:\n%q\nwant\n%q", text, cut, got, want)
			}
		})
	})
}

// FuzzHead compares what a plain head says with what net/http reads in it.
func FuzzHead(f *testing.F) {
	for _, text := range talk {
		f.Add(text)
	}
	f.Add("GET /verify/x%2f/y?z HTTP/1.1\r\nhost:[::1]:80\r\nX-Forwarded-For: \t1 , 2\t\r\nx-forwarded-for:3\r\nX-Http-Method: \r\nX-API-KEY:k\r\n\r\n")
	f.Add("GET /verify HTTP/1.1\r\nHost: x\r\nX_HTTP-METHOD: a\r\nx-method_override: b\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		h := new(head)
		if !h.read(text) || h.encoded {
			return
		}
		in := bufio.NewReader(strings.NewReader(text))
		r, err := http.ReadRequest(in)
		if errors.As(err, new(url.EscapeError)) {
			t.Skip("a bad escape is for the gate to refuse")
		}
		if err != nil {
			t.Fatalf("net/http does not read %q: %v", text, err)
		}
		if _, err := in.Peek(1); err == nil || r.ContentLength != 0 {
			t.Errorf("net/http reads less of %q, or more", text)
		}
		want := saidBy(r, strings.TrimPrefix(r.RequestURI, verifyPath))
		if h.method != want.method || h.rest != want.rest || h.old == r.ProtoAtLeast(1, 1) || h.last != (r.Close || h.old) {
			t.Errorf("%q: %+v, want %+v", text, h, want)
		}
		for i := range h.fields {
			if !slices.Equal(h.fields[i], want.fields[i]) {
				t.Errorf("%q: %s is %q, want %q", text, spokenNames[i], h.fields[i], want.fields[i])
			}
		}
	})
}

// A server that panics goes on answering others, and says so.
func TestPanicIsContained(t *testing.T) {
	h := testHandler(t, goodRecord(t))
	used := h.Used
	h.Used = func(store.Used) { panic("used") }
	if got := answersTo(t, h, talk["yes"]); len(got) != 0 {
		t.Errorf("%q", got)
	}
	h.Used = used
	if got := answersTo(t, h, talk["yes"]); len(got) != 1 {
		t.Errorf("%q", got)
	}
}
