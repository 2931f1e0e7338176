//go:build unix

package patches

import (
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func ownerOf(fi os.FileInfo) int { return int(fi.Sys().(*syscall.Stat_t).Uid) }

func mkfifo(t *testing.T, path string) {
	t.Helper()
	must(t, unix.Mkfifo(path, 0o644))
}
