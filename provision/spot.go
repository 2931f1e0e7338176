package provision

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// errForeign is what keeps a committed output from its place.
var errForeign = errors.New("somebody has put another file there meanwhile; remove it")

// errStaged lets a patch wait for an earlier one, which has taken the same place.
var errStaged = errors.New("another file is on its way there")

// errOwner is a file that cannot be given away.
var errOwner = errors.New("giving the file away")

// access is who may do what with an output. An account of -1 is the daemon's.
type access struct {
	mode     fs.FileMode
	uid, gid int
}

// isBusy tells errors that pass without a change to the manifest, as when the
// disk is full, from those that it causes.
func isBusy(err error) bool {
	for _, busy := range []error{errForeign, errStaged, syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EROFS, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ESTALE} {
		if errors.Is(err, busy) {
			return true
		}
	}
	return false
}

// unwritable says why an output cannot be written, without its name.
func unwritable(err error) string {
	switch {
	case errors.Is(err, errOwner):
		return `the daemon may not give the file of "write_to" to this owner or group; only root can give files away, so leave "owner" out, ` +
			`and let the directory pass its group on (chmod g+s), or name one that the daemon's user is in; under systemd "systemctl edit tokendrop" and add SupplementaryGroups=GROUP and SystemCallFilter=@chown below [Service]`
	case errors.Is(err, fs.ErrNotExist):
		return `the directory of "path" is not there; make it first, since no directory is made here`
	case errors.Is(err, fs.ErrPermission):
		return `the daemon may not write into the directory of "path"; let its user write there`
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP):
		return `a part of "path" is a link, or no directory; write the path that it leads to, beneath "output_dirs"`
	case errors.Is(err, errors.ErrUnsupported):
		return `files of "write_to" are written on Unix only; see this plan on the daemon's host`
	}
	return fmt.Sprintf(`the file of "write_to" cannot be written (%s)`, bare(err))
}
