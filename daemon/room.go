package daemon

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/store/badgerstore"
	"github.com/tokendrop/tokendrop/store/dump"
)

// space is what a restore takes of the disk that the store is on, in bytes.
type space struct{ needed, free uint64 }

// spaceOf is what a store takes that is made of a backup; nothing in memory.
func spaceOf(c config.Store, f *dump.File) (s space, err error) {
	if c.Backend == config.Memory {
		return s, nil
	}
	s.needed, s.free, err = badgerstore.ReplaceSpace(c.Path, uint64(f.Size))
	if err != nil {
		return s, fmt.Errorf("asking for the free space: %w", err)
	}
	return s, nil
}

// enough fails if there is not.
func (s space) enough() error {
	if s.needed <= s.free {
		return nil
	}
	return fmt.Errorf("there is not enough space for another store beside the one that is there: %d MiB are free on its disk, %d MiB are needed",
		s.free>>20, (s.needed+1<<20-1)>>20)
}

// besides is where a store is made that is to take the place of the configured
// one.
func besides(c config.Store) (config.Store, error) {
	if c.Backend == config.Memory {
		return c, nil
	}
	var err error
	c.Path, err = badgerstore.NewPath(c.Path)
	return c, err
}

// giveUp removes what was made besides.
func giveUp(c config.Store) error {
	if c.Backend == config.Memory {
		return nil
	}
	return badgerstore.GiveUp(c.Path)
}

// Spool implements admin.Vault. It lies where the store is, and where nobody else
// is, and leaves that the space that it needs.
func (v *vault) Spool() (*os.File, io.Writer, error) {
	c := v.cfg.Store
	if c.Backend == config.Memory {
		f, err := namelessFile("")
		return f, f, err
	}
	f, err := namelessFile(filepath.Dir(c.Path))
	return f, spareOn(c.Path, f), err
}

// namelessFile makes a file in a directory, that of the system if it is empty,
// which is gone when it is closed.
func namelessFile(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, ".tokendrop-restore-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// errNoSpace: what is written beside the store would hold that up.
var errNoSpace = errors.New("there is not enough space left on the store's disk, of which the store needs some for itself")

// spaceEvery is how many bytes are written before it is looked how much space
// is left.
const spaceEvery = 1 << 20

// spareOn writes beside the store at path as long as there is space to spare.
func spareOn(path string, to io.Writer) *sparing {
	return &sparing{to: to, spare: func() (uint64, error) { return badgerstore.SpareSpace(path) }}
}

// sparing writes as long as there is space to spare.
type sparing struct {
	to    io.Writer
	spare func() (uint64, error)
	left  int // until that is asked for
}

// Write implements io.Writer.
func (s *sparing) Write(p []byte) (int, error) {
	if s.left -= len(p); s.left < 0 {
		s.left = spaceEvery
		spare, err := s.spare()
		if err == nil && spare < spaceEvery+uint64(len(p)) {
			err = errNoSpace
		}
		if err != nil {
			return 0, err
		}
	}
	return s.to.Write(p)
}
