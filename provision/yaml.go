package provision

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// parseYAML reads all documents of a stream. The library needs no protection
// from depth: it is linear, and stops by itself at 10,000 levels.
func parseYAML(text string, r *report) (docs []*node, whole bool) {
	if strings.TrimSpace(text) == "" {
		return nil, true // the library takes a tab for a mistake
	}
	if off, many := yamlTooMany(text); many {
		r.at(newLocator(text).at(off), tooMany)
		return nil, false
	}
	p := yamlParser{report: r, loc: newLocator(text)}
	dec := yaml.NewDecoder(strings.NewReader(text))
	for {
		doc, err := decodeYAML(dec)
		if errors.Is(err, io.EOF) {
			return docs, !p.cut
		}
		if err != nil {
			r.at(yamlProblem(text, err.Error()))
			return docs, false
		}
		for _, content := range doc.Content {
			if root := p.node(content, 1); !root.absent() {
				docs = append(docs, root)
			}
		}
	}
}

// decodeYAML turns the library's panics, which mean that it has a bug, into
// errors.
func decodeYAML(dec *yaml.Decoder) (doc *yaml.Node, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("yaml: %v", p)
		}
	}()
	doc = new(yaml.Node)
	return doc, dec.Decode(doc)
}

type yamlParser struct {
	report *report
	loc    *locator
	cut    bool // something too deep was left out
}

func (p *yamlParser) node(y *yaml.Node, depth int) *node {
	n := &node{pos: Pos{y.Line, y.Column}, text: y.Value}
	n.from = p.loc.offset(n.pos)
	n.quoted = y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	p.refuse(y, n)
	switch y.Kind {
	case yaml.MappingNode:
		n.kind = mapKind
	case yaml.SequenceNode:
		n.kind = listKind
	case yaml.ScalarNode:
		n.kind = yamlKind(y)
	}
	if n.scalar() {
		return n
	}
	if depth > maxDepth {
		p.report.at(n.pos, tooDeep)
		n.bad, p.cut = true, true
		return n
	}
	p.content(y, n, depth)
	return n
}

func (p *yamlParser) content(y *yaml.Node, n *node, depth int) {
	if n.kind == listKind {
		for _, item := range y.Content {
			n.items = append(n.items, p.node(item, depth+1))
		}
		return
	}
	n.fields = make([]field, 0, len(y.Content)/2)
	for i := 0; i+1 < len(y.Content); i += 2 {
		key := p.node(y.Content[i], depth+1)
		if y.Content[i].Tag == "!!merge" {
			p.report.at(key.pos, "merge keys (<<) are not allowed; write the fields out")
			key.bad = true
		}
		n.fields = append(n.fields, field{key: key, value: p.node(y.Content[i+1], depth+1)})
	}
}

// refuse reports what lets one place of a file change the meaning of another.
func (p *yamlParser) refuse(y *yaml.Node, n *node) {
	var text string
	switch {
	case y.Kind == yaml.AliasNode:
		text = "aliases (*) are not allowed; write the value out"
	case y.Anchor != "":
		text = "anchors (&) are not allowed; write the value out wherever it is needed"
	case y.Style&yaml.TaggedStyle != 0, strings.HasPrefix(p.loc.text[n.from:], "!"):
		text = "tags (!) are not allowed; write the value without it, in quotes if it is text"
	default:
		return
	}
	p.report.at(n.pos, text)
	n.bad = true
}

func yamlKind(y *yaml.Node) kind {
	switch y.Tag {
	case "!!null":
		return nullKind
	case "!!bool":
		return boolKind
	case "!!int", "!!float":
		return numberKind
	}
	return textKind
}

// absent tells the content of an empty document.
func (n *node) absent() bool { return n.kind == nullKind && n.text == "" && !n.bad }

var (
	yamlLine  = regexp.MustCompile(`^yaml: line ([0-9]+): (.*)$`)
	yamlAlias = regexp.MustCompile(`(?s)^yaml: unknown anchor '(.*)' referenced$`)
)

// yamlProblem says in our words what the library said in its own, which quote
// from the file. The library counts lines from 0 where its parser found the
// error, and from 1 where its scanner did.
func yamlProblem(text, message string) (Pos, string) {
	if m := yamlAlias.FindStringSubmatch(message); m != nil {
		off := max(strings.Index(text, "*"+m[1]), 0)
		return newLocator(text).at(off), "aliases (*) are not allowed; write the value out, or put quotes around a text that starts with *"
	}
	if strings.Contains(message, "exceeded max depth") {
		return Pos{1, 1}, tooDeep
	}
	line, what := 1, message
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1])
		what = m[2]
	}
	for _, k := range yamlMessages {
		if strings.HasPrefix(what, k.theirs) {
			if k.parser && what != message {
				line++
			}
			return Pos{line, 1}, "not valid YAML: " + k.ours
		}
	}
	return Pos{line, 1}, "not valid YAML at this line or below"
}

// yamlMessages are the library's messages that people are likely to see.
var yamlMessages = []struct {
	theirs string
	parser bool
	ours   string
}{
	{"did not find expected key", true, "a line of the mapping that starts here does not fit; check indentation, quotes, and that each key has a colon and a space"},
	{"did not find expected '-' indicator", true, "a line of the list that starts here does not fit; each item starts with \"- \" in the same column"},
	{"did not find expected ',' or", true, "the list or mapping in brackets that starts here is not closed, or lacks a comma"},
	{"did not find expected node content", true, "a value is missing, a bracket is not closed, or a text that starts with a colon, comma or bracket lacks its quotes"},
	{"did not find expected <document start>", true, "there is text after the end of the document; documents are parted by ---"},
	{"found undefined tag handle", true, "tags (!) are not allowed; put quotes around a text that starts with !"},
	{"mapping values are not allowed", false, "there is a second colon on this line, or the line is indented too far; put quotes around a text with a colon and a space"},
	{"could not find expected ':'", false, "a key of this mapping has no colon, or no space after it"},
	{"found character that cannot start any token", false, "a value cannot start so; put quotes around it, and indent with spaces, not with tabs"},
	{"found unexpected end of stream", false, "a quote is not closed"},
	{"found unexpected document indicator", false, "a quote is not closed before the document ends"},
	{"found unknown escape character", false, "there is no such escape; write the backslash twice, or use single quotes"},
	{"did not find expected hexdecimal number", false, "an escape lacks hexadecimal digits"},
	{"found a tab character", false, "tabs cannot indent; use spaces"},
	{"block sequence entries are not allowed", false, "a list item cannot stand here; start it on a line of its own"},
}
