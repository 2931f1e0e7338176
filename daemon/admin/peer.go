package admin

import (
	"context"
	"net"

	"github.com/tokendrop/tokendrop/patches"
)

// peerKey is where a request's context has who sent it.
type peerKey struct{}

// withPeer notes who is at the other end of a connection, as the kernel has it
// from the time of the connect.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	uid, ok := peerOf(conn)
	if !ok {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, uid)
}

// peerOf is the user at the other end of a connection, where it is of a Unix
// socket and the system tells.
func peerOf(conn net.Conn) (uid uint32, ok bool) {
	c, ok := conn.(*net.UnixConn)
	if !ok {
		return 0, false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false
	}
	if failed := raw.Control(func(fd uintptr) { uid, err = peerUser(int(fd)) }); failed != nil || err != nil {
		return 0, false
	}
	return uid, true
}

// author is who answers for an order: a user's name, or the number of one
// without.
func (l *Local) author(ctx context.Context) string {
	uid, ok := ctx.Value(peerKey{}).(uint32)
	if !ok {
		return l.Author
	}
	return patches.UserName(uid)
}
