package verify

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// maxHead is how long a head may be that is not left to net/http.
const maxHead = 8 << 10

// maxSlack is how many bytes of ends of lines net/http passes over behind a POST.
const maxSlack = 4

// headEnd ends a head.
var headEnd = []byte(lineEnd + lineEnd)

// How long a connection waits, beside the limits of Server.
const (
	// restTimeout is how long the rest of a head is waited for, before net/http
	// waits for it.
	restTimeout = 100 * time.Millisecond
	// lingering is how long what is not read any more is taken in: to close
	// before could take the answer away from who still writes.
	lingering = 500 * time.Millisecond
	// deadlineStep is how late deadlines may come, because to set them takes its
	// time.
	deadlineStep = time.Second
)

// clock is what deadlines are set by, whatever time the decision is passed.
func clock() time.Time { return time.Now() } //nolint:forbidigo // package net knows no other

// conn is a connection on which plain questions are answered. It belongs to the
// goroutine that serves it, but for its deadlines.
type conn struct {
	net.Conn

	server *Server
	from   peer
	head   head
	buf    [maxHead]byte
	have   int       // bytes of buf that were read and not answered
	slack  int       // how many ends of lines may come before the next question
	timed  time.Time // when the deadlines were set last
	out    []byte    // memory
	body   []byte    // the same
}

// serve answers plain questions until there is something else: then it returns
// true, and what it has read of that is in buf. The connection is to be closed
// otherwise.
func (c *conn) serve() (other bool) {
	_ = c.SetReadDeadline(clock().Add(headerTimeout))
	for {
		size, other := c.next()
		if size == 0 {
			return other
		}
		// All that the decision is made of are parts of this text: no answer
		// could see the next request, whatever keeps it.
		if !c.head.read(string(c.buf[:size])) {
			return true
		}
		now := clock()
		out, ok := c.answer(now)
		if !ok {
			return true
		}
		c.extend(now)
		if _, err := c.Write(out); err != nil {
			return false
		}
		if c.head.method == http.MethodPost {
			c.slack = maxSlack
		}
		if c.have = copy(c.buf[:], c.buf[size:c.have]); c.head.last {
			c.linger(now)
			return false
		}
	}
}

// next waits until there is a head, and returns its size. Without one there is
// nothing more to come, or something other than a head.
func (c *conn) next() (size int, other bool) {
	for known := 0; ; {
		c.skipLineEnds()
		if end := bytes.Index(c.buf[known:c.have], headEnd); end >= 0 {
			return known + end + len(headEnd), false
		}
		known = max(0, c.have-len(headEnd)+1)
		switch {
		case c.have == len(c.buf):
			return 0, true
		case c.have > 0:
			c.timed = time.Time{}
			_ = c.SetReadDeadline(clock().Add(restTimeout)) // a Read would fail as well
		case c.server.ending.Load():
			return 0, false
		}
		n, err := c.Read(c.buf[c.have:])
		if c.have += n; err != nil && n == 0 {
			return 0, c.have > 0
		}
	}
}

// skipLineEnds drops what some clients send behind the body of a POST (RFC 9112,
// section 2.2).
func (c *conn) skipLineEnds() {
	n := 0
	for ; c.slack > 0 && n < c.have; n++ {
		if b := c.buf[n]; b != '\r' && b != '\n' {
			c.slack = 0
			break
		}
		c.slack--
	}
	if n > 0 {
		c.have = copy(c.buf[:], c.buf[n:c.have])
	}
}

// extend sets the deadlines for an answer and for the next question.
func (c *conn) extend(now time.Time) {
	if now.Sub(c.timed) <= deadlineStep {
		return
	}
	c.timed = now
	_ = c.SetWriteDeadline(now.Add(answerTimeout + deadlineStep)) // a Write would fail as well
	_ = c.SetReadDeadline(now.Add(idleTimeout + deadlineStep))
}

// linger closes for writing, and takes in what still comes.
func (c *conn) linger(now time.Time) {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok && w.CloseWrite() == nil {
		_ = c.SetReadDeadline(now.Add(lingering))
		_, _ = io.Copy(io.Discard, c.Conn) // ends with the deadline
	}
}

// wake ends a Read that waits for a question. The server is ending.
func (c *conn) wake() { _ = c.SetReadDeadline(time.Unix(1, 0)) }

// rest is the connection with what was read of it, for net/http.
func (c *conn) rest() net.Conn {
	_ = c.SetDeadline(time.Time{}) // net/http sets its own
	return &resumed{c.Conn, bytes.Clone(c.buf[:c.have])}
}

// resumed is a connection of which something was read.
type resumed struct {
	net.Conn
	read []byte
}

// Read implements net.Conn.
func (r *resumed) Read(p []byte) (int, error) {
	if len(r.read) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.read)
	r.read = r.read[n:]
	return n, nil
}

// CloseWrite is for net/http, which looks for it before it cuts off who still
// writes.
func (r *resumed) CloseWrite() error {
	if w, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return os.ErrInvalid
}
