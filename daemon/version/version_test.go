package version

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/tokendrop/tokendrop/store"
)

func TestOf(t *testing.T) {
	vcs := func(modified string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: modified}}
	}
	for _, c := range []struct {
		build           debug.BuildInfo
		release         string
		version, commit string
	}{
		{debug.BuildInfo{}, "", Unknown, Unknown},
		{debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "", "(devel)", Unknown},
		{debug.BuildInfo{Main: debug.Module{Version: "v1.0.0"}, Settings: vcs("false")}, "", "v1.0.0", "abc"},
		{debug.BuildInfo{Main: debug.Module{Version: "v1.0.0"}, Settings: vcs("true")}, "v2.0.0", "v2.0.0", "abc+dirty"},
	} {
		want := Info{c.version, c.commit, runtime.Version(), store.Format}
		if got := of(&c.build, c.release); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if Get().Version == "" {
		t.Error("this program has no version")
	}
}
