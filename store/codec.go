package store

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// The stored form of records, entries, marks and uses is a sequence of numbered
// fields in protobuf's wire format. A field at its default is left out; a
// number that is not known here is an error, because dropping what a later
// version wrote could grant more than it meant. Numbers are never used again.
// The default is zero, but for an audience, which is DefaultAudience, for an
// action, which is commonAction, for a credential's number, which is the
// generation, and for the times after +: they are as created at, and stored as
// what they differ from it. A record begins with what its credentials take to be
// decoded (decodeHead), so that they are found in the same time however long the
// rest is.
//
//	record      1 description   2 type         3 scope*        4 scope set*
//	            5 allowed ip*   6 audience     7 label key*    8 label value*
//	            9 inactive     10 not before  11 expires at   12 +issued at
//	           13 created at   14 +updated at 15 generation   16 source dir
//	           17 source path  18 credential* 19 revision    20 id
//	credential  1 key           2 digest       3 +issued at    4 good until
//	            5 pepper        6 opaque       7 imported      8 former key
//	            9 sealed       10 number
//	entry       1 id            2 time         3 dir           4 path
//	            5 outcome       6 reason*      7 sha256        8 changed
//	            9 author       10 change*
//	change      1 action        2 key          3 user          4 name
//	            5 result
//	mark        1 value         2 revision
//	uses        1 use of gone ones             2 use*
//	use         1 number        2 at           3 ip            4 count

// commonAction is the action that most ledgers have most of.
const commonAction = "create"

// rowOverhead is what a row takes beside its name and its value.
const rowOverhead = 32

// usualRow is more than most rows take, so that a buffer for one does not grow.
const usualRow = 512

var errCorrupt = errors.New("a stored row is damaged, or of a later version")

type encoder struct{ b []byte }

func (e *encoder) text(n protowire.Number, s string) {
	if s != "" {
		e.b = protowire.AppendString(protowire.AppendTag(e.b, n, protowire.BytesType), s)
	}
}

// element writes one of a list, where an empty text counts.
func (e *encoder) element(n protowire.Number, s []byte) {
	e.b = protowire.AppendBytes(protowire.AppendTag(e.b, n, protowire.BytesType), s)
}

// nested writes an element that encode appends.
func (e *encoder) nested(n protowire.Number, encode func([]byte) []byte) {
	e.b = protowire.AppendTag(e.b, n, protowire.BytesType)
	start := len(e.b)
	e.b = encode(e.b)
	var size [binary.MaxVarintLen64]byte
	e.b = slices.Insert(e.b, start, protowire.AppendVarint(size[:0], uint64(len(e.b)-start))...)
}

func (e *encoder) list(n protowire.Number, list []string) {
	for _, s := range list {
		e.element(n, []byte(s))
	}
}

func (e *encoder) number(n protowire.Number, v uint64) {
	if v != 0 {
		e.b = protowire.AppendVarint(protowire.AppendTag(e.b, n, protowire.VarintType), v)
	}
}

func (e *encoder) time(n protowire.Number, t time.Time) {
	if !t.IsZero() {
		e.b = protowire.AppendVarint(protowire.AppendTag(e.b, n, protowire.VarintType), protowire.EncodeZigZag(t.UnixMilli()))
	}
}

// timeFrom writes a time as what it differs from another, or 0 if it is absent.
func (e *encoder) timeFrom(base time.Time, n protowire.Number, t time.Time) {
	switch {
	case t.IsZero() && base.IsZero() || !t.IsZero() && !base.IsZero() && millis(t) == millis(base):
	case t.IsZero():
		e.b = protowire.AppendVarint(protowire.AppendTag(e.b, n, protowire.VarintType), 0)
	default:
		e.number(n, 1+protowire.EncodeZigZag(millis(t)-millis(base)))
	}
}

// millis is the time in milliseconds since 1970, 0 if it is absent.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

type field struct {
	number protowire.Number
	value  uint64 // of a number
	text   string // of all else, a part of the row
}

// fill copies a value that has to be as long as its place.
func (f field) fill(place []byte) error {
	if len(f.text) != len(place) {
		return errCorrupt
	}
	copy(place, f.text)
	return nil
}

func (f field) time() time.Time {
	return time.UnixMilli(protowire.DecodeZigZag(f.value)).UTC()
}

// timeFrom reads what the encoder's timeFrom wrote.
func (f field) timeFrom(base time.Time) time.Time {
	if f.value == 0 {
		return time.Time{}
	}
	return time.UnixMilli(millis(base) + protowire.DecodeZigZag(f.value-1)).UTC()
}

// fields calls do for each field of a row, and fails on what is no field.
func fields(row string, do func(field) error) error {
	for row != "" {
		f, rest, ok := cutField(row)
		if !ok {
			return errCorrupt
		}
		if err := do(f); err != nil {
			return err
		}
		row = rest
	}
	return nil
}

// cutField cuts a field off. It reads a string, where protowire would read bytes:
// what it returns can be kept without a copy.
func cutField(row string) (f field, rest string, ok bool) {
	tag, rest, ok := cutUvarint(row)
	number, kind := protowire.DecodeTag(tag)
	if !ok || number < protowire.MinValidNumber {
		return field{}, "", false
	}
	f.number = number
	f.value, rest, ok = cutUvarint(rest)
	switch {
	case !ok, kind != protowire.VarintType && kind != protowire.BytesType:
		return field{}, "", false
	case kind == protowire.BytesType:
		if f.value > uint64(len(rest)) {
			return field{}, "", false
		}
		f.text, rest = rest[:f.value], rest[f.value:]
		f.value = 0
	}
	return f, rest, true
}

// cutUvarint cuts an unsigned varint off.
func cutUvarint(s string) (v uint64, rest string, ok bool) {
	if s != "" && s[0] < 0x80 {
		return uint64(s[0]), s[1:], true
	}
	if len(s) > 1 && s[1] < 0x80 {
		return uint64(s[0]&0x7f) | uint64(s[1])<<7, s[2:], true
	}
	return cutLongUvarint(s)
}

func cutLongUvarint(s string) (v uint64, rest string, ok bool) {
	for i := 0; i < len(s) && i < binary.MaxVarintLen64; i++ {
		v |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			return v, s[i+1:], i < binary.MaxVarintLen64-1 || s[i] <= 1
		}
	}
	return 0, "", false
}
