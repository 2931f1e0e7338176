package admin

import "golang.org/x/sys/unix"

// peerUser is the user at the other end of a Unix socket (unix(4), LOCAL_PEERCRED).
func peerUser(socket int) (uid uint32, err error) {
	cred, err := unix.GetsockoptXucred(socket, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, err
	}
	return cred.Uid, nil
}
