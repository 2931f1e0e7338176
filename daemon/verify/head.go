package verify

import "strings"

const lineEnd = "\r\n"

// head is what stands before the body of a request, if it is as plain as proxies
// write it.
type head struct {
	said

	// old: it is of HTTP/1.0, after which the connection ends. There net/http
	// takes no notice of a Transfer-Encoding, whose body would then be the next
	// request (RFC 9112, section 6.1).
	old bool
	// last: the connection ends after the answer.
	last bool

	seen   [framing]int // how often each of frame was there
	bodied bool         // Content-Length is not 0
}

// Headers that say how a request goes on, or who it is for. All that are in
// refusedNames are left to net/http.
const (
	frameHost = iota
	frameConnection
	frameLength
	frameEncoding
	framing
)

var (
	frameNames   = [framing]string{"Host", "Connection", "Content-Length", "Transfer-Encoding"}
	refusedNames = [...]string{"Expect", "Upgrade", "Trailer"}
)

// name is a header that is looked at: place is that in said.fields or, beyond
// those, in head.seen.
type name struct {
	text  string
	place int
}

const refusedPlace = -1

// names are all of them by their lengths, so that the others cost next to
// nothing.
var names = func() (all [32][]name) {
	add := func(text string, place int) { all[len(text)] = append(all[len(text)], name{text, place}) }
	for i, text := range spokenNames {
		add(text, i)
	}
	for _, text := range overrideSpellings {
		add(text, fieldUnderscored)
	}
	for i, text := range frameNames {
		add(text, spoken+i)
	}
	for _, text := range refusedNames {
		add(text, refusedPlace)
	}
	return all
}()

// read reads a head with the empty line that ends it. Whatever is not plain, or
// could be understood in more than one way, is left to net/http: then it returns
// false. It keeps parts of text.
func (h *head) read(text string) (plain bool) {
	h.reset()
	line, rest, _ := strings.Cut(text, lineEnd)
	if !strings.HasSuffix(text, lineEnd+lineEnd) || !h.requestLine(line) {
		return false
	}
	for {
		if line, rest, _ = strings.Cut(rest, lineEnd); line == "" {
			return rest == "" && h.whole()
		}
		if !h.field(line) {
			return false
		}
	}
}

func (h *head) reset() {
	h.old, h.last, h.bodied, h.encoded = false, false, false, false
	h.seen = [framing]int{}
	for i := range h.fields {
		h.fields[i] = h.fields[i][:0]
	}
}

// requestLine reads a method in capitals, a path under /verify, and HTTP/1.0 or
// 1.1 (RFC 9112, section 3).
func (h *head) requestLine(line string) bool {
	method, line, _ := strings.Cut(line, " ")
	target, version, _ := strings.Cut(line, " ")
	rest, ours := strings.CutPrefix(target, verifyPath)
	ours = ours && (rest == "" || rest[0] == '/' || rest[0] == '?')
	if !ours || !isPlainTarget(rest) || method == "" || strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
		return false
	}
	h.method, h.rest, h.old = method, rest, version == "HTTP/1.0"
	// What these two are answered with has no body, whatever its headers say.
	return (h.old || version == "HTTP/1.1") && method != "HEAD" && method != "CONNECT"
}

// isPlainTarget tells whether there are no other characters than those of a URI. A
// bad escape in it is for the gate to refuse, which net/http would keep it from.
func isPlainTarget(target string) bool {
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c > '~' || c == '#' {
			return false
		}
	}
	return true
}

// field reads the line of a header (RFC 9112, section 5).
func (h *head) field(line string) bool {
	title, value, found := strings.Cut(line, ":")
	if title == "" || !found || !consists(title, nameByte) || !consists(value, valueByte) {
		return false
	}
	if len(title) >= len(names) {
		return true
	}
	for _, n := range names[len(title)] {
		if !strings.EqualFold(title, n.text) {
			continue
		}
		value = strings.Trim(value, " \t")
		switch {
		case n.place == refusedPlace:
			return false
		case n.place == fieldUnderscored:
			value = ""
			h.fields[n.place] = h.fields[n.place][:0]
			fallthrough
		case n.place < spoken:
			h.fields[n.place] = append(h.fields[n.place], value)
			return true
		}
		return h.frame(n.place-spoken, value)
	}
	return true
}

// frame takes notice of a header that says how the request goes on.
func (h *head) frame(which int, value string) bool {
	h.seen[which]++
	switch which {
	case frameHost:
		return value != "" && consists(value, hostByte)
	case frameConnection:
		h.last = strings.EqualFold(value, "close")
		return h.last || strings.EqualFold(value, "keep-alive")
	case frameLength:
		h.bodied = value != "0"
	case frameEncoding:
		h.encoded = true
	}
	return true
}

// whole tells whether a head is plain of which each line is. One with a
// Transfer-Encoding is the last thing that is read of a connection: nothing is
// known about where its body ends.
func (h *head) whole() bool {
	for _, n := range h.seen[:frameEncoding] {
		if n > 1 {
			return false
		}
	}
	h.last = h.last || h.old || h.encoded
	return (h.old || h.seen[frameHost] == 1) && (!h.bodied || h.encoded)
}

// What a byte may be part of.
const (
	nameByte  = 1 << iota // the name of a header (RFC 9110, section 5.6.2)
	valueByte             // its value, of ASCII
	hostByte              // the value of Host, as all spell it
)

var bytesOf = func() (all [256]uint8) {
	const alphanumeric = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for _, c := range []byte(alphanumeric + "!#$%&'*+-.^_`|~") {
		all[c] |= nameByte
	}
	for _, c := range []byte(alphanumeric + "-._:[]") {
		all[c] |= hostByte
	}
	all['\t'] |= valueByte
	for c := ' '; c <= '~'; c++ {
		all[c] |= valueByte
	}
	return all
}()

// consists tells whether each byte may be part of that.
func consists(text string, of uint8) bool {
	all := of
	for i := range len(text) {
		all &= bytesOf[text[i]]
	}
	return all != 0
}
