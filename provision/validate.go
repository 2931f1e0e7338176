package provision

import (
	"fmt"
	"slices"
	"strings"
)

// validator makes a Manifest of the tree that a syntax has been read into.
type validator struct {
	report *report
	syntax syntax
}

func (v *validator) manifest(docs []*node) *Manifest {
	m := &Manifest{}
	var disposition Stated[Disposition]
	count := 0
	for _, doc := range docs {
		if doc.bad {
			continue
		}
		if doc.kind != mapKind {
			v.report.at(doc.pos, `a manifest is a mapping, with its entries under "tokens"`)
			continue
		}
		if len(doc.fields) == 0 {
			continue
		}
		fs := v.fields(doc, topScope)
		v.version(fs.stated("version"))
		disposition = v.disposition(fs.stated("on_success"), disposition)
		action, known := v.action(fs.stated("action"))
		items := v.items(fs)
		if count += len(items); count > maxEntries {
			v.tooMany(items[len(items)-(count-maxEntries)])
			return m
		}
		m.Entries = slices.Grow(m.Entries, len(items))
		for _, item := range items {
			v.entry(m, item, action, known)
		}
	}
	m.OnSuccess = disposition.Value
	return m
}

func (v *validator) tooMany(first *node) {
	v.report.at(first.pos, fmt.Sprintf("more than %d entries; split the file into several", maxEntries))
}

func (v *validator) items(fs *fields) []*node {
	f := fs.stated("tokens")
	if f == nil {
		if fs.missing("tokens") {
			v.report.also(fs.pos, `"tokens" is missing; state the entries under it`)
		}
		return nil
	}
	if !v.typed(f, listKind) {
		return nil
	}
	return f.value.items
}

func (v *validator) version(f *field) {
	if f == nil || !v.typed(f, numberKind) {
		return
	}
	if f.value.text != "1" {
		v.report.at(f.value.pos, `there is no such version of manifests; write 1, or leave "version" out`)
	}
}

var dispositions = []string{string(Rename), string(Remove)}

// disposition reads on_success, on which all documents have to agree.
func (v *validator) disposition(f *field, before Stated[Disposition]) Stated[Disposition] {
	text, ok := v.choice(f, dispositions)
	if !ok {
		return before
	}
	if before.OK && before.Value != Disposition(text) {
		v.report.at(f.value.pos, `another document of this file states another "on_success"; a file has one`)
		return before
	}
	return Stated[Disposition]{Value: Disposition(text), Pos: f.value.pos, OK: true}
}

var actions = []string{string(Create), string(Ensure), string(Update), string(Delete), string(Enable), string(Disable), string(Regenerate)}

// action reads an action. It is not known if one is stated that is none.
func (v *validator) action(f *field) (action Action, known bool) {
	text, ok := v.choice(f, actions)
	return Action(text), ok || f == nil
}

// choice reads one of several words.
func (v *validator) choice(f *field, words []string) (string, bool) {
	if f == nil {
		return "", false
	}
	text, ok := v.text(f)
	if !ok {
		return "", false
	}
	if slices.Contains(words, text) {
		return text, true
	}
	advice := "is one of " + strings.Join(words, ", ")
	if likely := nearest(text, words); likely != "" {
		advice += fmt.Sprintf("; did you mean %q?", likely)
	}
	v.report.at(f.value.pos, fmt.Sprintf("%q %s", f.key.text, advice))
	return "", false
}
