package provision

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/tokendrop/tokendrop/store"
)

// Swept takes note of what a drop directory in keep mode holds: present are the
// paths of all its patches, in byte order, and whole tells whether each of them
// has been read and applied, and there is one. It forgets the files that are gone,
// and prunes. An error means what one of Apply does; what the store does not take
// for now is left for the next time.
func (a *Applier) Swept(ctx context.Context, dir string, present []string, whole bool) (Sweeping, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keeper.load(a.Store)
	d := a.keeper.dir(dir)
	d.whole, d.empty = whole && d.hasSeen(present), len(present) == 0
	var s Sweeping
	err := a.forget(ctx, dir, d.vanished(present))
	if err == nil {
		s, err = a.prune(ctx, dir)
	}
	if err == nil || errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrConflict) {
		return s, nil
	}
	return s, fmt.Errorf("sweeping a drop directory: %w", err)
}

// Sweeping is what a sweep has brought.
type Sweeping struct {
	Pruned   int       // tokens
	Withheld *Withheld // nil unless that is news
}

// forget takes back the marks of files that are gone. Where a serial number was
// installed from the mark stays.
func (a *Applier) forget(ctx context.Context, dir string, paths []string) error {
	d := a.keeper.dir(dir)
	for chunk := range slices.Chunk(paths, maxPruned) {
		draft := store.NewDraft(a.Store)
		for _, path := range chunk {
			if at := (store.Source{Dir: dir, Path: path}); serialOf(draft, at) == 0 {
				draft.Unmark(store.KeptID(at))
			}
		}
		if batch := draft.Batch(nil); len(batch.Unmark) > 0 {
			if err := a.Store.Commit(ctx, batch); err != nil {
				return err
			}
		}
		for _, path := range chunk {
			if _, marked := a.Store.Mark(store.KeptID(store.Source{Dir: dir, Path: path})); marked {
				d.files[path] = &keptFile{KeptFile: d.files[path].KeptFile, gone: true}
			} else {
				d.drop(path)
			}
			d.changes++
		}
	}
	return nil
}

// withheld are the prunes that do not take place, by directory.
type withheld struct {
	mu   sync.Mutex
	dirs map[string]Withheld
}

// set says what is withheld in a directory, nil for nothing. It tells whether
// that is news.
func (w *withheld) set(dir string, what *Withheld) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if what == nil {
		delete(w.dirs, dir)
		return false
	}
	if w.dirs == nil {
		w.dirs = make(map[string]Withheld)
	}
	old := w.dirs[dir]
	w.dirs[dir] = *what
	return old.Reason != what.Reason || old.Count != what.Count
}

func (w *withheld) list() []Withheld {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.SortedFunc(maps.Values(w.dirs), func(a, b Withheld) int { return strings.Compare(a.Dir, b.Dir) })
}
