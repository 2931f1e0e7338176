package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Place is where something is stated: a line of a file, or a variable of the
// environment. The zero Place is that of a default.
type Place struct {
	Source string // the file's path, or the variable's name
	Line   int    // from 1; 0 for a variable, or a file as a whole
}

// Problem is one thing that is wrong, and where.
type Problem struct {
	Place
	Text string // what to write instead
}

// String writes the problem as compilers do.
func (p Problem) String() string {
	switch {
	case p.Source == "":
		return p.Text
	case p.Line == 0:
		return p.Source + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.Source, p.Line, p.Text)
}

// Error is a configuration that cannot be used. A program that meets it exits
// with 78 (EX_CONFIG of sysexits.h).
type Error struct{ Problems []Problem }

// Error writes one problem a line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// sortProblems puts those of the file first, in its order.
func sortProblems(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		if (a.Line == 0) != (b.Line == 0) {
			return cmp.Compare(b.Line, a.Line)
		}
		return cmp.Compare(a.Line, b.Line)
	})
}
