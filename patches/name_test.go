package patches

import (
	"path"
	"strings"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	for name, want := range map[string]struct{ eligible, said bool }{
		"x.yaml": {true, false}, "x.yml": {true, false}, "x.toml": {true, false}, "x.json": {true, false},
		"a b.yaml": {true, false}, "é.json": {true, false}, "x.txt.yaml": {true, false},
		"x.yaml.installed.yaml": {true, false},
		".x.yaml":               {}, ".yaml": {}, "x": {}, "yaml": {}, "x.YAML": {}, "x.yaml~": {}, "x.yaml.failed": {}, "x.yaml.failed.reason": {},
		strings.Repeat("n", 196) + ".yaml": {false, true},
		strings.Repeat("n", 195) + ".yaml": {true, false},
		strings.Repeat("n", 300) + ".txt":  {},
		"a\nb.yaml":                        {false, true},
		"\xff.yaml":                        {false, true},
		"\u0085.yaml":                      {false, true},
	} {
		eligible, why := Eligible(name)
		if eligible != want.eligible || (why != "") != want.said {
			t.Errorf("Eligible(%q) = %v, %q", name, eligible, why)
		}
	}
}

func TestIDsAscend(t *testing.T) {
	var g ids
	now := time.UnixMilli(1_700_000_000_000)
	last := g.next(now)
	if got := last.String()[:12]; got != "018bcfe56800" {
		t.Errorf("the time of the ID is %s", got)
	}
	for i := range 1000 {
		id := g.next(now.Add(-time.Duration(i) * time.Millisecond))
		if id.compare(last) <= 0 || id.String() <= last.String() {
			t.Fatalf("%v does not follow %v", id, last)
		}
		last = id
	}
	found := ID{0xff}
	g.seen(found)
	if id := g.next(now); id.compare(found) <= 0 {
		t.Errorf("%v does not follow the %v that was found", id, found)
	}
	if id := (ID{14: 1, 15: 0xff}).successor(); id != (ID{14: 2}) {
		t.Errorf("successor without a carry: %v", id)
	}
}

func FuzzParseClaim(f *testing.F) {
	id := ID{1, 2, 3}
	f.Add(path.Base(claimPath("sub/x.yaml", id)))
	f.Add(strings.ToUpper(id.String()) + ".x.yaml")
	f.Add(id.String() + "..yaml")
	f.Add(id.String() + ".x.txt")
	f.Add(lockName)
	f.Add("")
	f.Fuzz(func(t *testing.T, name string) {
		id, base, ok := parseClaim(name)
		if !ok {
			return
		}
		if eligible, _ := Eligible(base); !eligible {
			t.Errorf("%q claims the name %q", name, base)
		}
		if again := path.Base(claimPath(base, id)); !strings.Contains(name, "/") && again != name {
			t.Errorf("%q has a second spelling, %q", name, again)
		}
	})
}
