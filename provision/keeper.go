package provision

import (
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/tokendrop/tokendrop/store"
)

// keeper knows the files of all drop directories in keep mode: what is marked in
// the store, and what this process has seen of it. The zero keeper is empty; load
// fills it.
type keeper struct {
	dirs map[string]*keptDir // by name; nil until it was loaded
}

// keptDir is a drop directory whose files stay where they are.
type keptDir struct {
	files   map[string]*keptFile // by path: those with a mark
	applied map[[sha256.Size]byte]int
	whole   bool // as of the last sweep
	empty   bool // the same
	changes int  // counts what was learned
	judged  *judged
}

// keptFile is what is known of one file.
type keptFile struct {
	store.KeptFile
	seen   bool      // by this process, and there since
	gone   bool      // and its mark stays
	states *tokenSet // by what could be read of it; nil if it was not seen
}

// learned is what a transaction makes known of a file once it is committed.
type learned struct {
	at     store.Source
	file   store.KeptFile
	states *tokenSet // nil if it cannot be read
	gone   bool      // it has no mark any more
}

// load reads the marks, once.
func (k *keeper) load(s store.Store) {
	if k.dirs != nil {
		return
	}
	k.dirs = make(map[string]*keptDir)
	for m := range s.Marks() {
		if at, ok := store.KeptSource(m.MarkID); ok {
			file, _ := store.KeptFileOf(m.Value)
			k.dir(at.Dir).put(strings.Clone(at.Path), &keptFile{KeptFile: file})
		}
	}
}

func (k *keeper) dir(name string) *keptDir {
	d := k.dirs[name]
	if d == nil {
		d = &keptDir{files: make(map[string]*keptFile), applied: make(map[[sha256.Size]byte]int)}
		k.dirs[name] = d
	}
	return d
}

// learn takes over what a transaction has made known.
func (k *keeper) learn(all []learned) {
	for _, l := range all {
		d := k.dir(l.at.Dir)
		d.changes++
		if l.gone {
			d.drop(l.at.Path)
			continue
		}
		f := &keptFile{KeptFile: l.file, seen: true, states: l.states}
		if old := d.files[l.at.Path]; f.states == nil && old != nil {
			f.states = old.states
		}
		d.put(l.at.Path, f)
	}
}

// has tells whether a file has a mark.
func (k *keeper) has(at store.Source) bool {
	d := k.dirs[at.Dir]
	return d != nil && d.files[at.Path] != nil
}

// knows tells whether a content was applied from a file of the directory.
func (k *keeper) knows(dir string, content [sha256.Size]byte) bool {
	return k.dir(dir).applied[content] > 0
}

func (d *keptDir) put(path string, f *keptFile) {
	d.drop(path)
	d.files[path] = f
	if f.hasApplied() {
		d.applied[f.Applied]++
	}
}

func (d *keptDir) drop(path string) {
	f := d.files[path]
	if f == nil {
		return
	}
	delete(d.files, path)
	if d.applied[f.Applied]--; d.applied[f.Applied] <= 0 {
		delete(d.applied, f.Applied)
	}
}

// vanished lists the files that are not present, in the order of their paths.
// Where there is nothing at all, that is what this process has seen there: what
// it has not may be yet to come, as when a directory is mounted late.
func (d *keptDir) vanished(present []string) []string {
	var gone []string
	for path, f := range d.files {
		if f.gone || !f.seen && len(present) == 0 {
			continue
		}
		if _, there := slices.BinarySearch(present, path); !there {
			gone = append(gone, path)
		}
	}
	slices.Sort(gone)
	return gone
}

// hasApplied tells whether some content of the file was applied.
func (f *keptFile) hasApplied() bool { return f.Applied != [sha256.Size]byte{} }

// hasSeen tells whether this process has read every file that is present.
func (d *keptDir) hasSeen(present []string) bool {
	return !slices.ContainsFunc(present, func(path string) bool {
		f := d.files[path]
		return f == nil || !f.seen
	})
}
