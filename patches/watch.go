package patches

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// watch is where hints come from. A nil watch gives none.
type watch struct {
	notify *fsnotify.Watcher
	parent string          // the directory where the drop directory itself comes and goes
	dirs   map[string]bool // what add was called with
	err    error           // why the last scan could not watch everything
}

// hintBuffer lets hints gather during a pass, so that the next one serves many.
const hintBuffer = 4096

// newWatch watches the parent: while the drop directory is open the kernel does
// not tell of its end.
func newWatch(parent string) *watch {
	w := &watch{parent: parent}
	w.begin()
	return w
}

func (w *watch) begin() {
	w.dirs = map[string]bool{}
	if w.notify, w.err = fsnotify.NewBufferedWatcher(hintBuffer); w.err == nil {
		_ = w.notify.Add(w.parent) // failing costs a rescan
	} else {
		w.notify = nil
	}
}

// add watches a directory. It may be called again for one that is watched.
func (w *watch) add(abs string) {
	if w.notify == nil {
		return
	}
	w.dirs[abs] = true
	if err := w.notify.Add(abs); err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.err = err
	}
}

// moved ends the watches of a directory and all below it, which would go on
// telling of it under its old name. The scan that finds the new one adds it.
// It returns false for what is no such directory.
func (w *watch) moved(abs string) bool {
	if !w.dirs[abs] {
		return false
	}
	for dir := range w.dirs {
		if dir == abs || strings.HasPrefix(dir, abs+"/") {
			_ = w.notify.Remove(dir)
			delete(w.dirs, dir)
		}
	}
	return true
}

// renew gives what could not be watched another chance.
func (w *watch) renew() {
	if w.err = nil; w.notify == nil {
		w.begin()
	}
}

// tellWatched says in the log where changes are not notified, and once more
// when they are again.
func (d *Dir) tellWatched() {
	err := d.watch.err
	switch {
	case err != nil && !d.unwatched:
		d.log.Warn().Err(err).Msg("no notification for all of the directory, it is scanned at intervals only")
	case err == nil && d.unwatched:
		d.log.Info().Msg("changes in the directory are notified again")
	}
	d.unwatched = err != nil
}

func (w *watch) events() <-chan fsnotify.Event {
	if w == nil || w.notify == nil {
		return nil
	}
	return w.notify.Events
}

func (w *watch) errors() <-chan error {
	if w == nil || w.notify == nil {
		return nil
	}
	return w.notify.Errors
}

func (w *watch) close() {
	if w != nil && w.notify != nil {
		_ = w.notify.Close()
	}
}

// hint notes what an event may be about.
func (d *Dir) hint(ev fsnotify.Event) {
	if ev.Has(fsnotify.Rename) && d.watch.moved(ev.Name) && d.keep != nil {
		d.full = true // what was in it has vanished
	}
	rel, inside := strings.CutPrefix(ev.Name, d.cfg.Path+"/")
	switch {
	case ev.Name == d.cfg.Path, ev.Name == d.watch.parent:
		d.full = true
	case d.tree == nil || !inside:
	case d.eligible(rel):
		d.hintFile(rel, ev)
	case d.cfg.Companions && d.eligible(strings.TrimSuffix(rel, companionSuffix)):
		d.hintFile(strings.TrimSuffix(rel, companionSuffix), ev)
	case d.keep != nil && path.Base(rel) == dataLink:
		d.full = true
	case (ev.Has(fsnotify.Create) || ev.Has(fsnotify.Chmod)) && d.isFolder(rel):
		d.full = true
	}
}

// hintFile passes over what the daemon's own claims cause, and over writes to
// a file whose writer is waited for anyway.
func (d *Dir) hintFile(rel string, ev fsnotify.Event) {
	it := d.files[rel]
	appeared := ev.Has(fsnotify.Create) || ev.Has(fsnotify.Write) || ev.Has(fsnotify.Chmod)
	if it == nil && !appeared || it != nil && it.why == BeingWritten {
		return
	}
	d.hints[rel] = true
}

// hintLost makes up for hints that did not arrive.
func (d *Dir) hintLost(err error) {
	if err == nil {
		return
	}
	d.log.Warn().Err(err).Msg("notifications were lost, scanning the directory")
	d.full = true
}

// isFolder tells a new subdirectory from other names that are no patches.
func (d *Dir) isFolder(rel string) bool {
	name := path.Base(rel)
	if ok, _ := EligibleFolder(name); !ok || d.exclude[rel] {
		return false
	}
	st, err := d.tree.root.stat(rel) // opens nothing that would stay open
	return err == nil && st.folder()
}
