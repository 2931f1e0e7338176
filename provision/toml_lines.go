package provision

import "strconv"

// maxLineKeys bounds the keys of one table for TOMLLines.
const maxLineKeys = 1000

// TOMLLines finds the line of every key and table of a TOML text that is not a
// manifest, by paths like "drop[1].settle", which the library does not tell. The
// problems are those of its form; where there are none, the library can be given
// it, and decides whether it is TOML.
func TOMLLines(text string) (lines map[string]int, problems []Problem) {
	r := new(report)
	root := scanTOML(text, maxLineKeys, r)
	if !r.empty() {
		return nil, r.sorted()
	}
	lines = make(map[string]int)
	noteLines(root, "", lines)
	return lines, nil
}

// noteLines notes the lines of what is in a node that has the path.
func noteLines(n *node, path string, lines map[string]int) {
	for _, f := range n.fields {
		within := f.key.text
		if path != "" {
			within = path + "." + within
		}
		lines[within] = f.key.pos.Line
		noteLines(f.value, within, lines)
	}
	for i, item := range n.items {
		within := path + "[" + strconv.Itoa(i) + "]"
		if item.kind == mapKind {
			lines[within] = item.pos.Line
		}
		noteLines(item, within, lines)
	}
}
