package provision

import (
	"crypto/sha256"
	"strings"

	"github.com/tokendrop/tokendrop/store"
)

// A kept file is decided on by its content and by its mark in the store, which is
// written with the entry in the ledger:
//
//	the mark has               | what is evaluated        | an entry
//	nothing, or other content  | all of it                | always
//	this content, installed    | create, ensure and users | where something is different now
//	this content, failed       | all of it                | where the reasons are others
//
// A file that is not kept any more, because its directory can be written to
// again, is decided on by its mark as well, which goes then: what was done with
// that content is not done twice.
//
// The mark goes when the file does, so that one that comes back is a new one. It
// stays where a serial number was installed from: that very file, signed, is no
// news when it comes back.

// kept is what the store has of a file that is kept, or was; nil for every other
// patch.
func (t *transaction) kept(p *text) *store.KeptFile {
	if !p.Kept && !t.applier.keeper.has(p.Source) {
		return nil
	}
	m, _ := t.draft.Mark(store.KeptID(p.Source))
	f, _ := store.KeptFileOf(m.Value)
	return &f
}

// decideAgain decides on a kept file whose content was applied already.
func (t *transaction) decideAgain(p *text, before *store.KeptFile, targets map[string]Target) decision {
	d := decision{entry: t.entry(p, store.Installed), over: store.NewDraft(t.draft)}
	if problems := p.inPlace(d.over, t.rules(p).Policy, true); len(problems) > 0 {
		return t.fail(p, problems...)
	}
	if p.manifest.empty() || p.manifest.Once.OK {
		d.entry.Outcome = store.Skipped
		if before.Sum == p.sum && before.Outcome == store.Installed {
			d.entry.Outcome = store.Installed
		}
		return d
	}
	if problems := t.carry(p, p.manifest.standing(t.draft), &d, targets); len(problems) > 0 {
		return t.fail(p, problems...)
	}
	return d
}

// remember marks what was decided on a kept file. It returns true if that was the
// same before, and nothing else has changed: then there is nothing to enter.
func (t *transaction) remember(p *text, d *decision) bool {
	before := t.kept(p)
	if before == nil {
		return false
	}
	if !p.Kept {
		if d.entry.Outcome != store.Failed {
			d.over.Unmark(store.KeptID(p.Source))
			d.learned = []learned{{at: p.Source, gone: true}}
		}
		return false
	}
	after := store.KeptFile{Sum: p.sum, Outcome: d.entry.Outcome, Applied: before.Applied}
	if after.Outcome == store.Failed {
		after.Reasons = sha256.Sum256([]byte(strings.Join(d.entry.Reasons, "\n")))
	} else {
		after.Applied = p.sum
	}
	var states *tokenSet
	if p.manifest != nil {
		states = p.manifest.states()
	}
	d.learned = []learned{{at: p.Source, file: after, states: states}}
	if after == *before && !d.entry.Changed {
		return true
	}
	if after != *before {
		d.over.SetMark(store.KeptID(p.Source), after.Value())
	}
	return false
}

// again is the result of a kept file of which there is nothing to enter.
func (t *text) again(entry *store.Entry) Result {
	return Result{Outcome: entry.Outcome, Reasons: entry.Reasons, Again: true}
}
