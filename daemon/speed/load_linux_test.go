package speed

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// load asks a server over some connections, on each again as soon as it has its
// answer. It is one thread that does little else than system calls, so that it
// is the server that is measured.
type load struct {
	epoll    int
	conns    map[int32]*conn
	requests [][]byte // asked in turn
	status   []byte   // that every answer must have
	next     int
	took     []time.Duration // of every answer, in the order of the answers
}

type conn struct {
	fd   int
	sent time.Time
	buf  [8 << 10]byte
	have int // bytes of the answer that are in buf
}

// connect opens a load. Its caller keeps to its thread, which is pinned.
func connect(address netip.AddrPort, conns, status int, requests [][]byte) (*load, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	l := &load{epoll: epoll, conns: map[int32]*conn{}, requests: requests, status: fmt.Appendf(nil, "HTTP/1.1 %d ", status)}
	for range conns {
		if err := l.add(address); err != nil {
			l.close()
			return nil, err
		}
	}
	return l, nil
}

func (l *load) add(address netip.AddrPort) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	l.conns[int32(fd)] = &conn{fd: fd}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().As4()}); err != nil {
		return fmt.Errorf("connecting to %s: %w", address, err)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func (l *load) close() {
	for _, c := range l.conns {
		_ = unix.Close(c.fd)
	}
	_ = unix.Close(l.epoll)
}

// answered is what became of a round.
type answered struct {
	count    int
	elapsed  time.Duration
	took     []time.Duration // in the order of the answers
	p50, p99 time.Duration
}

func (a *answered) rate() float64 { return float64(a.count) / a.elapsed.Seconds() }

// round asks for a time, or until most answers are there if most is not 0, and
// then waits for those that are under way.
func (l *load) round(lasts time.Duration, most int) (answered, error) {
	l.took = l.took[:0]
	began := time.Now()
	now := began
	for _, c := range l.conns {
		if err := l.ask(c, now); err != nil {
			return answered{}, err
		}
	}
	events := make([]unix.EpollEvent, len(l.conns))
	for waiting := len(l.conns); waiting > 0; {
		n, err := unix.EpollWait(l.epoll, events, 10_000)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return answered{}, fmt.Errorf("waiting for %d answers: %w", waiting, err)
		}
		for _, e := range events[:n] {
			c := l.conns[e.Fd]
			done, err := l.read(c)
			if err != nil {
				return answered{}, err
			}
			if !done {
				continue
			}
			now = time.Now()
			l.took = append(l.took, now.Sub(c.sent))
			if now.Sub(began) > lasts || most > 0 && len(l.took)+waiting > most {
				waiting--
				continue
			}
			if err := l.ask(c, now); err != nil {
				return answered{}, err
			}
		}
	}
	return summary(l.took, time.Since(began)), nil
}

func summary(took []time.Duration, elapsed time.Duration) answered {
	sorted := slices.Sorted(slices.Values(took))
	return answered{
		count: len(took), elapsed: elapsed, took: took,
		p50: sorted[len(sorted)/2], p99: sorted[len(sorted)*99/100],
	}
}

func (l *load) ask(c *conn, now time.Time) error {
	request := l.requests[l.next]
	if l.next++; l.next == len(l.requests) {
		l.next = 0
	}
	c.sent, c.have = now, 0
	n, err := unix.Write(c.fd, request)
	if err == nil && n < len(request) {
		err = unix.EAGAIN // a request is small: the server does not read
	}
	return err
}

var (
	headEnd       = []byte("\r\n\r\n")
	contentLength = []byte("\r\nContent-Length: ")
)

// read takes what has come of an answer, and tells whether it is all of it.
func (l *load) read(c *conn) (done bool, err error) {
	n, err := unix.Read(c.fd, c.buf[c.have:])
	if err != nil || n == 0 {
		return false, fmt.Errorf("the server closed a connection: %w", err)
	}
	c.have += n
	answer := c.buf[:c.have]
	head, body, ok := bytes.Cut(answer, headEnd)
	if !ok {
		return false, nil
	}
	if !bytes.HasPrefix(answer, l.status) {
		return false, fmt.Errorf("the answer is %.300q, want %s", answer, l.status)
	}
	_, length, ok := bytes.Cut(head, contentLength)
	if !ok {
		return len(body) == 0, nil
	}
	length, _, _ = bytes.Cut(length, []byte("\r\n"))
	want, err := strconv.Atoi(string(length))
	return len(body) == want, err
}
