package provision

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxSigners is the largest allowed_signers file that is read, in bytes.
const maxSigners = 1 << 20

// readSigners reads an allowed_signers file. It does so each time anew, so that
// whoever is taken out of it may not sign any more. Who can write to it can
// sign: it is refused where that is anybody but root and the daemon's user, as
// sshd refuses key files.
func readSigners(path string) (signers, error) {
	whole, err := filepath.EvalSymlinks(path)
	if err != nil {
		return signers{}, fmt.Errorf("finding the file: %w", err)
	}
	f, err := os.OpenFile(whole, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return signers{}, err
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil {
		return signers{}, err
	}
	if !st.Mode().IsRegular() {
		return signers{}, fmt.Errorf("%s is not a regular file", whole)
	}
	if err := checkTrusted(whole, st); err != nil {
		return signers{}, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSigners+1))
	if err != nil {
		return signers{}, err
	}
	if len(text) > maxSigners {
		return signers{}, fmt.Errorf("%s is larger than 1 MiB", whole)
	}
	return parseSigners(string(text)), nil
}

// checkTrusted tells whether others may change a file, or put another one in
// its place, and what to run against that.
func checkTrusted(path string, st os.FileInfo) error {
	if err := checkOwned(path, st); err != nil {
		return err
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		st, err := os.Lstat(dir)
		if err != nil {
			return err
		}
		if st.Mode()&os.ModeSticky == 0 || !ownedByTrusted(st) {
			if err := checkOwned(dir, st); err != nil {
				return err
			}
		}
		if strings.HasSuffix(dir, "/") { // the root
			return nil
		}
	}
}

// othersWrite are the permissions that nobody but the owner may have.
const othersWrite = 0o022

func checkOwned(path string, st os.FileInfo) error {
	switch {
	case !ownedByTrusted(st):
		return fmt.Errorf("%s belongs to neither root nor the daemon's user, so others decide who may sign; run: chown root %s", path, path)
	case st.Mode().Perm()&othersWrite != 0:
		return fmt.Errorf("others may write to %s, and so decide who may sign; run: chmod go-w %s", path, path)
	}
	return nil
}
