package config

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/BurntSushi/toml"

	"github.com/tokendrop/tokendrop/provision"
)

const (
	variablePrefix = "TOKENDROP_"
	configVariable = variablePrefix + "CONFIG"
)

// reading is a Config in the making.
type reading struct {
	path     string
	lines    map[string]int   // of the file, by key
	stated   map[string]Place // where a value came from, by key
	config   *Config
	problems []Problem
}

func newReading(path string) *reading {
	c := Default()
	c.File = path
	if abs, err := filepath.Abs(path); err == nil && path != "" {
		c.File = abs
	}
	return &reading{path: path, stated: map[string]Place{}, config: c}
}

// file takes over what the file says. It is decoded into maps and not into
// the Config, because decoding into a struct matches keys without case and
// stops at the first wrong type.
func (r *reading) file(src string) {
	lines, problems := provision.TOMLLines(src)
	for _, p := range problems {
		r.problemAt(Place{r.path, p.Pos.Line}, p.Text)
	}
	if len(problems) > 0 {
		return
	}
	r.lines = lines
	var doc map[string]any
	if _, err := toml.Decode(src, &doc); err != nil {
		r.problems = append(r.problems, syntaxProblem(r.path, src, err))
		return
	}
	known := []string{"drop", scopeSetsKey}
	for _, s := range r.sections() {
		known = append(known, s.name)
		r.section(doc, s)
	}
	if drops, ok := doc["drop"]; ok {
		r.drops(drops)
	}
	if sets, ok := doc[scopeSetsKey]; ok {
		r.inner(scopeSetsKey, field{name: scopeSetsKey, header: "[scope_sets]", inner: r.scopeSets}, sets)
	}
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		if !slices.Contains(known, name) {
			r.problem(name, unknown(fmt.Sprintf("section %q", name), name, known))
		}
	}
}

// syntaxProblem counts the line itself: at the end of a file the parser's is one
// too low. Its message may quote a character that cannot be printed.
func syntaxProblem(path, src string, err error) Problem {
	parse, ok := errors.AsType[toml.ParseError](err)
	if !ok {
		return Problem{Place{Source: path}, "not valid TOML: " + err.Error()}
	}
	before := src[:min(max(parse.Position.Start, 0), len(src))]
	text := strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return unicode.ReplacementChar
		}
		return c
	}, parse.Message)
	return Problem{Place{path, 1 + strings.Count(before, "\n")}, "not valid TOML: " + text}
}

// section takes over a table that may stand there once.
func (r *reading) section(doc map[string]any, s section) {
	value, ok := doc[s.name]
	if !ok {
		return
	}
	r.inner(s.name, field{name: s.name, header: "[" + s.name + "]", inner: func(key string, table map[string]any) {
		r.table(key, table, s.fields)
	}}, value)
}

// inner takes over a value that has to be one table, or a list of them.
func (r *reading) inner(key string, f field, value any) {
	if f.tables != nil {
		tables, ok := tablesOf(value)
		if !ok {
			r.problem(key, fmt.Sprintf("%s is a list of tables: write %s", f.name, f.header))
			return
		}
		f.tables(key, tables)
		return
	}
	table, ok := value.(map[string]any)
	if !ok {
		r.problem(key, fmt.Sprintf("%s is one table: write %s", f.name, f.header))
		return
	}
	f.inner(key, table)
}

// drops takes over the drop directories, which replace the default one.
func (r *reading) drops(value any) {
	tables, ok := tablesOf(value)
	if !ok || len(tables) == 0 {
		r.problem("drop", "drop is a list of tables: write [[drop]] above each drop directory, or leave it out for the default one")
		return
	}
	if len(tables) > maxDrops {
		r.problem("drop", fmt.Sprintf("want at most %d drop directories", maxDrops))
		return
	}
	r.config.Drops = make([]Drop, len(tables))
	for i, table := range tables {
		d := defaultDrop()
		r.table(dropKey(i), table, slices.Concat(d.fields(), pruneFields(&d.Rules), r.ruleFields(&d.Rules)))
		if _, ok := table["path"]; !ok {
			r.problem(dropKey(i), "path is missing: say which directory this [[drop]] is about")
		}
		if d.Name == "" {
			d.Name = d.Path
		}
		r.config.Drops[i] = d
	}
}

