package dump

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/tokendrop/tokendrop/store"
)

// maxFrame bounds a frame: the longest is a ledger entry of 10,000 changes,
// with names of half a KiB each.
const maxFrame = 32 << 20

// File is a dump that was found whole. It is a store.View for as long as what
// it reads from is open.
type File struct {
	Summary

	from   io.ReaderAt
	starts [128]int64 // where the frames of each kind begin
}

var _ store.View = (*File)(nil)

// Open reads all of a dump, and fails unless it is whole. A dump that is read
// from must not be changed by others until the File is given up.
func Open(from io.ReaderAt) (*File, error) {
	f := &File{from: from}
	s, err := check(io.NewSectionReader(from, 0, 1<<62), func(kind byte, at int64) {
		if f.starts[kind] == 0 {
			f.starts[kind] = at
		}
	})
	f.Summary = s
	return f, err
}

// Check reads all of a dump, and fails unless it is whole.
func Check(from io.Reader) (Summary, error) { return check(from, func(byte, int64) {}) }

func check(from io.Reader, at func(kind byte, at int64)) (Summary, error) {
	sum := sha256.New()
	r := &reader{from: bufio.NewReaderSize(from, bufferSize), hash: sum}
	if err := r.title(); err != nil {
		return Summary{}, err
	}
	c := checker{}
	for c.last != endKind {
		start := r.at
		kind, payload, err := r.frame()
		if err == nil {
			at(kind, start)
			err = c.add(kind, payload)
		}
		if err != nil {
			return Summary{}, damaged(err)
		}
	}
	sum.Sum(c.Sum[:0])
	var last [sha256.Size + 1]byte
	n, err := io.ReadFull(r.from, last[:])
	if !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.Equal(last[:n], c.Sum[:]) {
		return Summary{}, damaged(err)
	}
	c.Size = r.at + sha256.Size
	return c.Summary, nil
}

// damaged is what an error in reading says of a dump: an end that came too early
// says nothing more, and a disk that cannot be read is told.
func damaged(err error) error {
	if err == nil || errors.Is(err, ErrDamaged) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrDamaged
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// Summarize reads what the beginning of a dump tells: its time and totals. It
// may be that of one that was cut.
func Summarize(from io.Reader) (Summary, error) {
	r := &reader{from: bufio.NewReader(from), hash: io.Discard}
	if err := r.title(); err != nil {
		return Summary{}, err
	}
	kind, payload, err := r.frame()
	if err != nil || kind != headKind {
		return Summary{}, damaged(err)
	}
	var s Summary
	return s, s.decodeHead(payload)
}

// reader reads frames.
type reader struct {
	from *bufio.Reader
	hash io.Writer
	at   int64
	buf  bytes.Buffer
}

func (r *reader) title() error {
	line := make([]byte, len(title))
	n, err := io.ReadFull(r.from, line)
	line = line[:n]
	switch {
	case bytes.Equal(line, []byte(title)):
	case bytes.HasPrefix(line, []byte(magic)) && n > len(magic):
		return ErrVersion
	case strings.HasPrefix(magic, string(line)) && n > 0:
		return ErrDamaged // it ends in its title
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	default:
		return ErrForeign
	}
	r.note(line)
	return nil
}

// note counts and hashes what was read.
func (r *reader) note(b []byte) {
	r.at += int64(len(b))
	_, _ = r.hash.Write(b) // never fails
}

// frame reads one frame. Its payload is good until the next.
func (r *reader) frame() (kind byte, payload []byte, err error) {
	if kind, err = r.from.ReadByte(); err != nil {
		return 0, nil, err
	}
	size, err := binary.ReadUvarint(r.from)
	if err != nil {
		return 0, nil, err
	}
	if size > maxFrame || !strings.ContainsRune(order, rune(kind)) {
		return 0, nil, ErrDamaged
	}
	r.buf.Reset()
	if _, err := io.CopyN(&r.buf, r.from, int64(size)); err != nil { // no more memory than there are bytes
		return 0, nil, err
	}
	head := binary.AppendUvarint([]byte{kind}, size)
	r.note(head)
	r.note(r.buf.Bytes())
	return kind, r.buf.Bytes(), nil
}

// checker judges one frame after the other.
type checker struct {
	Summary

	last   byte // the kind of the frame before
	counts [128]uint64
	head   store.Head
}

func (c *checker) add(kind byte, payload []byte) (err error) {
	before, now := strings.IndexByte(order, c.last), strings.IndexByte(order, kind)
	once := kind == headKind || kind == endKind
	if now < before || once && now == before || (c.last == 0) != (kind == headKind) {
		return ErrDamaged
	}
	c.last = kind
	c.counts[kind]++
	switch kind {
	case headKind:
		return c.decodeHead(payload)
	case entryKind:
		var n store.Entry
		if n, err = decodeEntry(payload); err == nil && n.ID != c.counts[kind] {
			err = ErrDamaged
		}
		c.head = c.head.Next(&n)
	case tokenKind:
		_, err = decodeRecord(payload)
	case markKind:
		_, err = decodeMark(payload)
	case usesKind:
		_, err = decodeUses(payload)
	case endKind:
		c.Uses = c.counts[usesKind]
		found := []uint64{c.counts[entryKind], c.counts[tokenKind], c.counts[markKind], c.counts[usesKind]}
		if !slices.Equal(found, c.ends()) || c.head.Chain != c.Chain || !bytes.Equal(payload, c.appendEnd(nil)) {
			err = ErrDamaged
		}
	}
	return err
}

// Totals implements store.View.
func (f *File) Totals() store.Totals { return f.Summary.Totals }

// Entries implements store.View.
func (f *File) Entries() iter.Seq2[store.Entry, error] { return read(f, entryKind, decodeEntry) }

// Records implements store.View.
func (f *File) Records() iter.Seq2[store.Record, error] { return read(f, tokenKind, decodeRecord) }

// Marks implements store.View.
func (f *File) Marks() iter.Seq2[store.Mark, error] { return read(f, markKind, decodeMark) }

// Uses implements store.View.
func (f *File) Uses() iter.Seq2[store.TokenUses, error] { return read(f, usesKind, decodeUses) }

// read yields what the frames of a kind hold.
func read[T any](f *File, kind byte, decode func([]byte) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		if f.starts[kind] == 0 {
			return
		}
		from := io.NewSectionReader(f.from, f.starts[kind], f.Size-f.starts[kind])
		r := &reader{from: bufio.NewReaderSize(from, bufferSize), hash: io.Discard}
		for {
			found, payload, err := r.frame()
			if err == nil && found != kind {
				return
			}
			var t T
			if err == nil {
				t, err = decode(payload)
			}
			if err != nil {
				yield(t, damaged(err))
				return
			}
			if !yield(t, nil) {
				return
			}
		}
	}
}
