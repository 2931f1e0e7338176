package verify

import (
	"net/url"
	"path"
	"strings"
	"unicode/utf8"
)

// plainPath decodes the path of an original URI. There is none if different
// programs could understand it differently: what is matched here has to be what
// the protected service is asked for.
func plainPath(raw string) (plain string, ok bool) {
	plain, err := url.PathUnescape(raw)
	if err != nil || !strings.HasPrefix(raw, "/") || !utf8.ValidString(plain) {
		return "", false
	}
	// Some read on after a space or a number sign, others do not.
	if strings.ContainsAny(raw, " #") || strings.ContainsFunc(plain, ambiguous) {
		return "", false
	}
	// An encoded slash is no separator, and to some it is one.
	if strings.Count(plain, "/") != strings.Count(raw, "/") {
		return "", false
	}
	clean := path.Clean(plain)
	return plain, clean == plain || clean != "/" && clean+"/" == plain
}

// ambiguous tells whether a character in a path is more than itself to some:
// the end of it, a slash, or the start of a parameter.
func ambiguous(c rune) bool { return c < ' ' || c == 0x7f || c == '\\' || c == ';' }

// parameter finds the values of a parameter in the query of an original URI. It
// returns false if an escape in its way is no escape. A plus is a plus: no token
// has a space.
func parameter(query, name string) (values []string, ok bool) {
	for part := range strings.SplitSeq(query, "&") {
		rawName, rawValue, _ := strings.Cut(part, "=")
		n, err := url.PathUnescape(rawName)
		if err != nil {
			return nil, false
		}
		if n != name {
			continue
		}
		value, err := url.PathUnescape(rawValue)
		if err != nil {
			return nil, false
		}
		values = append(values, value)
	}
	return values, true
}
