package admin

import (
	"context"

	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store"
)

// Manifest is a file that is asked about. Dir is the drop directory in which it
// would lie, for what a manifest may do once there; its Path ends in the
// extension that tells its syntax.
type Manifest struct {
	Dir  string `json:"dir"`
	Path string `json:"path"`
	Data []byte `json:"data"`
	// Attended: whoever has it applied wants the tokens that are generated for no
	// "write_to".
	Attended bool `json:"attended"`
}

// Plan is what applying a Manifest would do.
type Plan struct {
	Outcome  string    `json:"outcome"`
	Problems []Problem `json:"problems"`
	Steps    []Step    `json:"steps"`
}

// Problem is why a Manifest would fail.
type Problem struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
}

// Step is what an entry would do. The key is null where there is no token, or
// where it is made when the manifest is applied.
type Step struct {
	Change

	Changes []FieldChange `json:"changes"`
}

// FieldChange is a field with what it says before and after, empty for nothing.
type FieldChange struct {
	Field string `json:"field"`
	Old   string `json:"old"`
	New   string `json:"new"`
}

// Plan implements Service.
func (l *Local) Plan(_ context.Context, manifests []Manifest) ([]Plan, error) {
	patches := make([]provision.Patch, len(manifests))
	for i, m := range manifests {
		patches[i] = provision.Patch{Source: store.Source{Dir: m.Dir, Path: m.Path}, Data: m.Data}
	}
	plans := make([]Plan, len(manifests))
	for i, p := range l.Applier.Preview(patches) {
		plans[i] = newPlan(&p)
	}
	return plans, nil
}

func newPlan(p *provision.Preview) Plan {
	plan := Plan{Outcome: p.Outcome.String(), Problems: problems(p.Problems), Steps: make([]Step, len(p.Steps))}
	for i, s := range p.Steps {
		step := Step{Change: newChange(&s.Change), Changes: make([]FieldChange, len(s.Fields))}
		for j, f := range s.Fields {
			step.Changes[j] = FieldChange(f)
		}
		plan.Steps[i] = step
	}
	return plan
}
