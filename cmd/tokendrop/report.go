package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/provision"
)

// fileReport is what became of a file, as "apply -o json" shows it.
type fileReport struct {
	File     string         `json:"file"`
	Dir      string         `json:"dir"` // "admin" for one outside of drop directories
	Outcome  string         `json:"outcome"`
	Reasons  []string       `json:"reasons"`
	Warnings []string       `json:"warnings"`
	Entries  []admin.Change `json:"entries"` // of a file outside of drop directories
}

// lookedReports tells of what was looked for in drop directories. That others were
// applied on the way is said on stderr.
func lookedReports(cmd *cobra.Command, looked admin.Looked) []fileReport {
	if looked.Others > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "tokendrop: %d more in there got an outcome with it; \"tokendrop history\" has them\n", looked.Others)
	}
	reports := make([]fileReport, len(looked.Seen))
	for i, s := range looked.Seen {
		reports[i] = fileReport{File: s.Path, Dir: s.Dir, Outcome: s.Outcome, Reasons: s.Reasons, Warnings: []string{}, Entries: []admin.Change{}}
	}
	return reports
}

func problemLines(file string, problems []admin.Problem) []string {
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = provision.Problem{Pos: provision.Pos{Line: p.Line, Col: p.Column}, Text: p.Message}.In(file)
	}
	return lines
}

func (r *fileReport) applied() bool {
	return r.Outcome == "installed" || r.Outcome == "skipped" || r.Outcome == prunedOutcome
}

func (c *cli) printReports(w io.Writer, reports []fileReport) error {
	if err := c.showReports(w, reports); err != nil {
		return err
	}
	if !slices.ContainsFunc(reports, func(r fileReport) bool { return !r.applied() }) {
		return nil
	}
	return errNo
}

func (c *cli) showReports(w io.Writer, reports []fileReport) error {
	if c.output == jsonOut {
		return printJSON(w, reports)
	}
	var b strings.Builder
	for i := range reports {
		reports[i].print(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// print prints a report for people: of what failed, the lines of validate.
func (r *fileReport) print(w io.Writer) {
	for _, line := range r.Warnings {
		fmt.Fprintln(w, warningLine(line, r.File))
	}
	switch {
	case r.Outcome == "failed":
		for _, line := range r.Reasons {
			fmt.Fprintln(w, visible(line))
		}
	case r.applied() && r.Outcome != prunedOutcome:
		fmt.Fprintf(w, "%s: %s%s\n", visible(r.File), r.Outcome, r.results())
	case r.Outcome == "":
		fmt.Fprintf(w, "%s: %s\n", visible(r.File), visible(strings.Join(r.Reasons, "; ")))
	default:
		fmt.Fprintf(w, "%s: %s: %s\n", visible(r.File), r.Outcome, visible(strings.Join(r.Reasons, "; ")))
	}
}

// warningLine marks a line of a problem as a warning, as validate does.
func warningLine(line, file string) string {
	place, text, found := strings.Cut(strings.TrimPrefix(line, file), ": ")
	if !found {
		return line
	}
	return visible(file + place + ": warning: " + text)
}

// results counts what the entries came to.
func (r *fileReport) results() string {
	var names []string
	counts := map[string]int{}
	for _, e := range r.Entries {
		if counts[e.Result]++; counts[e.Result] == 1 {
			names = append(names, e.Result)
		}
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", counts[name], name)
	}
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}
