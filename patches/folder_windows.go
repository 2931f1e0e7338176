package patches

import (
	"errors"
	"io/fs"
)

// A drop directory rests on what Windows has not: owners and modes that tell who
// may write, names that are looked up in a directory that is open, a rename of
// what somebody has open, a sync of a directory's names. So none is opened there:
// lookAt and openFolder, with which everything begins, are errors.ErrUnsupported,
// and so is all else that folder_unix.go has.

type folder struct {
	file
	info    info
	trusted bool
}

type file struct{}

var errSystem = errors.ErrUnsupported

func lookAt(string) (place, error)       { return place{}, errSystem }
func openFolder(string) (*folder, error) { return nil, errSystem }
func statPath(string) (info, error)      { return info{}, errSystem }
func fileLimit() (uint64, error)         { return 0, errSystem }
func readOnly(string) bool               { return true }

func (*folder) list(string) ([]fs.DirEntry, error)        { return nil, errSystem }
func (*folder) sub(string) (*folder, error)               { return nil, errSystem }
func (*folder) stat(string) (info, error)                 { return info{}, errSystem }
func (*folder) readlink(string) (string, error)           { return "", errSystem }
func (*folder) open(string) (*file, error)                { return nil, errSystem }
func (*folder) create(string) (*file, error)              { return nil, errSystem }
func (*folder) openLock() (*file, error)                  { return nil, errSystem }
func (*folder) rename(string, *folder, string) error      { return errSystem }
func (*folder) remove(string) error                       { return errSystem }
func (*folder) removeFolder(string) error                 { return errSystem }
func (*folder) mkdir(string, uint32) (made bool, _ error) { return false, errSystem }
func (*folder) readOnly() bool                            { return true }
func (*folder) writers() []granted                        { return nil }

func (*file) close()                     {}
func (*file) stat() (info, error)        { return info{}, errSystem }
func (*file) chmod(uint32) error         { return errSystem }
func (*file) sync() error                { return errSystem }
func (*file) seize() error               { return errSystem }
func (*file) read(int64) ([]byte, error) { return nil, errSystem }
func (*file) write([]byte) error         { return errSystem }
