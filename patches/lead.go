package patches

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

// maxLinks is how many links a path may lead through, as in Linux.
const maxLinks = 40

// lead lists every directory and link that the path leads through, from the
// root to what it leads to, which is a directory and stands last. What it finds
// holds as long as all of it is trusted: nobody else can change the way then.
func lead(name string) ([]place, error) {
	var places []place
	here, rest, links := "/", strings.Split(path.Clean(name), "/"), 0
	for ; len(rest) > 0; rest = rest[1:] {
		p, err := lookAt(path.Join(here, rest[0]))
		if err != nil {
			return nil, err
		}
		places = append(places, p)
		if !p.info.link() {
			here = p.path
			continue
		}
		target, err := os.Readlink(p.path)
		if links++; err == nil && links > maxLinks {
			err = &fs.PathError{Op: "lstat", Path: p.path, Err: syscall.ELOOP}
		}
		if err != nil {
			return nil, err
		}
		if path.IsAbs(target) {
			here = "/"
		}
		rest = slices.Concat(rest[:1], strings.Split(target, "/"), rest[1:])
	}
	return ending(places)
}

// ending marks all but the last directory as being above it.
func ending(places []place) ([]place, error) {
	end := places[len(places)-1]
	if !end.info.folder() {
		return nil, &fs.PathError{Op: "open", Path: end.path, Err: syscall.ENOTDIR}
	}
	var above []place
	for _, p := range places {
		p.above = true
		seen := func(o place) bool { return o.path == p.path }
		if !seen(end) && !slices.ContainsFunc(above, seen) {
			above = append(above, p)
		}
	}
	return append(above, end), nil
}
