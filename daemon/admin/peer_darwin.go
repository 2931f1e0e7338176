package admin

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerOf is the user at the other end of a Unix socket (unix(4), LOCAL_PEERCRED).
func peerOf(conn net.Conn) (uid uint32, ok bool) {
	c, ok := conn.(*net.UnixConn)
	if !ok {
		return 0, false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false
	}
	var cred *unix.Xucred
	if raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED) }) != nil || err != nil {
		return 0, false
	}
	return cred.Uid, true
}
