package provision

import (
	"errors"
	"fmt"
	"os/user"
	"path"
	"slices"
	"strconv"

	"github.com/tokendrop/tokendrop/store"
)

// Outputs reach their places in three steps, around the commit:
//
//	stage    the token is written beside its place, as .NAME.tokendrop, durably
//	commit   the credential, and in a Written mark what the file holds
//	reveal   the staged file takes its place, and only then the outcome shows
//
// The mark decides what a staged file is worth: one that holds what the mark
// says was committed, any other was not. So what a crash leaves is put right by
// whoever comes to the path next, the same patch or another one:
//
//	crash after | staged | mark | then
//	stage       | new    | old  | it is removed, and the patch planned anew
//	commit      | new    | new  | it takes its place
//	reveal      | –      | new  | nothing to do

// delivery is an output that is staged.
type delivery struct {
	output

	rules *Rules
	patch int // in the transaction's results
	at    spotID
}

// outputs are where the manifest has something written that its rules permit.
func (t *text) outputs(rules *Rules) []string {
	var paths []string
	if t.manifest == nil {
		return nil
	}
	for i := range t.manifest.Entries {
		if e := &t.manifest.Entries[i]; e.WriteTo.OK && rules.mayWrite(e.WriteTo.Value.Path) {
			paths = append(paths, e.WriteTo.Value.Path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// targets looks at the places of a patch's outputs. What a crash has left there
// is put right first, unless this is a rehearsal. An error means that the world
// is busy.
func (t *transaction) targets(p *text) (map[string]Target, error) {
	rules := t.rules(p)
	paths := p.outputs(rules)
	if len(paths) == 0 {
		return nil, nil
	}
	forbidden := t.settings.forbidden()
	targets := make(map[string]Target, len(paths))
	for _, path := range paths {
		target, err := t.target(rules, path, forbidden)
		if err != nil {
			if isBusy(err) {
				return nil, busy(err)
			}
			target.Problem = unwritable(err)
		}
		targets[path] = target
	}
	return targets, nil
}

func (t *transaction) target(rules *Rules, name string, forbidden forbidden) (Target, error) {
	s, err := rules.openSpot(name)
	if err != nil {
		return Target{}, err
	}
	defer s.close()
	info, err := s.dir.Stat()
	if err != nil {
		return Target{}, err
	}
	if forbidden.covers(info, path.Dir(name)) {
		return Target{Problem: `"path" is in a directory of tokendrop's own, where no manifest may write`}, nil
	}
	id, err := s.id()
	if err != nil {
		return Target{}, err
	}
	if slices.ContainsFunc(t.staged, func(d delivery) bool { return d.at == id }) {
		return Target{}, errStaged
	}
	if !t.rehearsal {
		if err := t.applier.reveal(s, name); err != nil {
			return Target{}, err
		}
	}
	target, err := s.look(s.name)
	if isBusy(err) {
		return Target{}, err
	}
	return target, nil // one that may not be read is not ours
}

// reveal puts into its place what is staged and committed.
func (a *Applier) reveal(s *spot, path string) error {
	mark, _ := a.Store.Mark(store.WrittenID(path))
	committed, ok := store.OutputOf(mark.Value)
	if !ok {
		return s.reveal(nil)
	}
	return s.reveal(&committed)
}

// stage writes the outputs of a patch beside their places. A refusal is a
// problem of the patch, any other error means that the world is busy; with
// either nothing of the patch is left.
func (t *transaction) stage(p *text, outputs []output) ([]delivery, error) {
	var staged []delivery
	taken := make(map[spotID]bool)
	for _, o := range outputs {
		d := delivery{output: o, rules: t.rules(p), patch: len(t.results)}
		if err := d.stage(taken); err != nil {
			discard(staged)
			return nil, err
		}
		staged = append(staged, d)
	}
	return staged, nil
}

// stage writes the output beside its place, so that it survives a power cut.
// Another output of the patch may have taken the place, by another path.
func (d *delivery) stage(taken map[spotID]bool) error {
	access, err := d.access()
	if err != nil {
		return err
	}
	s, err := d.rules.openSpot(d.Path)
	if err == nil {
		defer s.close()
		d.at, err = s.id()
	}
	if taken[d.at] {
		return refuse(d.pos, notOurs)
	}
	if err == nil {
		taken[d.at] = true
		err = s.stage(d.content(), access)
	}
	if err == nil {
		err = s.sync()
	}
	switch {
	case err == nil:
		return nil
	case isBusy(err):
		return busy(err)
	}
	return refuse(d.pos, unwritable(err))
}

// access finds the accounts that the output states.
func (d *delivery) access() (access, error) {
	a := access{mode: d.Mode}
	var err error
	if a.uid, err = account(d.Owner, func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	}); err != nil {
		return a, refuse(d.Owner.Pos, `there is no user of the name that "owner" states; make one first, or write another name or a number`)
	}
	if a.gid, err = account(d.Group, func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	}); err != nil {
		return a, refuse(d.Group.Pos, `there is no group of the name that "group" states; make one first, or write another name or a number`)
	}
	return a, nil
}

// account is the number of an account that is stated by number or name, -1 if
// none is.
func account(stated Stated[string], lookup func(string) (string, error)) (int, error) {
	if !stated.OK {
		return -1, nil
	}
	if id, err := strconv.Atoi(stated.Value); err == nil {
		return id, nil
	}
	id, err := lookup(stated.Value)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(id)
}

// discard removes what was staged and is not committed. What cannot be removed
// is a token that nobody ever had, and goes with the next one.
func discard(staged []delivery) {
	for i := range staged {
		d := &staged[i]
		if s, err := d.rules.openSpot(d.Path); err == nil {
			_ = s.reveal(nil)
			s.close()
		}
	}
}

// stages tells whether an earlier patch of the transaction has staged a file
// that this one may want to write.
func (t *transaction) stages(p *text) bool {
	paths := p.outputs(t.rules(p))
	return slices.ContainsFunc(t.staged, func(d delivery) bool { return slices.Contains(paths, d.Path) })
}

// deliver puts into their places what is staged and was committed. A patch of
// which something cannot be delivered has no outcome yet: the ledger has it, and
// it is to be handed in again.
func (t *transaction) deliver() {
	for i := range t.staged {
		d := &t.staged[i]
		if err := t.applier.finish(d.rules, d.Path); err != nil {
			t.results[d.patch] = Result{Undelivered: true, Reasons: []string{err.Error()}}
		}
	}
}

// finish puts one output into its place, durably.
func (a *Applier) finish(rules *Rules, path string) error {
	s, err := rules.openSpot(path)
	if err == nil {
		defer s.close()
		err = a.reveal(s, path)
	}
	if err == nil {
		err = s.sync()
	}
	if err != nil {
		return busy(err)
	}
	return nil
}

// errUndelivered keeps an output from its place, and can be helped by nothing in a
// manifest.
var errUndelivered = errors.New(`writing the file of "write_to"`)

// busy is an errUndelivered. It does not name the file.
func busy(err error) error { return fmt.Errorf("%w: %w", errUndelivered, bare(err)) }
