package provision

import (
	"crypto/sha256"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tokendrop/tokendrop/store"
)

// text is a patch with all that follows from its bytes, and those of its
// signature.
type text struct {
	*Patch

	decoder  Decoder
	sum      [sha256.Size]byte
	signer   string    // empty where no signature is needed, or it is wrong
	manifest *Manifest // resolved; nil if there are problems
	problems []Problem
	// unread are the problems with what the manifest points to. They decide
	// nothing on a patch that the ledger knows, or that has nothing to do.
	unread   []Problem
	redacted []byte // nil if there is no secret, or if there are problems
}

// readAll reads patches side by side: decoding is most of the work, and the
// plan, which has an order, has to wait for it.
func (r reader) readAll(patches []Patch) []text {
	texts := make([]text, len(patches))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range patches {
		group.Go(func() error {
			texts[i] = r.read(&patches[i])
			return nil
		})
	}
	_ = group.Wait() // no function of it fails
	return texts
}

// reader makes texts of patches.
type reader struct {
	settings *Settings
	now      time.Time
	groups   func(user string) []string
	unsigned bool // nobody has dropped it yet: no signature is needed, and no owner
}

// remembered asks once for each user, whoever asks how often.
func remembered(groups func(user string) []string) func(user string) []string {
	if groups == nil {
		return nil
	}
	var mu sync.Mutex
	known := make(map[string][]string)
	return func(user string) []string {
		mu.Lock()
		defer mu.Unlock()
		of, ok := known[user]
		if !ok {
			of = groups(user)
			known[user] = of
		}
		return of
	}
}

func (r reader) read(p *Patch) text {
	if p.Refusal != "" { // unread, so nothing is known of its bytes
		return text{Patch: p, problems: []Problem{{Text: p.Refusal}}}
	}
	t := text{Patch: p, decoder: r.settings.decoder(), sum: sha256.Sum256(p.Data)}
	if !r.unsigned {
		var err error
		if t.signer, err = r.admit(p); err != nil {
			t.problems = []Problem{{Text: err.Error()}} // and nothing of what is in it
			return t
		}
	}
	t.decode()
	if t.manifest != nil {
		t.manifest, t.unread = r.settings.resolve(t.manifest, p.Source.Dir)
	}
	return t
}

// admit judges who has dropped a patch, and who has signed it: that is returned
// where a signature is needed.
func (r reader) admit(p *Patch) (signer string, err error) {
	j := judge{Policy: r.settings.Rules[p.Source.Dir].Policy}
	if !j.permitsOwner(p.Author, r.groups) {
		return "", errors.New(j.says(ruleOwners))
	}
	if !j.wantsSignature() {
		return "", nil
	}
	return j.signer(p, r.now)
}

func (t *text) decode() {
	t.manifest, t.problems = t.decoder.Decode(t.Source.Path, t.Data)
	if len(t.problems) == 0 && !t.Kept { // nothing is written of a kept file
		t.redacted = t.decoder.Redact(t.Source.Path, t.Data)
	}
}

// author is who answers for the patch, as far as that is known.
func (t *text) author() string {
	if t.signer != "" {
		return t.signer
	}
	return t.Author
}

// once tells whether the manifest's "once" has run with this content, and uses
// it up if it has not.
func (t *text) once(draft *store.Draft) (used bool, problems []Problem) {
	name := t.manifest.Once
	if !name.OK {
		return false, nil
	}
	id, content := store.OnceID(t.Source.Dir, name.Value), string(t.sum[:])
	if m, ok := draft.Mark(id); !ok {
		draft.SetMark(id, content)
	} else if m.Value != content {
		return false, []Problem{{name.Pos, "this \"once\" was used up by a manifest with other content; a new manifest needs a new name"}}
	} else {
		return true, nil
	}
	return false, nil
}

// result tells the outcome in the ledger, and what the text itself says of the
// file.
func (t *text) result(entry *store.Entry) Result {
	r := Result{Outcome: entry.Outcome, Reasons: entry.Reasons}
	if entry.Outcome != store.Failed && t.manifest != nil && !t.Kept {
		r.OnSuccess, r.Redacted = t.manifest.OnSuccess, t.redacted
	}
	if entry.Outcome == store.Installed && t.manifest != nil {
		r.Warnings = t.warnings(entry.Time)
	}
	return r
}

// warnings are those of the manifest. What is attended to lies in no file, and
// its secrets are seen.
func (t *text) warnings(now time.Time) []Problem {
	return slices.DeleteFunc(Warn(t.manifest, now), func(p Problem) bool {
		return t.Attended && (p.Text == warnLiteral || p.Text == warnUnseen)
	})
}

// decided is the result of a patch that the ledger knows already.
func (t *text) decided(entry *store.Entry) Result {
	if entry.SHA256 != t.sum {
		return Result{Another: true}
	}
	if entry.Outcome == store.Failed || t.manifest != nil {
		return t.result(entry)
	}
	t.decoder.ScopeSets, t.decoder.Imports = nil, nil
	t.decode() // what was good then, its signature and the names in it, need not be so now
	r := t.result(entry)
	if t.manifest == nil { // another version could read it
		r.Redacted = t.decoder.Redact(t.Source.Path, t.Data)
	}
	return r
}
