package provision

import (
	"cmp"
	"fmt"
)

// maxTableKeys bounds the keys of one table of a manifest, so that looking one up
// may walk all of them. No table has half as many.
const maxTableKeys = 100

// tomlError ends a scan.
type tomlError struct {
	off  int
	text string
}

func (e *tomlError) Error() string { return e.text }

// tomlTable is a table with its depth.
type tomlTable struct {
	node  *node
	depth int
}

// header makes the table that [a.b] or [[a.b]] opens.
func (s *tomlScanner) header(root tomlTable, keys []*node, array bool) (tomlTable, error) {
	if err := s.count(perTable); err != nil {
		return root, err
	}
	parent, err := s.descend(root, keys[:len(keys)-1], false)
	if err != nil {
		return root, err
	}
	key := keys[len(keys)-1]
	old := find(parent.node, key.text)
	switch {
	case old == nil && array:
		old = &node{kind: listKind, pos: key.pos, from: key.from, to: key.to, origin: tableArray}
		err = s.add(parent, key, old)
	case old == nil:
		old = &node{kind: mapKind, pos: key.pos, from: key.from, to: key.to, origin: openedTable}
		return tomlTable{old, parent.depth + 1}, s.add(parent, key, old)
	case array && old.origin != tableArray, !array && (old.origin != impliedTable || old.kind != mapKind):
		s.report.at(key.pos, duplicate(key))
		return tomlTable{&node{kind: mapKind}, parent.depth + 1}, nil
	case !array:
		old.origin = openedTable
		return tomlTable{old, parent.depth + 1}, nil
	}
	item := &node{kind: mapKind, pos: s.statement, origin: openedTable}
	old.items = append(old.items, item)
	return tomlTable{item, parent.depth + 2}, err
}

// descend walks, and makes where there is none, the tables that keys name: the
// parts of a header, or with dotted those of a key in the table t. Of an array
// of tables it is the last that a header means.
func (s *tomlScanner) descend(t tomlTable, keys []*node, dotted bool) (tomlTable, error) {
	within := t.node
	for _, key := range keys {
		next := find(t.node, key.text)
		if next == nil {
			next = &node{kind: mapKind, pos: key.pos, from: key.from, to: key.to}
			if dotted {
				next.origin, next.within = dottedTable, within
			}
			if err := cmp.Or(s.count(perTable), s.add(t, key, next)); err != nil {
				return t, err
			}
		}
		t.depth++
		if next.origin == tableArray && !dotted {
			next = next.items[len(next.items)-1]
			t.depth++
		}
		if next.kind != mapKind || next.origin == inlineTable || dotted && next.within != within {
			s.report.at(key.pos, duplicate(key))
			next = &node{kind: mapKind, within: within}
		}
		t.node = next
	}
	return t, nil
}

func (s *tomlScanner) add(t tomlTable, key, value *node) error {
	if len(t.node.fields) == s.tableKeys {
		return &tomlError{key.from, fmt.Sprintf("more than %d keys in one table, which has no use for that many", s.tableKeys)}
	}
	t.node.fields = append(t.node.fields, field{key: key, value: value})
	return nil
}

func find(n *node, key string) *node {
	for _, f := range n.fields {
		if f.key.text == key {
			return f.value
		}
	}
	return nil
}
