package token

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// The parts of a prefixed token's text.
const (
	joint        = "_"
	bodyDigits   = 43 // the fewest that hold 32 bytes
	checkDigits  = 6  // the fewest that hold 4
	prefixedTail = bodyDigits + checkDigits
)

// The digits, and how many of them are read and written at a time: as many as
// a uint64 holds.
const (
	alphabet    = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	radix       = uint64(len(alphabet))
	groupDigits = 10
	groupRadix  = radix5 * radix5 // radix to the power of groupDigits
	radix5      = radix * radix * radix * radix * radix
)

// noDigit stands in digitOf for what is no digit.
const noDigit = 0xff

// digitOf is the value of each digit. Looking digits up by their value leaves
// traces in the processor's cache, as it does in encoding/base64: someone who
// can read these runs beside the daemon, and there are easier ways from there.
var digitOf = func() (values [256]byte) {
	for c := range values {
		values[c] = noDigit
	}
	for value, c := range []byte(alphabet) {
		values[c] = byte(value)
	}
	return values
}()

// parsePrefixed reads a text that begins with prefix and joint.
func parsePrefixed(prefix, text string) (t Token, err error) {
	raw, err := decodePrefixed(prefix, text)
	if err == nil && !t.set(Prefixed, &raw, text) {
		err = ErrBody
	}
	return t, err
}

// decodePrefixed reads what parsePrefixed does. The checksum is judged before
// the value, because it tells a typing error from a wrong token.
func decodePrefixed(prefix, text string) (raw [rawSize]byte, err error) {
	start := len(prefix) + len(joint)
	if len(text) != start+prefixedTail || !areDigits(text[start:]) {
		return raw, ErrBody
	}
	end := len(text) - checkDigits
	if digitsValue(text[end:]) != uint64(checksum(text[:end])) {
		return raw, ErrChecksum
	}
	raw, fits := decodeBody(text[start:end])
	if !fits {
		return raw, ErrBody
	}
	return raw, nil
}

// encodePrefixed is the inverse of decodePrefixed.
func encodePrefixed(prefix string, raw [rawSize]byte) string {
	text := prefix + joint + encodeBody(raw)
	var check [checkDigits]byte
	putDigits(check[:], uint64(checksum(text)))
	return text + string(check[:])
}

// checksum is CRC-32 (IEEE). crc32.ChecksumIEEE takes bytes and lets them
// escape to the heap (invariant 5), and is no faster for a text this short.
func checksum(text string) uint32 {
	crc := ^uint32(0)
	for i := range len(text) {
		crc = crc32.IEEETable[byte(crc)^text[i]] ^ crc>>8
	}
	return ^crc
}

// decodeBody reads 43 digits as one number of 256 bits, big-endian. Numbers
// that do not fit, which would wrap round to a second spelling, are refused.
func decodeBody(digits string) (raw [rawSize]byte, fits bool) {
	var number [4]uint64
	for len(digits) > 0 {
		group := (len(digits)-1)%groupDigits + 1
		if !multiplyAdd(&number, digitsValue(digits[:group])) {
			return raw, false
		}
		digits = digits[group:]
	}
	for i, word := range number {
		binary.BigEndian.PutUint64(raw[8*i:], word)
	}
	return raw, true
}

// encodeBody is the inverse of decodeBody.
func encodeBody(raw [rawSize]byte) string {
	var number [4]uint64
	for i := range number {
		number[i] = binary.BigEndian.Uint64(raw[8*i:])
	}
	var digits [bodyDigits]byte
	for end := bodyDigits; end > 0; end -= groupDigits {
		putDigits(digits[max(0, end-groupDigits):end], divide(&number))
	}
	return string(digits[:])
}

// multiplyAdd shifts a number by one group and adds n. It is false if that
// takes more than 256 bits.
func multiplyAdd(number *[4]uint64, n uint64) bool {
	for i := len(number) - 1; i >= 0; i-- {
		high, low := bits.Mul64(number[i], groupRadix)
		var carry uint64
		number[i], carry = bits.Add64(low, n, 0)
		n = high + carry
	}
	return n == 0
}

// divide shifts a number back by one group and returns that group.
func divide(number *[4]uint64) (group uint64) {
	for i := range number {
		number[i], group = bits.Div64(group, number[i], groupRadix)
	}
	return group
}

func areDigits(text string) bool {
	for i := range len(text) {
		if digitOf[text[i]] == noDigit {
			return false
		}
	}
	return true
}

// digitsValue is the value of at most ten digits.
func digitsValue(digits string) (n uint64) {
	for i := range len(digits) {
		n = n*radix + uint64(digitOf[digits[i]])
	}
	return n
}

// putDigits fills digits with n, with leading zeros.
func putDigits(digits []byte, n uint64) {
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = alphabet[n%radix]
		n /= radix
	}
}
