package provision

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// invisible are the characters that take no room or turn the order of others
// around, so that a text does not read as what it is.
var invisible = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x00ad, 0x00ad, 1}, // soft hyphen
		{0x034f, 0x034f, 1}, // combining grapheme joiner
		{0x061c, 0x061c, 1}, // Arabic letter mark
		{0x180e, 0x180e, 1}, // Mongolian vowel separator
		{0x200b, 0x200f, 1}, // zero-width space, joiners, direction marks
		{0x2028, 0x202e, 1}, // line and paragraph separators, embeddings, overrides
		{0x2060, 0x206f, 1}, // word joiner, invisible operators, isolates
		{0xfeff, 0xfeff, 1}, // byte order mark
		{0xfff9, 0xfffb, 1}, // interlinear annotation
	},
	R32: []unicode.Range32{{0xe0000, 0xe007f, 1}}, // tags
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
