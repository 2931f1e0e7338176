package daemon

import (
	"maps"
	"testing"

	"github.com/tokendrop/tokendrop/daemon/config"
)

// No path is a label, also where a drop directory has no other name.
func TestLabels(t *testing.T) {
	cfg := &config.Config{Drops: []config.Drop{{Name: "spool", Path: "/srv/a"}, {Name: "/srv/b", Path: "/srv/b"}, {Name: "ci", Path: "/srv/c"}}}
	want := map[string]string{"spool": "spool", "/srv/b": "unnamed 2", "ci": "ci"}
	if got := labels(cfg); !maps.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
