package provision

import (
	"encoding/json"
	"errors"
	"strings"
)

// parseJSON reads one JSON value, or none. With whole, it was valid.
func parseJSON(text string, r *report) (docs []*node, whole bool) {
	p := jsonParser{text: text, loc: newLocator(text)}
	if strings.TrimLeft(text, " \t\r\n") == "" {
		return nil, true
	}
	if off, deep := jsonTooDeep(text); deep {
		r.at(p.loc.at(off), tooDeep)
		return nil, false
	}
	if err := json.Unmarshal([]byte(text), new(json.RawMessage)); err != nil {
		r.at(p.loc.at(jsonErrorOffset(err, text)), jsonProblem(err))
		return nil, false
	}
	p.dec = json.NewDecoder(strings.NewReader(text))
	p.dec.UseNumber()
	root, err := p.value()
	if errors.Is(err, errTooMany) {
		r.at(p.loc.at(p.end), tooMany)
		return nil, false
	}
	if err != nil {
		r.at(p.loc.at(p.end), "not valid JSON")
		return nil, false
	}
	return []*node{root}, true
}

// jsonTooDeep finds the bracket that goes below the permitted depth.
func jsonTooDeep(text string) (int, bool) {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i += quotedEnd(text[i:], '"') - 1
		case '[', '{':
			if depth++; depth > maxDepth {
				return i, true
			}
		case ']', '}':
			depth--
		}
	}
	return 0, false
}

// quotedEnd is the length of a quoted text with backslash escapes, or that of
// all of text if it is not closed.
func quotedEnd(text string, quote byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case quote:
			return i + 1
		}
	}
	return len(text)
}

func jsonErrorOffset(err error, text string) int {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return 0
	}
	if strings.HasPrefix(syntax.Error(), "unexpected end") {
		return len(text)
	}
	return int(syntax.Offset) - 1
}

func jsonProblem(err error) string {
	message := err.Error()
	switch {
	case strings.HasPrefix(message, "unexpected end"):
		return "not valid JSON: the file ends before the value does; a bracket or quote is not closed"
	case strings.Contains(message, "after top-level value"):
		return "not valid JSON: there is more after the one value that a file may hold"
	case strings.Contains(message, "looking for beginning of object key"):
		return "not valid JSON: a key in double quotes must stand here; comments, and commas after the last field, are not allowed"
	case strings.Contains(message, "looking for beginning of value"):
		return "not valid JSON: a value must stand here; text needs double quotes, and a list ends without a comma"
	case strings.Contains(message, "in string"):
		return "not valid JSON: this cannot stand in a text; write it as an escape like \\n or \\u000a"
	}
	return "not valid JSON: a comma, colon or closing bracket is missing here"
}

// jsonParser makes nodes of the tokens of a text that is known to be valid.
type jsonParser struct {
	text string
	loc  *locator
	dec  *json.Decoder
	end  int // of the last token

	nodes int // that have been read
}

var errTooMany = errors.New(tooMany)

// next reads a token and the place where it starts.
func (p *jsonParser) next() (json.Token, *node, error) {
	tok, err := p.dec.Token()
	start := p.end
	for start < len(p.text) && strings.IndexByte(" \t\r\n,:", p.text[start]) >= 0 {
		start++
	}
	p.end = int(p.dec.InputOffset())
	return tok, &node{pos: p.loc.at(start), from: start, to: p.end}, err
}

func (p *jsonParser) value() (*node, error) {
	tok, n, err := p.next()
	if err != nil {
		return nil, err
	}
	if p.nodes++; p.nodes > maxNodes {
		return nil, errTooMany
	}
	switch tok := tok.(type) {
	case string:
		n.kind, n.text, n.quoted = textKind, tok, true
	case json.Number:
		n.kind, n.text = numberKind, tok.String()
	case bool:
		n.kind, n.text = boolKind, p.text[n.from:n.to]
	case json.Delim:
		err = p.container(n, tok)
	}
	return n, err
}

func (p *jsonParser) container(n *node, open json.Delim) error {
	n.kind = listKind
	if open == '{' {
		n.kind = mapKind
	}
	for p.dec.More() {
		item, err := p.value()
		if err != nil {
			return err
		}
		if n.kind == listKind {
			n.items = append(n.items, item)
			continue
		}
		value, err := p.value()
		if err != nil {
			return err
		}
		n.fields = append(n.fields, field{key: item, value: value})
	}
	_, last, err := p.next()
	n.to = last.to
	return err
}
