package provision

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// FuzzSyntaxes writes what a manifest says in each syntax, in flow and in blocks
// or under headers: invariant 4, all of them are refused, or all of them mean
// the same and give the same plan.
func FuzzSyntaxes(f *testing.F) {
	addSeeds(f)
	files, _ := filepath.Glob("testdata/samples/*")
	for _, path := range files {
		f.Add(filepath.Ext(path), read(f, path))
	}
	f.Fuzz(func(t *testing.T, ext string, data []byte) {
		src := parse("x"+ext, data)
		if len(src.docs) != 1 || !src.whole || !src.report.empty() {
			return
		}
		want, _ := Decoder{}.Decode("x"+ext, data)
		root := src.docs[0]
		if !root.portable(want != nil) {
			return
		}
		for name, text := range written(root) {
			got, problems := Decoder{}.Decode(name[strings.Index(name, "."):], []byte(text))
			if (got == nil) != (want == nil) {
				t.Fatalf("%s is accepted %v, %s %v: %s\n%s", ext, want != nil, name, got != nil, lines(name, problems), text)
			}
			if got != nil {
				sameMeaning(t, got, want, name+"\n"+text)
			}
		}
	})
}

func sameMeaning(t *testing.T, got, want *Manifest, where string) {
	t.Helper()
	d := &damaged{world: newWorld(t)}
	d.must(damagedBase)
	gotPlan, wantPlan := d.plan(got), d.plan(want)
	if (gotPlan == nil) != (wantPlan == nil) || gotPlan != nil && !reflect.DeepEqual(gotPlan.Batch(nil), wantPlan.Batch(nil)) {
		t.Errorf("another plan: %s", where)
	}
	placeless(reflect.ValueOf(got))
	placeless(reflect.ValueOf(want))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("another manifest: %s", where)
	}
}

// portable tells whether all syntaxes can say the same. Only TOML has dates that
// are no text, which is a difference where they are refused.
func (n *node) portable(accepted bool) bool {
	switch n.kind {
	case nullKind:
		return false
	case boolKind:
		return n.text == "true" || n.text == "false"
	case numberKind:
		return wholeForm.MatchString(n.text) && len(n.text) < 19
	case timeKind:
		return accepted
	}
	return len(n.fields) < maxTableKeys &&
		!slices.ContainsFunc(n.items, func(n *node) bool { return !n.portable(accepted) }) &&
		!slices.ContainsFunc(n.fields, func(f field) bool {
			return f.key.kind != textKind || strings.Contains(quoted(f.key.text), `\`) || !f.value.portable(accepted)
		})
}

// written writes a tree in every syntax, each by the name of a file.
func written(root *node) map[string]string {
	all := map[string]string{"json.json": flow(root, ":"), "flow.yaml": flow(root, ": "), "block.yaml": block(root, "")}
	if root.kind == mapKind {
		all["inline.toml"], all["headers.toml"] = inline(root), headers(root)
	}
	return all
}

// flow is JSON, and with a space behind the colon YAML of any age.
func flow(n *node, colon string) string {
	var parts []string
	switch n.kind {
	case mapKind:
		for _, f := range n.fields {
			parts = append(parts, quoted(f.key.text)+colon+flow(f.value, colon))
		}
		return "{" + strings.Join(parts, ",") + "}"
	case listKind:
		for _, item := range n.items {
			parts = append(parts, flow(item, colon))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case numberKind, boolKind:
		return n.text
	}
	return quoted(n.text)
}

// quoted is a text as JSON, YAML and TOML have it.
func quoted(text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // no text fails
	return strings.TrimSpace(b.String())
}

// block is YAML with a line for each value.
func block(n *node, indent string) string {
	var b strings.Builder
	for _, f := range n.fields {
		fmt.Fprintf(&b, "%s%s:%s\n", indent, quoted(f.key.text), blockValue(f.value, indent))
	}
	for _, item := range n.items {
		fmt.Fprintf(&b, "%s-%s\n", indent, blockValue(item, indent))
	}
	if b.Len() == 0 {
		return indent + flow(n, ": ") + "\n"
	}
	return b.String()
}

func blockValue(n *node, indent string) string {
	if len(n.fields)+len(n.items) == 0 {
		return " " + flow(n, ": ")
	}
	return "\n" + strings.TrimSuffix(block(n, indent+"  "), "\n")
}

// inline is TOML with a line for each key at the top.
func inline(root *node) string {
	var b strings.Builder
	for _, f := range root.fields {
		fmt.Fprintf(&b, "%s = %s\n", quoted(f.key.text), flow(f.value, " = "))
	}
	return b.String()
}

// headers is TOML with a header for each entry, and for each table in it.
func headers(root *node) string {
	var top node
	var b strings.Builder
	for _, f := range root.fields {
		if f.value.kind != listKind || len(f.value.items) == 0 || slices.ContainsFunc(f.value.items, func(n *node) bool { return n.kind != mapKind }) {
			top.fields = append(top.fields, f)
			continue
		}
		for _, item := range f.value.items {
			var plain node
			var tables strings.Builder
			for _, in := range item.fields {
				if in.value.kind != mapKind {
					plain.fields = append(plain.fields, in)
					continue
				}
				fmt.Fprintf(&tables, "[%s.%s]\n%s", quoted(f.key.text), quoted(in.key.text), inline(in.value))
			}
			fmt.Fprintf(&b, "[[%s]]\n%s%s", quoted(f.key.text), inline(&plain), tables.String())
		}
	}
	return inline(&top) + b.String()
}
