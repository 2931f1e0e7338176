package provision

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// invisible are the characters that take no room or turn the order of others
// around, so that a text does not read as what it is: those of Unicode's
// Default_Ignorable_Code_Point, separators of lines, and annotations.
var invisible = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x00ad, 0x00ad, 1}, // soft hyphen
		{0x034f, 0x034f, 1}, // combining grapheme joiner
		{0x061c, 0x061c, 1}, // Arabic letter mark
		{0x115f, 0x1160, 1}, // Hangul fillers
		{0x17b4, 0x17b5, 1}, // Khmer inherent vowels
		{0x180b, 0x180f, 1}, // Mongolian variation selectors and vowel separator
		{0x200b, 0x200f, 1}, // zero-width space, joiners, direction marks
		{0x2028, 0x202e, 1}, // line and paragraph separators, embeddings, overrides
		{0x2060, 0x206f, 1}, // word joiner, invisible operators, isolates
		{0x3164, 0x3164, 1}, // Hangul filler
		{0xfe00, 0xfe0f, 1}, // variation selectors
		{0xfeff, 0xfeff, 1}, // byte order mark
		{0xffa0, 0xffa0, 1}, // Hangul filler
		{0xfff0, 0xfffb, 1}, // unassigned, interlinear annotation
	},
	R32: []unicode.Range32{
		{0x1bca0, 0x1bca3, 1}, // shorthand format controls
		{0x1d173, 0x1d17a, 1}, // musical format controls
		{0xe0000, 0xe0fff, 1}, // tags, variation selectors
	},
}

// unprintable tells what is wrong with a character, nothing if it may stand
// in a manifest.
func unprintable(r rune) string {
	switch {
	case r >= ' ' && r < 0x7f:
	case r < ' ' || r <= 0x9f:
		return "a control character"
	case unicode.Is(invisible, r):
		return "an invisible character (zero-width or bidirectional)"
	}
	return ""
}

// checkText refuses what is no text before any parser sees it.
func checkText(text string, r *report) bool {
	if strings.HasPrefix(text, "\ufeff") {
		r.at(Pos{1, 1}, "the file starts with a byte order mark; save it as UTF-8 without one")
		return false
	}
	at := newLocator(text)
	for i, c := range text {
		if c >= ' ' && c < 0x7f || c == '\n' || c == '\t' || c == '\r' && strings.HasPrefix(text[i+1:], "\n") {
			continue
		}
		if c == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd") {
			r.at(at.at(i), "not UTF-8; save the file as UTF-8")
			return false
		}
		if what := unprintable(c); what != "" {
			r.at(at.at(i), "the file has "+what+" here; remove it")
		}
	}
	return r.empty()
}
