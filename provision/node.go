package provision

import (
	"strconv"
	"unicode/utf8"
)

type kind uint8

const (
	nullKind   kind = iota
	textKind        // in YAML also what is plain and nothing else, such as dates
	numberKind      // unquoted
	boolKind        // unquoted
	timeKind        // unquoted in TOML: a date, a time, or both
	mapKind
	listKind
)

// node is a value in a manifest, the same for all syntaxes.
type node struct {
	kind kind
	pos  Pos
	// text is what a scalar means or, where it is no text, how it is written.
	text   string
	quoted bool
	// bad: it has been reported already.
	bad bool
	// from and to are its place in the source, quotes included. In YAML only
	// from is known.
	from, to int

	fields []field // of a mapping, in their order
	items  []*node // of a list

	origin origin // of a table in TOML
	within *node  // of a dottedTable: the table in which the key stands
}

// origin is how a TOML table came to be, which decides what may add to it.
type origin uint8

const (
	impliedTable origin = iota // by a header of something in it: a header may open it
	openedTable                // by its header: what follows that, and headers of what is in it
	dottedTable                // by a dotted key: others beside that, and headers of what is in it
	inlineTable                // in braces, or not a table of its own: nothing
	tableArray                 // a list of tables: headers in double brackets
)

type field struct {
	key, value *node
	// role is what the value is to the key, where it is a part of the key's
	// value: "an item of ".
	role string
}

// name is what a problem calls the value.
func (f *field) name() string { return f.role + strconv.Quote(f.key.text) }

func (n *node) scalar() bool { return n.kind != mapKind && n.kind != listKind }

// locator translates between offsets and places. It goes forward from where
// it was, so that a pass over a file costs the file's length once.
type locator struct {
	text           string
	off, lineStart int
	pos            Pos // of off
}

func newLocator(text string) *locator { return &locator{text: text, pos: Pos{1, 1}} }

// at is the place of an offset.
func (l *locator) at(off int) Pos {
	off = min(off, len(l.text))
	if off < l.off {
		l.rewind(off >= l.lineStart)
	}
	for l.off < off {
		l.step()
	}
	return l.pos
}

// offset is the offset of a place, or of the end of its line if the line is
// shorter.
func (l *locator) offset(pos Pos) int {
	if pos.Line < l.pos.Line || pos.Line == l.pos.Line && pos.Col < l.pos.Col {
		l.rewind(pos.Line == l.pos.Line)
	}
	for l.off < len(l.text) {
		if l.pos.Line > pos.Line || l.pos.Line == pos.Line && (l.pos.Col >= pos.Col || l.text[l.off] == '\n') {
			break
		}
		l.step()
	}
	return l.off
}

func (l *locator) rewind(line bool) {
	if line {
		l.off, l.pos.Col = l.lineStart, 1
		return
	}
	*l = *newLocator(l.text)
}

func (l *locator) step() {
	if l.text[l.off] == '\n' {
		l.off++
		l.lineStart = l.off
		l.pos = Pos{l.pos.Line + 1, 1}
		return
	}
	_, size := utf8.DecodeRuneInString(l.text[l.off:])
	l.off += size
	l.pos.Col++
}
