// Package version tells which tokendrop this is.
package version

import (
	"runtime"
	"runtime/debug"

	"github.com/tokendrop/tokendrop/store"
)

// release is set by whoever builds a release:
//
//	go build -ldflags "-X github.com/tokendrop/tokendrop/daemon/version.release=v1.2.3"
var release string

// Unknown stands for what the build does not tell.
const Unknown = "unknown"

// Info says what was built, and from what.
type Info struct {
	Version     string `json:"version"`
	Commit      string `json:"commit"` // with +dirty behind it if there was more than that
	Go          string `json:"go"`
	StoreFormat int    `json:"store_format"` // see store.Format
}

// Get tells of this program.
func Get() Info {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		build = &debug.BuildInfo{}
	}
	return of(build, release)
}

func of(build *debug.BuildInfo, release string) Info {
	info := Info{Version: release, Commit: Unknown, Go: runtime.Version(), StoreFormat: store.Format}
	if info.Version == "" {
		info.Version = build.Main.Version
	}
	if info.Version == "" {
		info.Version = Unknown
	}
	settings := map[string]string{}
	for _, s := range build.Settings {
		settings[s.Key] = s.Value
	}
	if commit := settings["vcs.revision"]; commit != "" {
		info.Commit = commit
		if settings["vcs.modified"] == "true" {
			info.Commit += "+dirty"
		}
	}
	return info
}
