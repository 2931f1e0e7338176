package provision

import "strings"

// yamlExtent finds where a scalar stands that is known to start at n.from,
// without its quotes. What is found is compared with what the scalar means,
// except for quoted texts, whose ends cannot be mistaken.
func yamlExtent(text string, n *node) (from, to int, ok bool) {
	from = skipYAMLProperties(text, n.from)
	rest := text[from:]
	switch {
	case strings.HasPrefix(rest, `"`):
		return quotedExtent(text, from, quotedEnd(rest, '"'))
	case strings.HasPrefix(rest, `'`):
		return quotedExtent(text, from, singleQuotedEnd(rest))
	case n.quoted:
		line := strings.IndexByte(rest, '\n') + 1 // the | or > and what goes with it
		from += line
		ok = line > 0
	default:
		ok = true
	}
	for from < len(text) && isBlank(text[from]) {
		from++
	}
	to, same := matchFolded(text, from, n.text)
	return from, to, ok && same
}

// skipYAMLProperties skips the anchor and the tag of a node.
func skipYAMLProperties(text string, off int) int {
	for off < len(text) && (text[off] == '&' || text[off] == '!') {
		for off < len(text) && !isBlank(text[off]) {
			off++
		}
		for off < len(text) && isBlank(text[off]) {
			off++
		}
	}
	return off
}

func quotedExtent(text string, from, size int) (int, int, bool) {
	to := from + size
	return from + 1, to - 1, size > 1 && text[to-1] == text[from]
}

// singleQuotedEnd is the length of a text in single quotes, in which two of
// them stand for one.
func singleQuotedEnd(text string) int {
	for i := 1; i < len(text); i++ {
		if text[i] != '\'' {
			continue
		}
		if i++; i == len(text) || text[i] != '\'' {
			return i
		}
	}
	return 0
}

// matchFolded finds the end of a value that starts at off and may be broken
// into lines: blank space aside, the same characters in the same order.
func matchFolded(text string, off int, value string) (int, bool) {
	for _, c := range []byte(value) {
		if isBlank(c) {
			continue
		}
		for off < len(text) && isBlank(text[off]) {
			off++
		}
		if off == len(text) || text[off] != c {
			return off, false
		}
		off++
	}
	return off, true
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
