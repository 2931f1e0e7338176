package badgerstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tokendrop/tokendrop/store/internal/serial"
)

// Anchor is what is known of a store from outside: how far it had come when it
// was written to last, or a little before.
//
// Its file has two slots, and each write goes to the one that is not in force,
// so that one that comes to half does no harm. A slot has a sequence number, the
// numbers of an Anchor and the ledger's chain, and SHA-256 over all of that.
// Nothing waits for a write to be durable, but for that of an entry that takes
// something away: it is there before its commit is. So the store is never behind
// its anchor, unless it has lost something.
type Anchor struct {
	serial.Count
}

// anchorPath is the file that has the anchor of the store at path.
func anchorPath(path string) string { return path + ".anchor" }

// ReadAnchor reads the anchor of the store at path, open or not. It is an
// fs.ErrNotExist that there is none, and ErrDamaged that neither slot is whole.
func ReadAnchor(path string) (Anchor, error) {
	f, err := os.Open(anchorPath(path))
	if err != nil {
		return Anchor{}, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	a, _, err := readSlots(f)
	return a, err
}

const (
	// slotSpace keeps the slots apart, in blocks of their own.
	slotSpace = 4096
	slotSize  = len(anchorMagic) + 6*8 + 2*sha256.Size

	anchorMagic = "tdanchr1"
)

func readSlots(f io.ReaderAt) (a Anchor, sequence uint64, err error) {
	err = fmt.Errorf("%w: its anchor is not readable", ErrDamaged)
	for slot := range int64(2) {
		b := make([]byte, slotSize)
		if _, failed := f.ReadAt(b, slot*slotSpace); failed != nil && !errors.Is(failed, io.EOF) {
			return Anchor{}, 0, failed
		}
		if read, n, ok := decodeSlot(b); ok && (err != nil || n > sequence) {
			a, sequence, err = read, n, nil
		}
	}
	return a, sequence, err
}

func encodeSlot(a *Anchor, sequence uint64) []byte {
	b := []byte(anchorMagic)
	for _, v := range append([]uint64{sequence}, numbersOf(&a.Count)...) {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	b = append(b, a.Head.Chain[:]...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

func decodeSlot(b []byte) (a Anchor, sequence uint64, ok bool) {
	b, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if got := sha256.Sum256(b); !bytes.Equal(got[:], sum) || string(b[:len(anchorMagic)]) != anchorMagic {
		return a, 0, false
	}
	b = b[len(anchorMagic):]
	next := func() uint64 {
		v := binary.BigEndian.Uint64(b)
		b = b[8:]
		return v
	}
	sequence = next()
	numbers := make([]uint64, 5)
	for i := range numbers {
		numbers[i] = next()
	}
	a.Count = countOf(numbers, [32]byte(b))
	return a, sequence, true
}

// anchorFile is the file of a store that is open.
type anchorFile struct {
	path     string
	file     *os.File
	sync     func(path string) error
	now      Anchor
	sequence uint64
}

// openAnchor opens the anchor of the store at path, and makes one that says
// nothing where there is none.
func openAnchor(path string, sync func(string) error) (f *anchorFile, found bool, err error) {
	f = &anchorFile{path: anchorPath(path), sync: sync}
	if _, err := os.Lstat(f.path); err == nil {
		found = true
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, false, err
	} else if err := f.create(); err != nil {
		return nil, false, fmt.Errorf("making the store's anchor: %w", err)
	}
	if f.file, err = os.OpenFile(f.path, os.O_RDWR, 0); err != nil {
		return nil, false, err
	}
	if f.now, f.sequence, err = readSlots(f.file); err != nil {
		return nil, false, errors.Join(err, f.file.Close())
	}
	return f, found, nil
}

// create makes a file of its full size, so that a write to it needs no space.
func (f *anchorFile) create() error {
	whole := make([]byte, 2*slotSpace)
	copy(whole, encodeSlot(&Anchor{}, 0))
	if err := writeWhole(f.path, whole); err != nil {
		return err
	}
	return f.sync(filepath.Dir(f.path))
}

func (f *anchorFile) close() error { return f.file.Close() }

// put writes the anchor if it is another one.
func (f *anchorFile) put(a Anchor) error {
	if a == f.now {
		return nil
	}
	return f.write(a)
}

// write writes the anchor, without waiting for it to be durable.
func (f *anchorFile) write(a Anchor) error {
	sequence := f.sequence + 1
	if _, err := f.file.WriteAt(encodeSlot(&a, sequence), int64(sequence%2)*slotSpace); err != nil {
		if e, ok := errors.AsType[*fs.PathError](err); ok {
			err = e.Err // anybody may be told
		}
		return fmt.Errorf("writing the store's anchor: %w", err)
	}
	f.now, f.sequence = a, sequence
	return nil
}

// announce makes durable that an entry which is about to be stored takes
// something away.
func (f *anchorFile) announce(entry uint64) error {
	a := f.now
	a.Restricted = entry
	if err := f.put(a); err != nil {
		return err
	}
	if err := f.sync(f.path); err != nil {
		return fmt.Errorf("syncing the store's anchor: %w", err)
	}
	return nil
}

// check compares what is in the store with what the anchor knows.
func (f *anchorFile) check(m serial.Count) error {
	a := f.now.Count
	a.Restricted = m.Restricted // announced, and perhaps never stored
	switch {
	case m.Revision < a.Revision:
		return fmt.Errorf("%w: it ends with entry %d of its ledger, and entry %d was stored once. What came after may "+
			"have been revocations, so the store is not opened", ErrDamaged, m.Head.ID, a.Head.ID)
	case m.Revision == a.Revision && m != a:
		return fmt.Errorf("%w: it is not the store that was here last", ErrDamaged)
	}
	return nil
}

// UnmooredError is an ErrDamaged of a store that does not fit its anchor, or that
// has none that can be read. It is opened without one.
type UnmooredError struct {
	Anchor string // its path
	Last   uint64 // the number of the store's last entry; zero: it is empty
	cause  error
}

func (e *UnmooredError) Error() string { return e.cause.Error() }

// Unwrap is for errors.Is.
func (e *UnmooredError) Unwrap() error { return e.cause }

// moor compares the store, which has come that far, with its anchor, and brings
// that to where the store is. What was announced and is not there has not
// happened.
func (d *disk) moor(m serial.Count) error {
	unmoored := func(err error) error {
		if errors.Is(err, ErrDamaged) {
			err = &UnmooredError{anchorPath(d.path), m.Head.ID, err}
		}
		return err
	}
	f, found, err := openAnchor(d.path, d.sync)
	if err != nil {
		return unmoored(err)
	}
	if !found && m.Revision > 0 {
		d.log.Warn().Str("path", f.path).Msg("the store has no anchor beside it, and gets a new one: that it is all there is not known")
	}
	if err = f.check(m); err == nil {
		err = f.put(Anchor{m})
	}
	if err != nil {
		return errors.Join(unmoored(err), f.close())
	}
	d.anchor = f
	return nil
}
