package provision

import (
	"errors"
	"os"

	"github.com/tokendrop/tokendrop/store"
)

// A place for an output is a name in a directory that is open, so that no link
// can lead elsewhere, with an owner and a mode. Windows has none of that: no spot
// is opened there, and so nothing is written.

type spot struct {
	dir  *os.File
	name string
}

type spotID struct{}

func (*Rules) openSpot(string) (*spot, error) { return nil, errors.ErrUnsupported }

func (*spot) close()                      {}
func (*spot) id() (spotID, error)         { return spotID{}, errors.ErrUnsupported }
func (*spot) look(string) (Target, error) { return Target{}, errors.ErrUnsupported }
func (*spot) stage([]byte, access) error  { return errors.ErrUnsupported }
func (*spot) reveal(*store.Output) error  { return errors.ErrUnsupported }
func (*spot) sync() error                 { return errors.ErrUnsupported }
