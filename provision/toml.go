package provision

import (
	"errors"
	"time"

	"github.com/BurntSushi/toml"
)

// parseTOML lets our scanner find places and refuse what is too deep, and the
// library decide what is valid and what texts mean. Where the two do not agree
// on what the file holds, it is refused.
func parseTOML(text string, r *report) (docs []*node, whole bool) {
	root := scanTOML(text, maxTableKeys, r)
	if root == nil {
		return nil, false
	}
	if len(root.fields) > 0 {
		docs = []*node{root}
	}
	if !r.empty() {
		return docs, false
	}
	var values map[string]any
	if _, err := toml.Decode(text, &values); err != nil {
		r.at(tomlErrorPos(err, newLocator(text)), "not valid TOML here; look for a quote or bracket that is not closed, an escape that does not exist, a date that does not, or a table that is stated in two ways")
		return nil, false
	}
	if n := fill(root, values); n != nil {
		r.at(n.pos, "this is too intricate to be read for certain; write it more simply")
		return docs, false
	}
	return docs, true
}

// scanTOML reads the structure of a text whose tables have at most so many keys.
// There is none where it ends too soon to be told.
func scanTOML(text string, tableKeys int, r *report) *node {
	s := tomlScanner{text: text, tableKeys: tableKeys, report: r, loc: newLocator(text)}
	root, err := s.document()
	if err != nil {
		var bad *tomlError
		errors.As(err, &bad)
		r.at(s.loc.at(bad.off), bad.text)
		return nil
	}
	return root
}

func tomlErrorPos(err error, loc *locator) Pos {
	var parse toml.ParseError
	if !errors.As(err, &parse) {
		return Pos{1, 1}
	}
	return loc.at(max(parse.Position.Start, 0))
}

// fill takes over the texts that the library has decoded. It returns the first
// node that the library sees otherwise.
func fill(n *node, value any) *node {
	switch v := value.(type) {
	case string:
		n.text = v
		return mismatch(n, n.kind == textKind)
	case bool:
		return mismatch(n, n.kind == boolKind)
	case int64, float64:
		return mismatch(n, n.kind == numberKind)
	case time.Time:
		return mismatch(n, n.kind == timeKind)
	case map[string]any:
		return fillMap(n, v)
	case []any:
		return fillList(n, v)
	case []map[string]any:
		return fillList(n, v)
	}
	return n
}

func fillMap(n *node, values map[string]any) *node {
	if n.kind != mapKind || len(n.fields) != len(values) {
		return n
	}
	for _, f := range n.fields {
		value, ok := values[f.key.text]
		if !ok {
			return f.key
		}
		if bad := fill(f.value, value); bad != nil {
			return bad
		}
	}
	return nil
}

func fillList[T any](n *node, values []T) *node {
	if n.kind != listKind || len(n.items) != len(values) {
		return n
	}
	for i, item := range n.items {
		if bad := fill(item, values[i]); bad != nil {
			return bad
		}
	}
	return nil
}

func mismatch(n *node, ok bool) *node {
	if ok {
		return nil
	}
	return n
}
