package daemon

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Supported says why there is neither a daemon nor a store, and is
// errors.ErrUnsupported: both rest on owners, modes, locks and renaming as Unix
// has them. Who would open one asks here first, so that nothing below is called.
func Supported() error {
	return fmt.Errorf("%w: on Windows there is neither a daemon nor a store; run this on Linux or macOS, in a container, or under WSL", errors.ErrUnsupported)
}

// WriteWhole writes nothing: only a store has something to be written so.
func WriteWhole(string, func(io.Writer) error) error { return Supported() }

func becomeOwner(string) (func() error, error) { return nil, errors.ErrUnsupported }
func groupCanWrite(string, int) bool           { return true }
func (*stamp) identify(fs.FileInfo)            {}
