package provision

import (
	"slices"
	"strings"
	"unicode/utf8"
)

const redacted = "REDACTED"

// removed is the whole text of a file that could not be redacted for certain.
const removed = "REDACTED: this file held, or may have held, a secret whose place could not be found for certain; all of it was removed"

// Redact returns data with each literal secret replaced by REDACTED, or nil if
// it has none. It never returns text that still has one: where a secret cannot
// be located for certain, the whole text is replaced by one line that says so
// (a comment, in JSON a string).
//
// Secrets are the values of "token", wherever they occur, and whatever else is
// a token in the standard format or has a known prefix, in comments too; but
// not what is standard behind "sha256:", because one in 64 digests in base64
// could not be told from it otherwise.
func (d Decoder) Redact(name string, data []byte) []byte {
	if d.plainlyClean(string(data)) {
		return nil
	}
	return d.redact(name, data)
}

// plainlyClean tells cheaply of most texts without a secret that they have
// none: all is spelled as it is meant, no key can be "token", and nothing is a
// token by its form.
func (d Decoder) plainlyClean(text string) bool {
	for i := range len(text) {
		if text[i] == '\\' || text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return !hasWord(strings.ToLower(text), "token") && newSecrets(d.Formats, nil).clean(text)
}

// hasWord tells whether a word stands in a text by itself, as a key would.
func hasWord(text, word string) bool {
	for {
		before, after, found := strings.Cut(text, word)
		if !found {
			return false
		}
		joined := before != "" && isWord(before[len(before)-1]) || after != "" && isWord(after[0])
		if !joined {
			return true
		}
		text = after
	}
}

// isWord tells whether a byte can be a part of a longer key.
func isWord(c byte) bool {
	return c == '_' || c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z'
}

func (d Decoder) redact(name string, data []byte) []byte {
	src := parse(name, data)
	if !src.whole {
		return wholly(src.syntax)
	}
	places := secretsOf(src.docs)
	text, ok := src.replace(places)
	known := newSecrets(d.Formats, places)
	if !ok || len(known.odd) > maxOdd {
		return wholly(src.syntax)
	}
	text = known.replace(text)
	again := src
	if text != src.text {
		again = parse(name, []byte(text))
	}
	switch {
	case !again.whole || !known.absent(&again):
		return wholly(src.syntax)
	case text == src.text:
		return nil
	}
	return []byte(text)
}

func wholly(s syntax) []byte {
	if s == jsonSyntax {
		return []byte(`"` + removed + `"` + "\n")
	}
	return []byte("# " + removed + "\n")
}

// secretsOf collects the scalars under "token" keys, in the order of the text.
func secretsOf(docs []*node) []*node {
	var found []*node
	for _, doc := range docs {
		doc.walk(false, func(n *node, secret bool) {
			text := strings.TrimSpace(n.text)
			if secret && n.scalar() && text != "" && text != redacted {
				found = append(found, n)
			}
		})
	}
	slices.SortStableFunc(found, func(a, b *node) int { return a.from - b.from })
	return found
}

// walk visits a node and all in it, and says whether it is under "token".
func (n *node) walk(secret bool, visit func(n *node, secret bool)) {
	visit(n, secret)
	for _, item := range n.items {
		item.walk(secret, visit)
	}
	for _, f := range n.fields {
		f.key.walk(secret, visit)
		f.value.walk(secret || isTokenKey(f.key.text), visit)
	}
}

func isTokenKey(key string) bool { return strings.EqualFold(strings.TrimSpace(key), "token") }

// replace puts REDACTED in the places of secrets.
func (src *source) replace(places []*node) (string, bool) {
	var b strings.Builder
	done := 0
	for _, n := range places {
		from, to, ok := src.extent(n)
		if !ok || from < done {
			return "", false
		}
		b.WriteString(src.text[done:from])
		b.WriteString(redacted)
		done = to
	}
	b.WriteString(src.text[done:])
	return b.String(), true
}

// extent is where a text stands, without the quotes around it.
func (src *source) extent(n *node) (from, to int, ok bool) {
	if src.syntax == yamlSyntax {
		return yamlExtent(src.text, n)
	}
	if !n.quoted {
		return n.from, n.to, n.kind == textKind // a bare key, but a number cannot become a word
	}
	width := 1
	if raw := src.text[n.from:n.to]; src.syntax == tomlSyntax && (strings.HasPrefix(raw, `"""`) || strings.HasPrefix(raw, `'''`)) {
		width = 3
	}
	return n.from + width, n.to - width, true
}
