package config

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/BurntSushi/toml"

	"github.com/tokendrop/tokendrop/daemon/verify"
)

// Document is the configuration as the TOML parser would return it: what is
// stated, and what stands by default. It has names of files with secrets, and
// none of the secrets. Load would make the same Config of it.
func (c *Config) Document() map[string]any {
	r := &reading{config: c}
	doc := map[string]any{}
	for _, s := range r.sections() {
		doc[s.name] = values(s.fields)
	}
	drops := make([]map[string]any, len(c.Drops))
	for i := range c.Drops {
		drops[i] = c.Drops[i].document(r)
	}
	doc["drop"] = drops
	gates := make([]map[string]any, len(c.Verify.Gates))
	for i := range c.Verify.Gates {
		gates[i] = gateDocument(c.Verify.Gates[i])
	}
	inner(doc["verify"])["gates"] = gates
	if len(c.Tokens.Imports) > 0 {
		imports := map[string]any{}
		for id, file := range c.Tokens.Imports {
			imports[id] = map[string]any{"salt_file": file}
		}
		inner(doc["tokens"])["import"] = imports
	}
	if len(c.ScopeSets) > 0 {
		doc[scopeSetsKey] = c.ScopeSets
	}
	maps.DeleteFunc(doc, func(_ string, table any) bool { return len(inner(table)) == 0 && inner(table) != nil })
	return doc
}

func inner(table any) map[string]any {
	m, _ := table.(map[string]any)
	return m
}

func (d *Drop) document(r *reading) map[string]any {
	drop := values(slices.Concat(d.fields(), r.ruleFields(&d.Rules), pruneFields(&d.Rules)))
	if d.Rules.Policy != nil {
		drop["policy"] = values(policyFields(d.Rules.Policy))
	}
	return drop
}

func gateDocument(g verify.Gate) map[string]any {
	gate := values(gateFields(&g))
	if g.Routes == nil {
		delete(gate, "unmatched") // which goes with routes
		return gate
	}
	var routes []map[string]any
	for _, route := range g.Routes.List() {
		routes = append(routes, values(routeFields(&route)))
	}
	gate["routes"] = routes
	return gate
}

// values are those of fields, without tables and what is not stated.
func values(fields []field) map[string]any {
	table := map[string]any{}
	for _, f := range fields {
		if f.get == nil {
			continue
		}
		if value := f.get(); value != nil {
			table[f.name] = value
		}
	}
	return table
}

// WriteTOML writes the Document as TOML.
func (c *Config) WriteTOML(w io.Writer) error {
	e := toml.NewEncoder(w)
	e.Indent = ""
	if err := e.Encode(c.Document()); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	return nil
}
