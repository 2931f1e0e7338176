package patches

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"syscall"
)

// linkError is what is wrong with a link in keep mode.
type linkError string

func (e linkError) Error() string { return string(e) }

const (
	errOutside  linkError = "it is a link that leads out of the directory"
	errNotOurs  linkError = "it is a link into another drop directory"
	errToFolder linkError = "it is a link to a directory"
	errDangling linkError = "it is a link to nothing"
	errLoop     linkError = "it is a link that leads to too many others"
)

// dataLink is the name under which Kubernetes publishes all files of a volume
// at once. The names beside it are links through it, and a name that begins
// with two dots is Kubernetes' own.
//
//	x.yaml -> ..data/x.yaml
//	..data -> ..2027_01_31_23_59_59.123456789
//	..2027_01_31_23_59_59.123456789/x.yaml
//
// See AtomicWriter in k8s.io/kubernetes/pkg/volume/util.
const dataLink = "..data"

// generation is the directory that a folder's ..data leads to, by name, or
// empty if the folder is no volume of Kubernetes. Between two scans the answer
// stays the same, so that a pass sees one generation only.
func (d *Dir) generation(at string) string {
	name, known := d.keep.volumes[at]
	if !known {
		name = d.dataOf(at)
		d.keep.volumes[at] = name
	}
	return name
}

// dataOf reads ..data anew.
func (d *Dir) dataOf(at string) string {
	in, err := d.home(at)
	if err != nil {
		return ""
	}
	name, err := in.readlink(dataLink)
	if err != nil || !strings.HasPrefix(name, "..") || name == ".." || strings.Contains(name, "/") {
		return ""
	}
	return name
}

// swapped tells whether any volume has another generation than the last scan
// has found.
func (d *Dir) swapped() bool {
	if d.keep == nil {
		return false
	}
	for at, name := range d.keep.volumes {
		if name != "" && d.dataOf(at) != name {
			return true
		}
	}
	return false
}

// entries lists a directory of that real path. In a volume of Kubernetes it
// has what its generation has, whether or not the links to that are there
// already, or still.
func (d *Dir) entries(at string) ([]fs.DirEntry, error) {
	in, err := d.home(at)
	if err != nil {
		return nil, err
	}
	list, err := in.list(d.tree.abs(at))
	if err != nil || d.keep == nil || d.generation(at) == "" {
		return list, err
	}
	at = path.Join(at, d.generation(at))
	if in, err = d.home(at); err != nil {
		return nil, err
	}
	published, err := in.list(d.tree.abs(at))
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, e := range published {
		names[e.Name()] = true
	}
	for _, e := range list {
		if !names[e.Name()] {
			published = append(published, e)
		}
	}
	return published, nil
}

// real is where the file or the directory of a path lies. In keep mode links
// are followed, one by one, as long as they stay inside the directory: no part
// of what is returned was a link, and who opens it follows none.
func (d *Dir) real(rel string) (string, error) {
	if d.keep == nil || rel == "." {
		return rel, nil
	}
	w := linkWalk{dir: d, at: ".", todo: strings.Split(rel, "/")}
	for len(w.todo) > 0 {
		name := w.todo[0]
		w.todo = w.todo[1:]
		if err := w.step(name); err != nil {
			return "", w.explain(err)
		}
	}
	if w.followed == 0 {
		return w.at, nil
	}
	return w.at, w.explain(w.arrive())
}

// linkWalk is on its way to where a path leads.
type linkWalk struct {
	dir      *Dir
	at       string // how far it has come
	todo     []string
	followed int
}

func (w *linkWalk) step(name string) error {
	switch name {
	case "", ".":
		return nil
	case "..":
		if w.at == "." {
			return errOutside
		}
		w.at = path.Dir(w.at)
		return nil
	}
	if generation := w.dir.generation(w.at); generation != "" {
		published := path.Join(w.at, generation)
		if name == dataLink {
			w.at = published
			return nil
		}
		if _, err := w.dir.stat(path.Join(published, name)); err == nil {
			w.at = published
		}
	}
	next := path.Join(w.at, name)
	st, err := w.dir.stat(next)
	switch {
	case err != nil:
		return err
	case st.link():
		return w.follow(name)
	}
	w.at = next
	return nil
}

func (w *linkWalk) follow(name string) error {
	in, err := w.dir.tree.folder(w.at)
	if err != nil {
		return err
	}
	target, err := in.readlink(name)
	switch {
	case err != nil:
		return err
	case w.dir.generation(w.at) != "" && target == path.Join(dataLink, name):
		return fs.ErrNotExist // it was published before, and is not any more
	case w.followed == maxLinks:
		return errLoop
	}
	w.followed++
	if strings.HasPrefix(target, "/") {
		var inside bool
		if target, inside = strings.CutPrefix(target, w.dir.cfg.Path+"/"); !inside {
			return errOutside
		}
		w.at = "."
	}
	w.todo = append(strings.Split(target, "/"), w.todo...)
	return nil
}

// arrive looks at what links have led to.
func (w *linkWalk) arrive() error {
	st, err := w.dir.stat(w.at)
	if err == nil && st.folder() {
		return errToFolder
	}
	return err
}

func (w *linkWalk) explain(err error) error {
	switch {
	case w.followed == 0:
		return err
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return errDangling
	case errors.Is(err, errOther):
		return errNotOurs
	case errors.Is(err, errDistrusted):
		return linkError("it is a link, and " + err.Error())
	}
	return err
}

// stat looks at a real path, without following it.
func (d *Dir) stat(rel string) (info, error) {
	dir, name := split(rel)
	in, err := d.home(dir)
	if err != nil {
		return info{}, err
	}
	return in.stat(name)
}
