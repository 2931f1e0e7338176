package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tokendrop/tokendrop/patches"
	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store"
)

// Directory is a drop directory.
type Directory struct {
	patches.Config

	// Watching tells how it is; nil where no daemon watches it.
	Watching func() patches.Status
	// Progress is that of patches.Dir.
	Progress func() (done, all int)
	// Look is that of patches.Dir. Where no daemon watches the directory it does
	// so itself meanwhile.
	Look func(ctx context.Context, enough func(patches.Status) bool) ([]patches.Done, patches.Status, error)
}

// Place names a file in a drop directory.
type Place struct {
	Dir  string `json:"dir"`  // the directory's name
	Path string `json:"path"` // relative to it; empty: all that is there
}

// Wanted are the files whose outcomes somebody waits for.
type Wanted struct {
	Places []Place `json:"places"`
	// Retry: those that have failed are patches again before.
	Retry bool `json:"retry"`
	// Wait: they are waited for however long it takes, and not only until
	// nobody writes them any more.
	Wait bool `json:"wait"`
}

// Seen is what became of a file in a drop directory.
type Seen struct {
	Place

	// Outcome is that of the file, or "waiting", or "" where there is no such
	// file and never was.
	Outcome string   `json:"outcome"`
	Reasons []string `json:"reasons"`
}

// Looked is what has come of a look.
type Looked struct {
	Seen []Seen `json:"seen"` // by directory and path
	// Others have had their outcome meanwhile, though nobody asked for them: a
	// directory is always gone through as a whole.
	Others int `json:"others"`
}

// Progress is how many patches are being applied, and how many of them are done.
type Progress struct {
	Done int `json:"done"`
	All  int `json:"all"` // zero where nothing is applied at the moment
}

// Progress implements Service.
func (l *Local) Progress(context.Context) (p Progress, err error) {
	for _, d := range l.Directories() {
		done, all := d.Progress()
		p.Done, p.All = p.Done+done, p.All+all
	}
	return p, nil
}

// Waiting is the outcome of what has none yet.
const Waiting = "waiting"

// Look implements Service.
func (l *Local) Look(ctx context.Context, w Wanted) (Looked, error) {
	wanted := map[string][]string{}
	for _, p := range w.Places {
		wanted[p.Dir] = append(wanted[p.Dir], p.Path)
	}
	dirs := map[string]Directory{}
	for _, d := range l.Directories() {
		dirs[d.Name] = d
	}
	for name := range wanted {
		if _, ok := dirs[name]; !ok {
			return Looked{}, errors.New("there is no drop directory of that name; the daemon may have another configuration")
		}
	}
	if w.Retry {
		if err := l.retry(w.Places, dirs); err != nil {
			return Looked{}, err
		}
	}
	looks := make([]*look, 0, len(wanted))
	var group errgroup.Group
	for name, paths := range wanted {
		one := &look{dir: dirs[name], paths: paths, wait: w.Wait, now: l.Now}
		looks = append(looks, one)
		group.Go(func() error { return one.run(ctx) })
	}
	if err := group.Wait(); err != nil {
		return Looked{}, err
	}
	seen, err := l.seen(ctx, looks)
	others := 0
	for _, o := range looks {
		others += o.others
	}
	return Looked{seen, others}, err
}

func (l *Local) retry(places []Place, dirs map[string]Directory) error {
	for _, p := range places {
		if d := dirs[p.Dir]; d.keeps() {
			continue // to look at it is to try it again
		}
		if err := patches.Retry(dirs[p.Dir].Path, p.Path); err != nil {
			return fmt.Errorf("retrying %s: %w", p.Path, err)
		}
	}
	return nil
}

func (d *Directory) keeps() bool {
	return d.AfterApply == patches.Keep || d.Watching != nil && d.Watching().Keep
}

// look is about the files of one directory.
type look struct {
	dir   Directory
	paths []string // as in Place; a directory stands for what is in it
	wait  bool
	now   func() time.Time

	done   []patches.Done
	status patches.Status
	others int // of done, which nobody wants
}

func (o *look) run(ctx context.Context) (err error) {
	began := o.now()
	o.done, o.status, err = o.dir.Look(ctx, func(s patches.Status) bool {
		return o.enough(&s, o.now().Sub(began) >= o.dir.StartWait)
	})
	if err != nil {
		return fmt.Errorf("looking at drop directory %s: %w", o.dir.Name, err)
	}
	return nil
}

