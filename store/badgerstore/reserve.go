package badgerstore

import (
	"errors"
	"os"
)

// reservePath is the file that holds space for the store at path.
func reservePath(path string) string { return path + ".reserve" }

// reserveStep is how much of the reserve is allocated at once, so that as much
// of it as there is room for can be had.
const reserveStep = 8 << 20

// reserve is a file that holds space on the disk of the store, for the day on
// which others have filled that: given up, it lets Badger put its memory in
// order, once.
type reserve struct {
	file *os.File
	size uint64 // that it is to have
	held uint64 // that it has

	// allocate gives the file its first bytes, up to that number.
	allocate func(f *os.File, bytes int64) error
}

// openReserve takes what an earlier process has left of the reserve.
func openReserve(path string, size uint64, allocate func(*os.File, int64) error) (*reserve, error) {
	f, err := os.OpenFile(reservePath(path), os.O_RDWR|os.O_CREATE|noFollow, 0o600)
	if err != nil {
		return nil, err
	}
	held, err := allocated(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r := &reserve{file: f, allocate: allocate}
	r.fit(size)
	r.held = min(held, r.size)
	return r, nil
}

func (r *reserve) missing() uint64 { return r.size - r.held }

// fit makes the reserve one for that many bytes, if it is smaller.
func (r *reserve) fit(bytes uint64) {
	r.size = max(r.size, (bytes+reserveStep-1)/reserveStep*reserveStep)
}

// take allocates what is missing, or as much of it as there is room for, which
// is an error.
func (r *reserve) take() error {
	for r.held < r.size {
		next := min(r.held+reserveStep, r.size)
		if err := r.allocate(r.file, int64(next)); err != nil {
			return errors.Join(err, r.file.Truncate(int64(r.held)))
		}
		r.held = next
	}
	return nil
}

// giveUp frees the space. The file stays: a disk that is full may have no room
// for its name.
func (r *reserve) giveUp() error {
	r.held = 0
	return errors.Join(r.file.Truncate(0), r.file.Sync())
}

func (r *reserve) close() error { return r.file.Close() }

// fill allocates by writing, which works everywhere.
func fill(f *os.File, bytes int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	zeros := make([]byte, 1<<20)
	for at := info.Size(); at < bytes; {
		n, err := f.WriteAt(zeros[:min(int64(len(zeros)), bytes-at)], at)
		if err != nil {
			return err
		}
		at += int64(n)
	}
	return f.Sync()
}
