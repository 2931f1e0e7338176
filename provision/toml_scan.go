package provision

import (
	"strconv"
	"strings"
)

// tomlScanner reads the structure of a TOML text, and where each thing stands.
// It may accept more than TOML does, since the library decides in the end.
type tomlScanner struct {
	text      string
	tableKeys int // that a table may have
	off       int
	statement Pos // of the header or key that is being read
	nodes     int // that have been read; a table counts for several
	loc       *locator
	report    *report
}

func (s *tomlScanner) document() (*node, error) {
	root := tomlTable{&node{kind: mapKind, pos: Pos{1, 1}}, 1}
	table := root
	for s.skipBlank(); s.off < len(s.text); s.skipBlank() {
		s.statement = s.loc.at(s.off)
		var err error
		if s.peek() == '[' {
			table, err = s.tableHeader(root)
		} else {
			err = s.keyValue(table)
		}
		if err == nil {
			err = s.endOfLine()
		}
		if err != nil {
			return nil, err
		}
	}
	return root.node, nil
}

func (s *tomlScanner) tableHeader(root tomlTable) (tomlTable, error) {
	brackets := "]"
	s.off++
	if s.peek() == '[' {
		s.off++
		brackets = "]]"
	}
	keys, err := s.keyPath()
	if err != nil {
		return root, err
	}
	if !strings.HasPrefix(s.text[s.off:], brackets) {
		return root, s.fail("not valid TOML: a table's header ends with " + brackets)
	}
	s.off += len(brackets)
	return s.header(root, keys, brackets == "]]")
}

// keyValue reads one key with its value into a table.
func (s *tomlScanner) keyValue(t tomlTable) error {
	keys, err := s.keyPath()
	if err != nil {
		return err
	}
	if s.peek() != '=' {
		return s.fail("not valid TOML: a key is followed by = and a value")
	}
	s.off++
	s.skipSpace()
	last := keys[len(keys)-1]
	if t, err = s.descend(t, keys[:len(keys)-1], true); err != nil {
		return err
	}
	value, err := s.value(t.depth + 1)
	if err != nil {
		return err
	}
	if find(t.node, last.text) != nil {
		s.report.at(last.pos, duplicate(last))
		return nil
	}
	return s.add(t, last, value)
}

// keyPath reads a key, dotted or not, and the space after it.
func (s *tomlScanner) keyPath() ([]*node, error) {
	var keys []*node
	for {
		s.skipSpace()
		key, err := s.key()
		if err != nil {
			return nil, err
		}
		if len(keys) == maxKeyParts {
			return nil, &tomlError{key.from, "more than 8 parts in a dotted key; three are enough"}
		}
		keys = append(keys, key)
		s.skipSpace()
		if s.peek() != '.' {
			return keys, nil
		}
		s.off++
	}
}

