package provision

import (
	"bytes"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compiledSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	text := Schema()
	if i := slices.IndexFunc(text, func(c byte) bool { return c != '\n' && (c < ' ' || c > '~') }); i >= 0 {
		t.Errorf("the schema has a byte at %d that cannot be seen", i)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("manifest.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("manifest.json")
	if err != nil {
		t.Fatalf("%v", err)
	}
	return s
}

// value is what JSON has for a node.
func (n *node) value() any {
	switch n.kind {
	case nullKind:
		return nil
	case boolKind:
		return n.text == "true"
	case numberKind:
		f, err := strconv.ParseFloat(n.text, 64)
		if err != nil {
			f = 0.5 // a number in any case
		}
		return f
	case listKind:
		list := []any{}
		for _, item := range n.items {
			list = append(list, item.value())
		}
		return list
	case mapKind:
		m := map[string]any{}
		for _, f := range n.fields {
			m[f.key.text] = f.value.value()
		}
		return m
	}
	return n.text
}

// checkBySchema tells why a file fails the schema, nothing if it is valid. It
// returns false for what has no JSON value.
func checkBySchema(s *jsonschema.Schema, name string, data []byte) (string, bool) {
	src := parse(name, data)
	if !src.whole || !src.report.empty() {
		return "", false
	}
	for _, doc := range src.docs {
		if err := s.Validate(doc.value()); err != nil {
			return err.Error(), true
		}
	}
	return "", true
}

// Every manifest that is shown to people, and every good one, is valid.
func TestSchemaAccepts(t *testing.T) {
	s := compiledSchema(t)
	files, _ := filepath.Glob("testdata/good/*")
	tested := len(files)
	err := filepath.WalkDir("../examples", func(path string, _ fs.DirEntry, err error) error {
		base := filepath.Base(path)
		// Configurations, but for the first, and Ansible's, which end in .yml.
		others := []string{
			"30-wrong.yaml", "tokendrop.toml", "tokendrop.yaml", "envoy.yaml", "traefik.yaml",
			"deployment.yaml", "kustomization.yaml", "user-data.yaml", "node.json", "dashboard.json",
		}
		if syntaxOf(path) != unknownSyntax && filepath.Ext(path) != ".yml" && !slices.Contains(others, base) {
			files = append(files, path)
		}
		return err
	})
	if err != nil || tested == 0 || len(files) == tested {
		t.Fatalf("fixtures and examples: %q, %v", files, err)
	}
	for _, path := range files {
		if why, ok := checkBySchema(s, path, read(t, path)); !ok || why != "" {
			t.Errorf("%s: %v %s", path, ok, why)
		}
	}
}

// unseenBySchema are the bad manifests that no schema can catch, in whatever
// syntax.
var unseenBySchema = map[string]string{
	"bool-case":          "JSON has one spelling of true",
	"version-float":      "in JSON 1.0 is 1",
	"duplicate-key":      "in JSON the last of two keys counts",
	"labels-twice":       "in JSON the last of two keys counts",
	"duration-huge":      "a schema cannot reckon with texts",
	"duration-overflow":  "a schema cannot reckon with texts",
	"time-range":         "a schema cannot reckon with texts",
	"time-impossible":    "a schema knows no calendar",
	"key-of-other-token": "a schema cannot take a token apart",
	"not-nfc":            "a schema knows no Unicode forms",
}

// Every bad manifest that has a value in JSON fails, but for those that are
// listed.
func TestSchemaRefuses(t *testing.T) {
	s := compiledSchema(t)
	unseen := maps.Clone(unseenBySchema)
	files, _ := filepath.Glob("testdata/bad/*")
	files = append(files, "../examples/dev/30-wrong.yaml")
	refused := 0
	for _, path := range files {
		if strings.HasSuffix(path, ".err") {
			continue
		}
		why, ok := checkBySchema(s, path, read(t, path))
		name := filepath.Base(path)
		stem := strings.TrimSuffix(name, filepath.Ext(name))
		reason, listed := unseenBySchema[stem]
		delete(unseen, stem)
		switch {
		case ok && why != "" && !listed:
			refused++
		case ok && (why != "" || !listed):
			t.Errorf("%s: listed as %q, and the schema says %q", name, reason, why)
		}
	}
	if len(unseen) > 0 || refused == 0 {
		t.Errorf("%d refused; listed, and not there: %q", refused, slices.Sorted(maps.Keys(unseen)))
	}
}

// One mistake each, so that no rule of the schema hides behind another.
func TestSchemaRefusesEach(t *testing.T) {
	s := compiledSchema(t)
	const key = "key: " + realKey
	for _, entry := range []string{
		"user: u, name: n, generate: true", // no action
		"action: create, user: u, generate: true",
		"action: create, user: u, name: n",
		"action: create, user: u, name: n, generate: true, " + key,
		"action: create, user: u, name: n, credentials: [{generate: true}], " + key,
		"action: create, user: u, name: n, credentials: []",
		"action: create, user: u, name: n, credentials: [{generate: true, " + key + "}]",
		"action: create, user: u, name: n, credentials: [{" + key + "}]",
		"action: create, user: u, name: n, credentials: [{generate: true}, {generate: true}, {generate: true}]",
		"action: create, user: u, name: n, generate: true, token: " + realToken,
		"action: create, user: u, name: n, generate: true, scopes: [a]",
		"action: create, user: u, name: n, generate: true, type: custom",
		"action: create, user: u, name: n, generate: true, type: read-only, scopes: [a]",
		"action: create, user: u, name: n, generate: true, expires_at: never, expires_in: 1d",
		"action: create, user: u, name: n, generate: true, expires_in: 0d",
		"action: create, user: u, name: n, generate: true, grace: 1d",
		"action: create, user: u, name: n, generate: true, labels: {A: b}",
		"action: create, user: u, name: n, generate: true, allowed_ips: [a.b]",
		"action: create, user: u, name: 'n ', generate: true",
		"action: create, user: u, name: \"n\\u200b\", generate: true",
		"action: create, user: u, name: n, token_file: /a, token_env: A",
		"action: create, user: u, name: n, token_file: a",
		"action: create, user: u, name: n, token_file: /a/../b",
		"action: create, user: u, name: n, token_env: 1",
		"action: create, user: u, name: n, token_env: A-B",
		"action: create, user: u, name: n, token_env: A, write_to: {path: /a}",
		"action: create, user: u, name: n, credentials: [{token_env: A}], write_to: {path: /a}",
		"action: create, user: u, name: n, credentials: [{generate: true}, {generate: true}], write_to: {path: /a}",
		"action: create, user: u, name: n, generate: true, write_to: {}",
		"action: create, user: u, name: n, generate: true, write_to: {path: /a/}",
		"action: create, user: u, name: n, generate: true, write_to: {path: /a/.b.tokendrop}",
		"action: create, user: u, name: n, generate: true, write_to: {path: /a, mode: '0602'}",
		"action: create, user: u, name: n, generate: true, write_to: {path: /a, owner: a b}",
		"action: create, user: u, name: n, generate: true, write_to: {path: /a, format: text}",
		"action: ensure, user: u, name: n, write_to: {path: /a}",
		"action: regenerate, user: u, name: n, token_env: A, write_to: {path: /a}",
		"action: delete, user: u, name: n, token_env: A",
		"action: revoke, user: u, all: true, token_file: /a",
		"action: copy, user: u, name: n",
		"action: copy, user: u, name: n, from: {user: u}",
		"action: delete, user: u",
		"action: delete, name: n, " + key,
		"action: delete, user: u, name: n, expect: 1",
		"action: delete, user: u, name: n, all: true",
		"action: delete, all: true",
		"action: delete, user: u, key: [" + realKey + "]",
		"action: delete, key: [" + realKey + ", " + realKey + "]",
		"action: ensure, key: [" + realKey + "]",
		"action: ensure, active: true",
		"action: ensure, user: u, name: n, type: read-only, scopes: [a]",
		"action: revoke",
		"action: update, user: u, name: n",
		"action: update, user: u, name: n, set: {}",
		"action: update, user: u, name: n, set: {type: read-only, scope_sets: [a]}",
		"action: update, user: u, name: n, set: {expires_at: '', expires_in: ''}",
		"action: update, user: u, all: true, set: {name: n}",
	} {
		text := []byte("tokens:\n- {" + entry + "}\n")
		if _, problems := (Decoder{}).Decode("x.yaml", text); len(problems) != 1 {
			t.Errorf("%s: not one problem, but %v", entry, problems)
		}
		if why, ok := checkBySchema(s, "x.yaml", text); !ok || why == "" {
			t.Errorf("%s: is valid", entry)
		}
	}
}

// Under an action at the top an entry needs none, and has what goes with it.
func TestSchemaDefaultAction(t *testing.T) {
	s := compiledSchema(t)
	for text, valid := range map[string]bool{
		"{action: delete, tokens: [{user: u, name: n}]}":                               true,
		"{action: delete, tokens: [{user: u, name: n, active: true}]}":                 false,
		"{action: delete, tokens: [{action: ensure, user: u, name: n, active: true}]}": true,
		"{tokens: [{user: u, name: n}]}":                                               false,
		"{action: delete}":                                                             false,
		"{users: [{user: u, blocked: true}]}":                                          true,
		"{users: [{user: u}]}":                                                         false,
		"{}":                                                                           true,
	} {
		if why, ok := checkBySchema(s, "x.yaml", []byte(text)); !ok || (why == "") != valid {
			t.Errorf("%s: %q, want valid %v", text, why, valid)
		}
		if _, problems := (Decoder{}).Decode("x.yaml", []byte(text)); (len(problems) == 0) != valid {
			t.Errorf("%s: %v, want valid %v", text, problems, valid)
		}
	}
}

// Each key that the validator knows has a schema that says something, and each
// table of the validator is in the schema as it is.
func TestSchemaIsWhole(t *testing.T) {
	for name, fields := range map[string]map[string]object{"entry": fieldSchemas(false), "set": fieldSchemas(true)} {
		for _, key := range entryKeys {
			if len(fields[key]) == 0 {
				t.Errorf("%s: nothing is said of %q", name, key)
			}
		}
	}
	for _, s := range []object{topSchema(), entrySchema(), setSchema(), fromSchema(), credentialSchema(), outputSchema(), userSchema()} {
		for key, field := range s["properties"].(object) {
			if len(field.(object)) == 0 {
				t.Errorf("nothing is said of %q", key)
			}
		}
	}
}

// The schema refuses nothing that the validator accepts.
func FuzzSchema(f *testing.F) {
	addSeeds(f)
	s := compiledSchema(f)
	f.Fuzz(func(t *testing.T, ext string, data []byte) {
		if _, problems := (Decoder{}).Decode("x"+ext, data); len(problems) > 0 {
			return
		}
		if why, ok := checkBySchema(s, "x"+ext, data); !ok || why != "" {
			t.Errorf("it is right, and the schema says %s", why)
		}
	})
}
