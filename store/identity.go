package store

import (
	"slices"
	"strings"
)

// MaxHeaders bounds what a yes tells about a token in headers, in bytes of
// their values: proxies refuse answers with long headers.
const MaxHeaders = 3 << 10

// Escape percent-encodes bytes outside 0x21 to 0x7E, and the three that
// structure header values: different texts stay different, and none of them
// can end a header or a list.
func Escape(s string) string {
	const hex = "0123456789ABCDEF"
	if escapedLen(s) == len(s) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; plain(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

func plain(c byte) bool {
	return c > 0x20 && c < 0x7f && c != '%' && c != ',' && c != '='
}

func escapedLen(s string) int {
	n := len(s)
	for i := range len(s) {
		if !plain(s[i]) {
			n += 2
		}
	}
	return n
}

// ExpandScopes lists the scopes of a token and those that its sets stand for,
// sorted and each once. A set that sets does not have stands for nothing. The
// list may be the record's own.
func ExpandScopes(r *Record, sets map[string][]string) []string {
	if len(r.ScopeSets) == 0 {
		return r.Scopes
	}
	all := slices.Clone(r.Scopes)
	for _, name := range r.ScopeSets {
		all = append(all, sets[name]...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// HeaderSize is how many bytes the headers of a yes take that depend on what a
// manifest says.
func HeaderSize(r *Record, sets map[string][]string) int {
	n := escapedLen(r.User) + escapedLen(r.Name.Name) + escapedLen(r.Audience)
	for _, s := range ExpandScopes(r, sets) {
		n += escapedLen(s) + 1
	}
	for _, l := range r.Labels {
		n += escapedLen(l.Key) + escapedLen(l.Value) + 2
	}
	return n
}
