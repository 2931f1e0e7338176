package config

import (
	"strconv"
	"strings"
)

// Bounds of what the parser is given: 40 KB of one dotted key would hold it
// for half a minute.
const (
	maxKey   = 256 // bytes, with the tables around it
	maxDepth = 16  // of lists and tables in a value
)

// places finds the line of every key and table of a TOML document, by paths
// like "drop[1].settle". The parser keeps none of them. It reads only as much
// of the grammar as that takes, and leaves it to the parser to refuse what is
// no TOML. Where a bound is passed it stops there, and returns that line.
func places(src string) (lines map[string]int, tooDeep int) {
	s := scanner{src: src, line: 1, lines: map[string]int{}, tables: map[string]int{}}
	s.document()
	return s.lines, s.tooDeep
}

// scanner goes through a document once, from the left.
type scanner struct {
	src     string
	pos     int
	depth   int // of the value that is being read
	line    int // the line of counted
	counted int // the position up to which lines are counted
	lines   map[string]int
	tables  map[string]int // how many tables an array of tables has so far
	tooDeep int            // the line where a bound was passed, or 0
}

func (s *scanner) document() {
	table := ""
	for s.blank(); s.pos < len(s.src); s.blank() {
		start := s.pos
		switch {
		case s.take("[["):
			table = s.path("", true)
			s.take("]]")
		case s.take("["):
			table = s.path("", false)
			s.take("]")
		default:
			s.pair(table)
		}
		if s.pos == start {
			s.pos++
		}
	}
}

// pair reads KEY = VALUE.
func (s *scanner) pair(table string) {
	path := s.path(table, false)
	s.spaces()
	if s.take("=") {
		s.spaces()
		s.value(path)
	}
}

// path reads a key, dotted or not, beneath table, and notes its line. With
// opens, it opens one more table of an array of tables.
func (s *scanner) path(table string, opens bool) string {
	path := table
	for {
		if path != "" {
			path += "."
		}
		path += s.part()
		if len(path) > maxKey {
			s.giveUp()
			return path
		}
		more := s.take(".")
		if opens && !more {
			s.tables[path]++
		}
		if n := s.tables[path]; n > 0 {
			path += "[" + strconv.Itoa(n-1) + "]"
		}
		if _, seen := s.lines[path]; !seen {
			s.lines[path] = s.lineHere()
		}
		if !more {
			return path
		}
	}
}

// part reads one part of a key, with the spaces around it.
func (s *scanner) part() string {
	s.spaces()
	defer s.spaces()
	start := s.pos
	if s.at(`"`) || s.at(`'`) {
		s.quoted()
		quoted := s.src[start:s.pos]
		if plain, err := strconv.Unquote(quoted); err == nil && quoted[0] == '"' {
			return plain
		}
		return strings.Trim(quoted, `'"`)
	}
	s.skipUntil(" \t\r\n.=[]{}#,\"'")
	return s.src[start:s.pos]
}

// value reads past a value, and notes the keys in it.
func (s *scanner) value(path string) {
	if s.depth++; s.depth > maxDepth {
		s.giveUp()
	}
	defer func() { s.depth-- }()
	switch {
	case s.at(`"`) || s.at(`'`):
		s.quoted()
	case s.take("["):
		s.members("]", func(i int) { s.value(path + "[" + strconv.Itoa(i) + "]") })
	case s.take("{"):
		s.members("}", func(int) { s.pair(path) })
	default:
		s.skipUntil(",]}#\r\n")
	}
}

// giveUp notes the line and stops reading.
func (s *scanner) giveUp() {
	s.tooDeep = s.lineHere()
	s.pos = len(s.src)
}

// members reads what a list or an inline table has in it. What is no member
// ends it: the parser will refuse that.
func (s *scanner) members(end string, member func(i int)) {
	for i := 0; ; i++ {
		s.blank()
		s.take(",")
		s.blank()
		start := s.pos
		if s.take(end) {
			return
		}
		if member(i); s.pos == start {
			return
		}
	}
}

// quoted reads past a string of any of the four kinds.
func (s *scanner) quoted() {
	quote := s.src[s.pos : s.pos+1]
	escapes := quote == `"`
	if long := strings.Repeat(quote, 3); s.at(long) {
		quote = long
	}
	s.pos += len(quote)
	for s.pos < len(s.src) && !s.take(quote) {
		if escapes && s.at(`\`) {
			s.pos++
		}
		s.pos = min(s.pos+1, len(s.src))
	}
	// A long string may end in up to two quotes of its own.
	for i := 0; i < 2 && len(quote) == 3; i++ {
		s.take(quote[:1])
	}
}

func (s *scanner) at(text string) bool { return strings.HasPrefix(s.src[s.pos:], text) }

func (s *scanner) take(text string) bool {
	if !s.at(text) {
		return false
	}
	s.pos += len(text)
	return true
}

func (s *scanner) spaces() {
	for s.pos < len(s.src) && strings.IndexByte(" \t", s.src[s.pos]) >= 0 {
		s.pos++
	}
}

// blank reads past spaces, ends of lines and comments.
func (s *scanner) blank() {
	for s.pos < len(s.src) && strings.IndexByte(" \t\r\n#", s.src[s.pos]) >= 0 {
		if s.at("#") {
			s.skipUntil("\n")
		} else {
			s.pos++
		}
	}
}

func (s *scanner) skipUntil(chars string) {
	if i := strings.IndexAny(s.src[s.pos:], chars); i >= 0 {
		s.pos += i
	} else {
		s.pos = len(s.src)
	}
}

func (s *scanner) lineHere() int {
	s.line += strings.Count(s.src[s.counted:s.pos], "\n")
	s.counted = s.pos
	return s.line
}
