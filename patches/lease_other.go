//go:build !linux

package patches

import (
	"errors"
	"io/fs"
)

// Leases are Linux's; elsewhere files settle by time.
func (f *file) lease() access { return unleased }

func (f *file) unlease() {}

func (f *folder) leases() bool { return false }

func (f *folder) syncFileSystem() (done bool, err error) { return false, nil }

// putBack renames a file to a name that must be free, as far as one look can
// tell.
func (f *folder) putBack(name string, to *folder, newName string) error {
	if _, err := to.stat(newName); !errors.Is(err, fs.ErrNotExist) {
		return fs.ErrExist
	}
	return f.rename(name, to, newName)
}
