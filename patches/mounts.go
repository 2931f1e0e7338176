package patches

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mountInfo is where Linux lists what is mounted, for the calling thread.
const mountInfo = "/proc/thread-self/mountinfo"

// mount is a line of mountInfo.
type mount struct {
	root  string // what of the file system is mounted
	point string // where
}

// parseMounts reads the lines of mountinfo, see proc_pid_mountinfo(5). What is
// no such line is passed over.
func parseMounts(text string) []mount {
	var mounts []mount
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 4 {
			mounts = append(mounts, mount{root: unescape(fields[3]), point: unescape(fields[4])})
		}
	}
	return mounts
}

// unescape decodes \040 and its like.
func unescape(text string) string {
	var b strings.Builder
	for text != "" {
		if len(text) >= 4 && text[0] == '\\' {
			if n, err := strconv.ParseUint(text[1:4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				text = text[4:]
				continue
			}
		}
		b.WriteByte(text[0])
		text = text[1:]
	}
	return b.String()
}

// subPath tells that a part of a Kubernetes volume is mounted by itself: one
// generation, or a file of one, for as long as the container runs. An empty
// directory or a disk may be mounted by subPath and does follow what is written
// to it; it has no generations.
func (m mount) subPath() bool {
	return slices.ContainsFunc(strings.Split(m.root, "/"), func(name string) bool {
		return strings.HasPrefix(name, "..") && name != ".."
	})
}

// neverUpdated lists the mount points at, below and around a path whose
// content stays what it was when the container was started.
func neverUpdated(mounts []mount, name string) []string {
	var points []string
	around := mount{}
	for _, m := range mounts {
		switch {
		case within(name, m.point):
			if len(m.point) >= len(around.point) { // the later one covers the earlier
				around = m
			}
		case within(m.point, name) && m.subPath():
			points = append(points, m.point)
		}
	}
	if around.subPath() {
		points = append(points, around.point)
	}
	slices.Sort(points)
	return slices.Compact(points)
}

// within tells whether a path is the same as another, or below it.
func within(name, in string) bool {
	return name == in || strings.HasPrefix(name, strings.TrimSuffix(in, "/")+"/")
}

// warn notes what is likely to be wrong with the directory, and says it once.
func (d *Dir) warn() {
	var warnings []string
	if text, err := os.ReadFile(mountInfo); err == nil {
		name, err := filepath.EvalSymlinks(d.cfg.Path)
		if err != nil {
			name = d.cfg.Path
		}
		for _, point := range neverUpdated(parseMounts(string(text)), name) {
			warnings = append(warnings, fmt.Sprintf(
				"%s is mounted with subPath, which Kubernetes never updates: mount the whole volume at a directory instead", point))
		}
	}
	if n := d.stranded(claimDir); n > 0 {
		warnings = append(warnings, fmt.Sprintf(
			"%d claimed patches lie in %s: they wait until the directory is not in keep mode any more", n, d.tree.abs(claimDir)))
	}
	for _, text := range warnings {
		if !slices.Contains(d.warnings, text) {
			d.log.Warn().Str("warning", text).Msg("drop directory has a warning")
		}
	}
	d.warnings = warnings
}

// stranded counts the claims that a directory in keep mode was left with when
// its patches were claimed.
func (d *Dir) stranded(rel string) int {
	if d.keep == nil {
		return 0
	}
	in, err := d.tree.folder(rel)
	if err != nil {
		return 0
	}
	entries, _ := in.list(d.tree.abs(rel))
	n := 0
	for _, e := range entries {
		if _, _, isClaim := parseClaim(e.Name()); isClaim {
			n++
		} else if e.IsDir() {
			n += d.stranded(path.Join(rel, e.Name()))
		}
	}
	return n
}
