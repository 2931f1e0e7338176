package store

import (
	"encoding/binary"
	"strings"
)

const (
	// chunkSize is what chunks have room for, and what is copied at most while
	// readers wait for a chunk to be cleared. A row that is longer has a chunk of
	// its own.
	chunkSize = 1 << offsetBits
	// offsetBits of a place are where the row begins in its chunk.
	offsetBits = 16
)

// rows are the tokens in stored form, in few pieces of memory without pointers,
// so that a token takes hardly more than its row and the garbage collector has
// nothing to look at. What is written is never written over: a part of a chunk
// is a string like any other.
//
// The zero rows are empty.
type rows struct {
	chunks []chunk // by number; none has number 0
	free   []int   // numbers of chunks that are empty
	worn   []int   // numbers of those that are to be cleared
	filled int     // number of the one that is being filled
	fill   *strings.Builder
	buf    []byte
}

type chunk struct {
	text string
	live int // bytes of rows that were not dropped
	worn bool
}

// row is a row in its place.
type row struct {
	Name

	stored string // as AppendRecord has it
	size   int    // in its chunk
}

// add puts a row into a place.
func (s *rows) add(name Name, stored []byte) place {
	s.buf = appendText(appendText(s.buf[:0], name.User), name.Name)
	s.buf = append(binary.AppendUvarint(s.buf, uint64(len(stored))), stored...)
	return s.write()
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// copy puts a row into another place, too.
func (s *rows) copy(at place) place {
	n, offset := at.split()
	s.buf = append(s.buf[:0], s.chunks[n].text[offset:offset+s.at(at).size]...)
	return s.write()
}

// write puts what is in buf into a place.
func (s *rows) write() place {
	if s.fill == nil || s.fill.Len() >= chunkSize || s.fill.Len()+len(s.buf) > s.fill.Cap() {
		s.begin(max(chunkSize, len(s.buf)))
	}
	offset := s.fill.Len()
	s.fill.Write(s.buf)
	c := &s.chunks[s.filled]
	c.text = s.fill.String()
	c.live += len(s.buf)
	return place(s.filled<<offsetBits | offset)
}

// begin begins a chunk.
func (s *rows) begin(size int) {
	if len(s.chunks) == 0 {
		s.chunks = make([]chunk, 1)
	}
	full := s.filled
	if last := len(s.free) - 1; last >= 0 {
		s.filled, s.free = s.free[last], s.free[:last]
	} else {
		s.filled = len(s.chunks)
		s.chunks = append(s.chunks, chunk{})
	}
	s.fill = new(strings.Builder)
	s.fill.Grow(size)
	s.wear(full)
}

// wear notes that a chunk is to be cleared, if a quarter of it was dropped.
func (s *rows) wear(n int) {
	c := &s.chunks[n]
	if n == s.filled || c.worn || c.live*4 > len(c.text)*3 || c.text == "" {
		return
	}
	c.worn = true
	s.worn = append(s.worn, n)
}

func (p place) split() (n, offset int) { return int(p >> offsetBits), int(p & (chunkSize - 1)) }

// at reads the row in a place.
func (s *rows) at(at place) row {
	n, offset := at.split()
	text := s.chunks[n].text[offset:]
	var r row
	rest := text
	r.User, rest = cutText(rest)
	r.Name.Name, rest = cutText(rest)
	r.stored, rest = cutText(rest)
	r.size = len(text) - len(rest)
	return r
}

func cutText(s string) (text, rest string) {
	n, rest, _ := cutUvarint(s)
	return rest[:n], rest[n:]
}

// drop gives a row up.
func (s *rows) drop(at place) {
	n, _ := at.split()
	s.chunks[n].live -= s.at(at).size
	s.wear(n)
}

// in yields the places of a chunk, of dropped rows too.
func (s *rows) in(n int) func(yield func(place) bool) {
	text := s.chunks[n].text
	return func(yield func(place) bool) {
		for offset := 0; offset < len(text); {
			at := place(n<<offsetBits | offset)
			offset += s.at(at).size
			if !yield(at) {
				return
			}
		}
	}
}

// nextWorn is a chunk whose rows are to be copied, and which is to be cleared
// then; 0 if there is none.
func (s *rows) nextWorn() (n int) {
	if last := len(s.worn) - 1; last >= 0 {
		n, s.worn = s.worn[last], s.worn[:last]
	}
	return n
}

// clear gives a chunk up. Strings that are parts of it stay what they are.
func (s *rows) clear(n int) {
	s.chunks[n] = chunk{}
	s.free = append(s.free, n)
}
