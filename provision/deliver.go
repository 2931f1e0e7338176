package provision

import (
	"crypto/sha256"
	"fmt"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// Target is what is at the path of an output while a plan is made.
type Target struct {
	Problem string // why nothing can be written there, if so
	Exists  bool
	Known   bool // it is a plain file, and Sum is the SHA-256 of what is in it
	Sum     [sha256.Size]byte
}

// output is a token on its way into a file.
type output struct {
	*Output

	pos   Pos
	token token.Token
}

// What a file of EnvOutput sets.
const (
	TokenVariable = "TOKENDROP_TOKEN"
	KeyVariable   = "TOKENDROP_KEY"
)

// content is what the file will hold.
func (o *output) content() []byte {
	text, key := o.token.Reveal(), o.token.Key
	switch o.Format { // a token is printable ASCII, and generated ones have no quotes in them
	case JSONOutput:
		return fmt.Appendf(nil, "{\"token\": %q, \"key\": %q}\n", text, key.String())
	case EnvOutput:
		return fmt.Appendf(nil, "%s=%s\n%s=%s\n", TokenVariable, text, KeyVariable, key)
	}
	return append([]byte(text), '\n')
}

const (
	notPermitted = `manifests here may not write to this "path"; "output_dirs" in the configuration of the drop directory lists the directories beneath which they may`
	notOurs      = `there is a file at this "path" that was not written for this token; remove it, or write another path`
	wasChanged   = `somebody has changed the file at this "path" since it was written for this token; remove it, or write another path`
	warnNoFile   = `the token is there already, so that nothing is written, and there is no file at this "path"; "regenerate" makes a new secret and writes it`
)

// deliver plans where the secret goes that the entry has had generated, if it
// has. It replaces only what was written for the same token.
func (p *planner) deliver(e *Entry) error {
	if !e.WriteTo.OK {
		return nil
	}
	made, out, pos := p.made, &e.WriteTo.Value, e.WriteTo.Pos
	target := p.target(out.Path)
	switch {
	case !p.env.Rules.mayWrite(out.Path):
		return refuse(pos, notPermitted)
	case made == nil && !target.Exists:
		p.warnings.also(pos, warnNoFile)
		return nil
	case made == nil:
		return nil
	case target.Problem != "":
		return refuse(pos, target.Problem)
	}
	rec, _ := p.draft.ByKey(made.Key)
	id := store.WrittenID(out.Path)
	if target.Exists {
		if problem := p.keepsOff(id, target, &rec); problem != "" {
			return refuse(pos, problem)
		}
	}
	o := output{Output: out, pos: pos, token: *made}
	written := store.Output{Name: rec.Name, CreatedAt: rec.CreatedAt, Keys: rec.Keys(), Sum: sha256.Sum256(o.content())}
	if target.Known {
		written.Replaced = target.Sum
	}
	p.draft.SetMark(id, written.Value())
	if p.outputs == nil {
		p.outputs = make(map[string]output)
	}
	p.outputs[out.Path] = o
	return nil
}

// target is what an earlier entry will have written there, or what there is.
func (p *planner) target(path string) Target {
	t := p.env.Targets[path]
	if _, planned := p.outputs[path]; planned {
		t.Exists = true
	}
	return t
}

// keepsOff says why what is there is not replaced by a secret of the token.
func (p *planner) keepsOff(id store.MarkID, target Target, rec *store.Record) string {
	mark, _ := p.draft.Mark(id)
	written, ok := store.OutputOf(mark.Value)
	_, planned := p.outputs[id.Key]
	switch {
	case !ok || !p.isWrittenFor(&written, rec):
		return notOurs
	case !planned && !target.holds(&written):
		return wasChanged
	}
	return ""
}

// isWrittenFor tells whether an output is the token's. A token that was renamed
// keeps what was written for it, and another one of its old name has no claim.
func (p *planner) isWrittenFor(o *store.Output, rec *store.Record) bool {
	for _, key := range o.Keys {
		if holder, ok := p.draft.ByKey(key); ok && holder.CreatedAt.Equal(o.CreatedAt) {
			return holder.Name == rec.Name
		}
	}
	return o.Name == rec.Name
}

// holds tells whether what is there was written for a token, now or before.
func (t *Target) holds(o *store.Output) bool {
	return t.Known && (t.Sum == o.Sum || t.Sum == o.Replaced)
}

// mayWrite tells whether a path lies where the rules permit.
func (r *Rules) mayWrite(path string) bool {
	_, _, ok := r.outputDir(path)
	return ok
}

// outputDir is the directory of the rules that a path lies in, and the rest of
// the path.
func (r *Rules) outputDir(path string) (dir, rel string, ok bool) {
	for _, dir := range r.OutputDirs {
		if rel, ok := beneath(path, dir); ok {
			return dir, rel, true
		}
	}
	return "", "", false
}
