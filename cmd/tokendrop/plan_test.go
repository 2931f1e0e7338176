package main

import (
	"strings"
	"testing"

	"github.com/tokendrop/tokendrop/daemon/config"
)

// A manifest is planned for the innermost directory that it lies in, or else
// for the only one.
func TestDropOf(t *testing.T) {
	needDaemon(t)
	outer := config.Drop{Name: "outer", Path: "/a"}
	inner := config.Drop{Name: "inner", Path: "/a/b"}
	for _, test := range []struct {
		drops []config.Drop
		file  string
		want  string
	}{
		{nil, "/a/x.yaml", ""},
		{[]config.Drop{outer}, "/a/x.yaml", "outer"},
		{[]config.Drop{outer}, "/elsewhere/x.yaml", "outer"},
		{[]config.Drop{outer}, "-.yaml", "outer"},
		{[]config.Drop{outer, inner}, "/a/x.yaml", "outer"},
		{[]config.Drop{outer, inner}, "/a/b/x.yaml", "inner"},
		{[]config.Drop{inner, outer}, "/a/b/c/x.yaml", "inner"},
		{[]config.Drop{inner, outer}, "/a/bc/x.yaml", "outer"},
		{[]config.Drop{outer, inner}, "/ab/x.yaml", ""},
		{[]config.Drop{outer, inner}, "/a/../x.yaml", ""},
	} {
		if got := dropOf(test.drops, test.file); got != test.want {
			t.Errorf("%v, %s: %q, want %q", test.drops, test.file, got, test.want)
		}
	}
}

// What was applied and is likely not meant is in the log, with its place.
func TestWarningsLogged(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.install("a.yaml", "tokens:\n- {action: create, user: u, name: n, type: read-only, generate: true}\n")
	m.put("b.yaml", "tokens:\n- {action: create, user: u, name: n, generate: true, key: x}\n")
	if got := m.outcome("b.yaml"); got != "failed" {
		t.Fatal(got)
	}
	log := m.log.String()
	if got := strings.Count(log, "patch has a warning"); got != 1 {
		t.Fatalf("%d warnings in the log, want 1", got)
	}
	for _, field := range []string{`"path":"a.yaml"`, `"line":2`, `"column":65`, `"warning":"nobody will ever see`} {
		if !strings.Contains(log, field) {
			t.Errorf("the log lacks %s", field)
		}
	}
}
