// Package dump writes all that a store holds into one file, and reads it again:
// a backup, or a snapshot beside the store.
//
// A dump is a line of text, frames, and the SHA-256 of all that. A frame is one
// byte that says what it is, the length of what follows as an unsigned varint,
// and that many bytes:
//
//	tokendrop dump 1\n
//	h  once           time in milliseconds, totals: entries, tokens, marks, the ledger's chain
//	l  in order       ledger entry: patch, store.AppendEntry
//	t                 token: len(user) user len(name) name, store.AppendRecord
//	k                 mark: kind, len(key) key, store.AppendMark
//	u                 uses: token's id, store.AppendUses
//	e  once           how many l, t, k and u there are
//	SHA-256           32 bytes
//
// Numbers, lengths, and a mark's kind are unsigned varints. The kinds come in
// this order. A dump holds digests, and sealed tokens as they are sealed; what
// they are made with, peppers and encryption keys, is not in it.
//
// Invariants:
//
//  1. Whole or refused. Open and Check read all of a dump, to the last byte,
//     before they return it: of one that was cut, changed or lengthened nothing
//     is ever seen.
//  2. What Open returns holds what the View held that was written, value by value.
//  3. Writing and reading take the memory of one frame, whatever the size of the
//     dump.
package dump

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"time"

	"github.com/tokendrop/tokendrop/store"
)

const (
	magic = "tokendrop dump "
	// version is the number of the format above. What store.Append… writes is a
	// part of it.
	version = "1"
	title   = magic + version + "\n"
)

// The kinds of frames, in their order.
const (
	headKind  = 'h'
	entryKind = 'l'
	tokenKind = 't'
	markKind  = 'k'
	usesKind  = 'u'
	endKind   = 'e'

	order = "hltkue"
)

// bufferSize is how much is read and written at a time.
const bufferSize = 256 << 10

// What reading a dump may return beside errors of the system.
var (
	// ErrForeign: the file is no dump.
	ErrForeign = errors.New("the file is no backup of tokendrop")
	// ErrVersion: another version of the program has written the dump.
	ErrVersion = errors.New("the backup was written by another version of tokendrop, which this one cannot read")
	// ErrDamaged: the dump is not as it was written.
	ErrDamaged = errors.New("the backup is damaged: it was cut, or changed")
)

// Summary is what is known of a whole dump.
type Summary struct {
	Time time.Time // when it was made, in milliseconds
	store.Totals

	Uses uint64 // how many tokens it has uses of
	Size int64  // in bytes
	Sum  [sha256.Size]byte
}

// Write writes all that a view holds.
func Write(to io.Writer, at time.Time, v store.View) (Summary, error) {
	w := &writer{hash: sha256.New()}
	w.to = bufio.NewWriterSize(io.MultiWriter(to, w.hash, &w.size), bufferSize)
	s := Summary{Time: at.UTC().Truncate(time.Millisecond), Totals: v.Totals()}
	if _, err := w.to.WriteString(title); err != nil {
		return s, err
	}
	if err := w.frame(headKind, s.appendHead(nil)); err != nil {
		return s, err
	}
	err := errors.Join( // all of them fail once one does
		writeAll(w, entryKind, v.Entries(), appendEntry),
		writeAll(w, tokenKind, v.Records(), appendRecord),
		writeAll(w, markKind, v.Marks(), appendMark),
		writeAll(w, usesKind, v.Uses(), appendUses),
	)
	if err != nil {
		return s, err
	}
	if found := (store.Totals{Head: store.Head{ID: w.counts[entryKind], Chain: s.Chain}, Records: w.counts[tokenKind], Marks: w.counts[markKind]}); found != s.Totals {
		return s, fmt.Errorf("the store has %d entries, %d tokens and %d marks instead of %d, %d and %d", found.ID, found.Records, found.Marks, s.ID, s.Records, s.Marks)
	}
	s.Uses = w.counts[usesKind]
	if err := w.frame(endKind, s.appendEnd(nil)); err != nil {
		return s, err
	}
	if err := w.to.Flush(); err != nil {
		return s, err
	}
	w.hash.Sum(s.Sum[:0])
	_, err = to.Write(s.Sum[:])
	s.Size = int64(w.size) + sha256.Size
	return s, err
}

// writer writes frames.
type writer struct {
	to     *bufio.Writer
	hash   hash.Hash
	size   counter
	counts [128]uint64 // by kind
	buf    []byte
	failed bool
}

// counter counts bytes.
type counter int64

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func (w *writer) frame(kind byte, payload []byte) error {
	w.counts[kind]++
	var head [1 + binary.MaxVarintLen64]byte
	head[0] = kind
	n := binary.PutUvarint(head[1:], uint64(len(payload)))
	if _, err := w.to.Write(head[:1+n]); err != nil {
		return err
	}
	_, err := w.to.Write(payload)
	return err
}

func writeAll[T any](w *writer, kind byte, all iter.Seq2[T, error], encode func([]byte, *T) []byte) (err error) {
	if w.failed {
		return nil
	}
	defer func() { w.failed = w.failed || err != nil }()
	for t, err := range all {
		if err != nil {
			return err
		}
		w.buf = encode(w.buf[:0], &t)
		if err := w.frame(kind, w.buf); err != nil {
			return err
		}
	}
	return nil
}
