package daemon

import (
	"maps"
	"testing"

	"github.com/tokendrop/tokendrop/daemon/config"
)

// No path is a label, also where a drop directory has no other name.
func TestLabels(t *testing.T) {
	cfg := &config.Config{Drops: []config.Drop{{Name: "spool", Path: "/srv/a"}, {Name: "/srv/b", Path: "/srv/b"}, {Name: "ci", Path: "/srv/c"}}}
	want := map[string]string{"spool": "spool", "/srv/b": "b", "ci": "ci"}
	if got := labels(cfg); !maps.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Two series with the same labels would fail every scrape.
func TestLabelsDiffer(t *testing.T) {
	drop := func(name, path string) config.Drop { return config.Drop{Name: name, Path: path} }
	cfg := &config.Config{Drops: []config.Drop{drop("/x/a", "/x/a"), drop("a", "/b"), drop("/c/a", "/c/a"), drop("/d", "/d")}}
	seen := map[string]string{}
	for name, label := range labels(cfg) {
		if other, twice := seen[label]; twice {
			t.Errorf("%s and %s are both %q", name, other, label)
		}
		seen[label] = name
	}
	if len(seen) != len(cfg.Drops) || seen["d"] != "/d" || seen["a"] != "a" {
		t.Errorf("labels are %v", seen)
	}
}
