package patches

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// claimDir is the daemon's own directory in a drop directory. Claims lie in it
// under the path they had, each with its ID before its name. Its names with a
// dot in front are not claims, and no subdirectory of claims can have them.
const (
	claimDir   = ".tokendrop"
	lockName   = ".lock"
	tempPrefix = ".new."
)

// The suffixes of outcomes.
const (
	installedSuffix = ".installed"
	skippedSuffix   = ".skipped"
	failedSuffix    = ".failed"
	reasonSuffix    = ".failed.reason"
)

// maxName is the longest name of a patch in bytes. It leaves room for an ID
// before it and a suffix behind it.
const maxName = 200

// maxPath is Linux's PATH_MAX in bytes, the final NUL among them.
const maxPath = 4096

// Eligible tells whether a file of that name is a patch, as far as its name
// decides that. Where it is not though it looks like one, why says so.
func Eligible(name string) (eligible bool, why string) {
	switch {
	case strings.HasPrefix(name, "."), !hasExtension(name):
		return false, ""
	case len(name) > maxName:
		return false, "its name is longer than 200 bytes"
	case !printable(name):
		return false, "its name is not printable UTF-8"
	}
	return true, ""
}

// EligibleFolder tells the same of a subdirectory and the patches in it.
func EligibleFolder(name string) (eligible bool, why string) {
	switch {
	case strings.HasPrefix(name, "."):
		return false, ""
	case !printable(name):
		return false, "its name is not printable UTF-8"
	}
	return true, ""
}

func hasExtension(name string) bool {
	switch path.Ext(name) {
	case ".yaml", ".yml", ".toml", ".json":
		return true
	}
	return false
}

func printable(name string) bool {
	return utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// eligible tells whether a relative path is that of a patch of this directory.
func (d *Dir) eligible(rel string) bool {
	if ok, _ := Eligible(path.Base(rel)); !ok || d.exclude[rel] {
		return false
	}
	for dir := path.Dir(rel); dir != "."; dir = path.Dir(dir) {
		if ok, _ := EligibleFolder(path.Base(dir)); !ok || d.exclude[dir] {
			return false
		}
	}
	return true
}

// claimPath is where the patch of that path lies while it is claimed.
func claimPath(rel string, id ID) string {
	return path.Join(claimDir, path.Dir(rel), id.String()+"."+path.Base(rel))
}

// parseClaim reads the name of a claim.
func parseClaim(name string) (id ID, base string, ok bool) {
	digits, base, found := strings.Cut(name, ".")
	if !found {
		return ID{}, "", false
	}
	if id, ok = parseID(digits); !ok {
		return ID{}, "", false
	}
	ok, _ = Eligible(base)
	return id, base, ok
}
