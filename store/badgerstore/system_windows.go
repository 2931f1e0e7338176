package badgerstore

import (
	"errors"
	"os"
)

// A store rests on what Windows has not: a mode that keeps others out of its
// directory, a lock on that, names that a sync makes durable, a rename in the
// place of what is open. So none is opened there: whatever asks the system is
// errors.ErrUnsupported.

const noFollow = 0

func checkWritable(string) error         { return errors.ErrUnsupported }
func checkNeighbour(string) error        { return errors.ErrUnsupported }
func lockDir(string) (*dirLock, error)   { return nil, errors.ErrUnsupported }
func spaceOf(string) (uint64, error)     { return 0, errors.ErrUnsupported }
func allocated(*os.File) (uint64, error) { return 0, errors.ErrUnsupported }
func freeSpace(string) (uint64, error)   { return 0, errors.ErrUnsupported }
func writeWhole(string, []byte) error    { return errors.ErrUnsupported }
func forget(uintptr, uintptr)            {}
