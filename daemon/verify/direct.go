package verify

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
)

// Direct has a NewServer write the answers of gates to the connections of a
// listener in the form in which they are sent. net/http reads the requests,
// and decides on all that concerns the connection; but it is spared the
// headers, for which it needs longer than the decision does. Connections that
// TLS is spoken over are as they were.
func Direct(l net.Listener) net.Listener { return directListener{l} }

type directListener struct{ net.Listener }

// Accept implements net.Listener.
func (l directListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &directConn{Conn: c}, nil
}

// directConn writes an answer in the place of the stub that net/http writes. It
// belongs to the goroutine that serves it.
type directConn struct {
	net.Conn

	answering bool
	line      string // of the status
	rest      []byte // what follows the stub's own headers: the others, and the body

	head, body, out []byte // memory
}

// The stub has no headers but those that net/http adds itself. No proxy takes
// its status for a yes.
const (
	stubStatus = http.StatusNotModified
	stubLine   = "HTTP/1.1 304 Not Modified\r\n"
	lineEnd    = "\r\n"
)

var errStub = errors.New("net/http did not write the answer that it was given")

type directKey struct{}

// withDirect is a ConnContext.
func withDirect(ctx context.Context, c net.Conn) context.Context {
	if d, ok := c.(*directConn); ok {
		return context.WithValue(ctx, directKey{}, d)
	}
	return ctx
}

// directly is the connection that a request is answered on directly, nil if
// net/http has to do more than that.
func directly(r *http.Request) *directConn {
	if r.ProtoMajor != 1 || r.ProtoMinor != 1 || r.Method == http.MethodHead {
		return nil
	}
	c, _ := r.Context().Value(directKey{}).(*directConn)
	return c
}

// answer answers with a status line, and with what follows the headers that
// concern the connection.
func (c *directConn) answer(w http.ResponseWriter, line string, rest []byte) {
	c.answering, c.line, c.rest = true, line, rest
	w.WriteHeader(stubStatus)
}

// Write implements net.Conn. The stub is one write, because it is small.
func (c *directConn) Write(text []byte) (int, error) {
	if !c.answering {
		return c.Conn.Write(text)
	}
	c.answering = false
	headers, isStub := bytes.CutPrefix(text, []byte(stubLine))
	headers, isWhole := bytes.CutSuffix(headers, []byte(lineEnd))
	if !isStub || !isWhole {
		return 0, errStub
	}
	c.out = append(append(append(c.out[:0], c.line...), headers...), c.rest...)
	if _, err := c.Conn.Write(c.out); err != nil {
		return 0, err
	}
	return len(text), nil
}

// CloseWrite is for net/http, which looks for it before it cuts off who still
// writes.
func (c *directConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// statusLine is the first line of an answer.
func statusLine(status int) string {
	return "HTTP/1.1 " + strconv.Itoa(status) + " " + http.StatusText(status) + lineEnd
}

// appendBody ends a head with the headers that every answer has, and appends
// the body.
func appendBody(head, body []byte) []byte {
	head = append(head, "Cache-Control: no-store\r\nContent-Type: application/json\r\nContent-Length: "...)
	head = strconv.AppendInt(head, int64(len(body)), 10)
	return append(append(head, "\r\n\r\n"...), body...)
}