// tablesOf returns the tables of [[…]], or of a list of inline tables.
func tablesOf(value any) ([]map[string]any, bool) {
	if tables, ok := value.([]map[string]any); ok {
		return tables, true
	}
	items, ok := value.([]any)
	var tables []map[string]any
	for _, item := range items {
		table, isTable := item.(map[string]any)
		tables, ok = append(tables, table), ok && isTable
	}
	return tables, ok
}

func dropKey(i int) string { return fmt.Sprintf("drop[%d]", i) }

// table takes over the values of a table.
func (r *reading) table(path string, table map[string]any, fields []field) {
	rest := maps.Clone(table)
	var known []string
	for _, f := range fields {
		known = append(known, f.name)
		value, ok := table[f.name]
		delete(rest, f.name)
		switch key := path + "." + f.name; {
		case ok && f.nested():
			r.inner(key, f, value)
		case ok:
			r.set(key, Place{r.path, r.lines[key]}, f, value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		r.problem(path+"."+name, unknown(fmt.Sprintf("key %q", name), name, known))
	}
}

// set takes over one value, and remembers whose it is.
func (r *reading) set(key string, at Place, f field, value any) {
	r.stated[key] = at
	if err := f.set(value); err != nil {
		text := err.Error()
		if at.Line > 0 {
			text = f.name + ": " + text
		}
		r.problemAt(at, text)
	}
}

// environment takes over single values; there are none for what has tables of
// its own, such as drop directories, sets of scopes and imports.
func (r *reading) environment(env []string) {
	known := []string{configVariable}
	ignored := []string{provision.TokenVariable, provision.KeyVariable} // of whoever uses a token
	for _, s := range r.sections() {
		for _, f := range s.fields {
			if f.nested() {
				continue
			}
			name := variablePrefix + strings.ToUpper(s.name+"_"+f.name)
			known = append(known, name)
			if slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, name+"=") }) {
				r.set(s.name+"."+f.name, Place{Source: name}, f, f.fromText(variable(env, name)))
			}
		}
	}
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, variablePrefix) && !slices.Contains(known, name) && !slices.Contains(ignored, name) && !serviceLink.MatchString(name) {
			r.problemAt(Place{Source: name}, unknown("variable", name, known))
		}
	}
}

// serviceLink matches what Kubernetes puts into every container of a namespace
// in which a Service is called tokendrop or tokendrop-something.
var serviceLink = regexp.MustCompile(`^TOKENDROP(_[A-Z0-9]+)*?(_SERVICE_HOST|_SERVICE_PORT(_[A-Z0-9_]+)?|_PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// unknown says what may have been meant.
func unknown(what, name string, known []string) string {
	if n := provision.Nearest(name, known); n != "" {
		return fmt.Sprintf("unknown %s: did you mean %s?", what, n)
	}
	return fmt.Sprintf("unknown %s: known here are %s", what, strings.Join(known, ", "))
}

// problem notes a problem at the place of the key, or of the table around it.
func (r *reading) problem(key, text string) { r.problemAt(r.place(key), text) }

func (r *reading) problemAt(at Place, text string) {
	r.problems = append(r.problems, Problem{at, text})
}

// place is where the key was stated, or the table around it; the zero Place
// for a default.
func (r *reading) place(key string) Place {
	for key != "" {
		if at, ok := r.stated[key]; ok {
			return at
		}
		// Where one table is due, [[…]] may stand instead.
		for _, k := range []string{key, key + "[0]"} {
			if line, ok := r.lines[k]; ok {
				return Place{r.path, line}
			}
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return Place{}
}