func (s *tomlScanner) key() (*node, error) {
	if err := s.count(1); err != nil {
		return nil, err
	}
	n := &node{kind: textKind, pos: s.loc.at(s.off), from: s.off}
	if c := s.peek(); c == '"' || c == '\'' {
		if err := s.quoted(n); err != nil {
			return nil, err
		}
		if c == '"' && strings.Contains(n.text, `\`) {
			return nil, &tomlError{n.from, "a key needs no escapes; write it plainly"}
		}
		return n, nil
	}
	for s.off < len(s.text) && isBareKey(s.text[s.off]) {
		s.off++
	}
	if n.to = s.off; n.to == n.from {
		return nil, s.fail("not valid TOML: a key must stand here")
	}
	n.text = s.text[n.from:n.to]
	return n, nil
}

func isBareKey(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// value reads a value; depth is its own, should it be a list or a table.
func (s *tomlScanner) value(depth int) (*node, error) {
	if err := s.count(1); err != nil {
		return nil, err
	}
	n := &node{pos: s.loc.at(s.off), from: s.off}
	var err error
	switch s.peek() {
	case '"', '\'':
		err = s.quoted(n)
	case '[':
		err = s.list(n, depth)
	case '{':
		err = s.inlineTable(n, depth)
	default:
		err = s.bare(n)
	}
	n.to = s.off
	return n, err
}

// list reads [a, b].
func (s *tomlScanner) list(n *node, depth int) error {
	n.kind = listKind
	return s.members(depth, ']', func() error {
		item, err := s.value(depth + 1)
		n.items = append(n.items, item)
		return err
	})
}

// inlineTable reads {a = 1, b = 2}.
func (s *tomlScanner) inlineTable(n *node, depth int) error {
	n.kind, n.origin = mapKind, inlineTable
	if err := s.count(perTable); err != nil {
		return err
	}
	return s.members(depth, '}', func() error { return s.keyValue(tomlTable{n, depth}) })
}

func (s *tomlScanner) members(depth int, end byte, member func() error) error {
	if depth > maxDepth {
		return s.fail(tooDeep)
	}
	for s.off++; ; s.off++ {
		s.skipBlank()
		if s.peek() == end {
			break
		}
		if err := member(); err != nil {
			return err
		}
		if s.skipBlank(); s.peek() != ',' {
			break
		}
	}
	if s.peek() != end {
		return s.fail("not valid TOML: a comma or the closing bracket is missing here")
	}
	s.off++
	return nil
}

// quoted reads a text in any of the four kinds of quotes. What it means is
// the library's to say, so escapes are left as they are.
func (s *tomlScanner) quoted(n *node) error {
	n.kind, n.quoted = textKind, true
	quote, rest := s.text[s.off:s.off+1], s.text[s.off:]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(rest, triple) {
		quote = triple
	}
	size := tomlQuotedEnd(rest, quote)
	if size < 0 {
		return s.fail("not valid TOML: this quote is not closed")
	}
	n.text = rest[len(quote) : size-len(quote)]
	s.off += size
	n.to = s.off
	return nil
}

// tomlQuotedEnd is the length of a quoted text, or -1 if it is not closed.
func tomlQuotedEnd(text, quote string) int {
	for i := len(quote); i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote[0] == '"':
			i++
		case text[i] == '\n' && len(quote) == 1:
			return -1
		case strings.HasPrefix(text[i:], quote):
			i += len(quote)
			// Three quotes end a text, and up to two before them belong to it.
			for more := 0; more < 2 && len(quote) == 3 && i < len(text) && text[i] == quote[0]; more++ {
				i++
			}
			return i
		}
	}
	return -1
}

// How dates and times begin, with 0 for any digit.
const (
	tomlDate = "0000-00-00"
	tomlTime = "00:"
)

func begins(text, shape string) bool {
	if len(text) < len(shape) {
		return false
	}
	for i := range len(shape) {
		if shape[i] != text[i] && (shape[i] != '0' || text[i] < '0' || text[i] > '9') {
			return false
		}
	}
	return true
}

func isTOMLNumber(word string) bool {
	if word[0] == '+' || word[0] == '-' {
		word = word[1:]
	}
	return begins(word, "0") || word == "inf" || word == "nan"
}

// bare reads what stands without quotes.
func (s *tomlScanner) bare(n *node) error {
	s.word()
	word := s.text[n.from:s.off]
	if len(word) == len("2006-01-02") && begins(word, tomlDate) && s.peek() == ' ' && begins(s.text[s.off+1:], tomlTime) {
		s.off++
		s.word()
	}
	n.text = s.text[n.from:s.off]
	switch {
	case word == "":
		return s.fail("not valid TOML: a value must stand here")
	case word == "true" || word == "false":
		n.kind = boolKind
	case begins(word, tomlDate) || begins(word, tomlTime):
		n.kind = timeKind
		if _, problem := instant(n.text, false); problem == impossible {
			s.report.at(n.pos, "this "+impossible)
		}
	case isTOMLNumber(word):
		n.kind = numberKind
		if _, err := strconv.ParseInt(word, 10, 64); err != nil && wholeForm.MatchString(word) {
			s.report.at(n.pos, "this number is larger than any that can be meant")
		}
	default:
		s.report.at(n.pos, "not valid TOML: text needs quotes, and only numbers, dates, true and false stand without")
		n.kind, n.bad = textKind, true
		s.skipTo(",]}#\n")
	}
	return nil
}

func (s *tomlScanner) word() { s.skipTo(",]}#\n\r \t") }

func (s *tomlScanner) skipTo(ends string) {
	for s.off < len(s.text) && strings.IndexByte(ends, s.text[s.off]) < 0 {
		s.off++
	}
}

func (s *tomlScanner) endOfLine() error {
	s.skipSpace()
	switch s.peek() {
	case 0, '\n', '\r', '#':
		return nil
	}
	return s.fail("not valid TOML: each key stands on a line of its own, and nothing follows its value")
}

// peek is the next byte, 0 at the end; no manifest has a zero byte.
func (s *tomlScanner) peek() byte {
	if s.off < len(s.text) {
		return s.text[s.off]
	}
	return 0
}

func (s *tomlScanner) skipSpace() {
	for s.peek() == ' ' || s.peek() == '\t' {
		s.off++
	}
}

// skipBlank skips space, line ends and comments.
func (s *tomlScanner) skipBlank() {
	for {
		switch s.peek() {
		case ' ', '\t', '\n', '\r':
			s.off++
		case '#':
			for s.off < len(s.text) && s.text[s.off] != '\n' {
				s.off++
			}
		default:
			return
		}
	}
}

// perTable is what a table counts for: the library makes a map of it.
const perTable = 4

// count counts nodes, and fails when there are too many.
func (s *tomlScanner) count(nodes int) error {
	if s.nodes += nodes; s.nodes > maxNodes {
		return s.fail(tooMany)
	}
	return nil
}

func (s *tomlScanner) fail(text string) error { return &tomlError{s.off, text} }
