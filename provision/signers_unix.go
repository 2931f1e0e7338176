//go:build unix

package provision

import (
	"os"
	"syscall"
)

// ownedByTrusted tells whether a file belongs to root or the daemon's user.
func ownedByTrusted(st os.FileInfo) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && (sys.Uid == 0 || int(sys.Uid) == os.Geteuid())
}