// enough tells whether nothing that is waited for waits any more. To look at a
// whole directory is also to find out what is gone from it.
func (o *look) enough(s *patches.Status, late bool) bool {
	if s.State != patches.Working {
		return !o.wait
	}
	if s.Vanishing && !late && slices.Contains(o.paths, "") {
		return false
	}
	return !slices.ContainsFunc(s.Waiting, func(w patches.Waiting) bool {
		return o.wants(w.Path) && (o.wait || w.Reason.Passes() && !late)
	})
}

func (o *look) wants(path string) bool {
	return slices.ContainsFunc(o.paths, func(p string) bool {
		return p == "" || p == path || strings.HasPrefix(path, p+"/")
	})
}

// seen tells what the looks have come to, by directory and path.
func (l *Local) seen(ctx context.Context, looks []*look) ([]Seen, error) {
	found := map[Place]Seen{}
	missing := map[Place]bool{}
	for _, o := range looks {
		o.collect(found)
		for _, path := range o.paths {
			at := Place{o.dir.Name, path}
			if _, ok := found[at]; ok {
				continue
			}
			outcome, why := o.untouched(path)
			switch isFile, _ := patches.Eligible(filepath.Base(path)); {
			case why != "":
				found[at] = Seen{at, outcome, []string{why}}
			case isFile || path != "" && !o.exists(path):
				missing[at] = true
			}
		}
	}
	if err := l.remember(ctx, missing, found); err != nil {
		return nil, err
	}
	list := slices.Collect(maps.Values(found))
	slices.SortFunc(list, func(a, b Seen) int {
		return cmp.Or(strings.Compare(a.Dir, b.Dir), strings.Compare(a.Path, b.Path))
	})
	return list, nil
}

// collect adds what has had an outcome, and what waits.
func (o *look) collect(found map[Place]Seen) {
	for _, d := range o.done {
		if at := (Place{o.dir.Name, d.Path}); o.wants(d.Path) {
			found[at] = Seen{at, outcomeNames[d.Outcome], orNone(d.Reasons)}
		} else {
			o.others++
		}
	}
	for _, w := range o.status.Waiting {
		if at := (Place{o.dir.Name, w.Path}); o.wants(w.Path) {
			found[at] = Seen{at, Waiting, []string{waitText(&w)}}
		}
	}
}

var outcomeNames = map[patches.Outcome]string{patches.Installed: "installed", patches.Failed: "failed", patches.Skipped: "skipped"}

// remember looks up in the ledger what had its outcome before anybody asked.
func (l *Local) remember(ctx context.Context, missing map[Place]bool, found map[Place]Seen) error {
	for at := range missing {
		found[at] = Seen{at, "", []string{"there is no such file in the drop directory, and none was applied"}}
	}
	if len(missing) == 0 {
		return nil
	}
	for e, err := range l.Store.Ledger(ctx) {
		if err != nil {
			return fmt.Errorf("reading the ledger: %w", err)
		}
		if at := (Place{e.Dir, e.Path}); missing[at] {
			found[at] = Seen{at, e.Outcome.String(), orNone(e.Reasons)}
		}
	}
	return nil
}

func stateText(s *patches.Status) string {
	if s.Detail == "" {
		return "the drop directory is " + string(s.State)
	}
	return fmt.Sprintf("the drop directory is %s: %s", s.State, s.Detail)
}

func waitText(w *patches.Waiting) string {
	if w.Detail == "" {
		return string(w.Reason)
	}
	return fmt.Sprintf("%s: %s", w.Reason, w.Detail)
}

// orNone makes an empty list of none, which JSON tells apart.
func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// Prune implements Service.
func (l *Local) Prune(ctx context.Context, dir string) (Pruned, error) {
	n, err := l.Applier.Prune(context.WithoutCancel(ctx), dir)
	switch {
	case err == nil:
		return Pruned{Count: n}, nil
	case errors.Is(err, provision.ErrNoPrune):
		return Pruned{Withheld: err.Error()}, nil
	case errors.Is(err, store.ErrUnknown) && l.Broken != nil:
		l.Broken(err)
	}
	return Pruned{}, err
}
