package verify

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// answer is the answer to the question in head, as it is sent. There is none to
// a question that net/http has to answer. It is good until the next one.
func (c *conn) answer(now time.Time) (out []byte, ok bool) {
	c.head.from = c.from
	d, gate := c.server.gates.judge(&c.head.said)
	defer d.Release()
	if gate == nil {
		return nil, false
	}
	n := &nos[d.Reason]
	out = append(c.out[:0], "HTTP/1.1 "...)
	if c.head.old {
		out[len("HTTP/1.")] = '0'
	}
	out = append(out, n.line...)
	out = c.server.dates.append(out, now)
	if c.head.last {
		out = append(out, "Connection: close\r\n"...)
	}
	if d.Reason == Yes {
		yes := d.identity(gate)
		out, _ = yes.lines(out)
		c.body = yes.json(c.body[:0])
		out = appendBody(out, c.body)
	} else {
		out = append(out, n.rest...)
	}
	c.out = out
	return out, true
}

// statusLine is the first line of an answer, without the protocol.
func statusLine(status int) string {
	return strconv.Itoa(status) + " " + http.StatusText(status) + lineEnd
}

// appendBody ends a head with the headers that every answer has, and appends
// the body.
func appendBody(head, body []byte) []byte {
	head = append(head, "Cache-Control: no-store\r\nContent-Type: application/json\r\nContent-Length: "...)
	head = strconv.AppendInt(head, int64(len(body)), 10)
	return append(append(head, "\r\n\r\n"...), body...)
}

// dates keeps the date of the present second as it is sent. The zero dates are
// ready.
type dates struct{ last atomic.Pointer[date] }

type date struct {
	second int64
	line   string
}

func (d *dates) append(out []byte, now time.Time) []byte {
	last := d.last.Load()
	if second := now.Unix(); last == nil || last.second != second {
		last = &date{second, "Date: " + now.UTC().Format(http.TimeFormat) + lineEnd}
		d.last.Store(last)
	}
	return append(out, last.line...)
}
