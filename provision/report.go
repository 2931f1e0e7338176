package provision

import (
	"cmp"
	"fmt"
	"slices"
)

// maxProblems is how many problems of one file are told.
const maxProblems = 100

// maxKept bounds the problems that are remembered of a file that is nothing but
// mistakes.
const maxKept = 10 * maxProblems

// report collects the problems of one file.
type report struct {
	problems []Problem
	seen     map[Pos]bool
	more     int // that are not remembered
}

// at adds a problem, unless there is one at that place already: what follows
// from a mistake is no second mistake.
func (r *report) at(pos Pos, text string) {
	if r.seen[pos] {
		return
	}
	r.also(pos, text)
}

// also adds a problem at a place that may have others, such as an entry that
// lacks two things.
func (r *report) also(pos Pos, text string) {
	if len(r.problems) == maxKept {
		r.more++
		return
	}
	if r.seen == nil {
		r.seen = make(map[Pos]bool)
	}
	r.seen[pos] = true
	r.problems = append(r.problems, Problem{pos, text})
}

func (r *report) empty() bool { return len(r.problems) == 0 }

// sorted is all problems in the order of their places.
func (r *report) sorted() []Problem {
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
	if more := len(r.problems) + r.more - maxProblems; more > 0 {
		return append(r.problems[:maxProblems:maxProblems], Problem{Text: fmt.Sprintf("and %d more", more)})
	}
	return r.problems
}
