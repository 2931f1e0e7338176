package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/provision"
)

func (c *cli) apply() *cobra.Command {
	var m manifests
	var wait, prune, yes bool
	cmd := &cobra.Command{
		Use:   "apply [FILE|DIR|-...]",
		Short: "Apply manifests once, and report what became of each",
		Long: `Apply manifests once, and report what became of each. A file outside of the drop
directories stays as it is: what is in it is applied under the name of whoever
calls this, and no policy is about it. A file in a drop directory is applied by
that, as if it had been noticed, and becomes what it becomes there. Without
arguments all drop directories are asked to apply what they hold.

Of a directory those files are applied that would be patches in a drop directory,
in the byte order of their paths; - is stdin. What is still being written in a
drop directory is waited for as start_wait in [verify] says, and with --wait until
it has its outcome, whatever it waits for. What has failed is printed as validate
prints it. The exit code is 1 if anything failed, or waits still.

With --prune, prunes that "status" says are withheld because they would take more
than prune_limit at once take place, in the directories that are named, or in all.
That destroys: it is asked before on a terminal, and needs --yes elsewhere.

Without a running daemon the store itself is changed, as its owner.`,
		Example: `  tokendrop apply tokens.yaml
  tokendrop apply manifests/ -o json
  generate-tokens | tokendrop apply --format json -
  cp tokens.yaml /var/spool/tokendrop/ && tokendrop apply --wait /var/spool/tokendrop/tokens.yaml
  tokendrop apply                        everything that lies in the drop directories
  tokendrop apply --prune --yes /etc/tokendrop/tokens.d`,
		Args:    cobra.ArbitraryArgs,
		PreRunE: func(*cobra.Command, []string) error { return m.check(c) },
		RunE: func(cmd *cobra.Command, args []string) error {
			m.stdin = cmd.InOrStdin()
			return c.applyArgs(cmd, &m, args, wait, prune, yes)
		},
	}
	m.syntaxFlag(cmd)
	yesFlag(cmd, &yes)
	cmd.Flags().BoolVar(&prune, "prune", false, "let prunes take place that are withheld for their size")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for the outcomes of dropped files, however long that takes")
	return cmd
}

// applyArgs applies what is named, or all that lies in drop directories.
func (c *cli) applyArgs(cmd *cobra.Command, m *manifests, args []string, wait, prune, yes bool) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	dropped, files, err := m.sort(cfg.Drops, args)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		dropped = everything(cfg.Drops)
	}
	return c.ask(cmd, func(s admin.Service) error {
		if prune && !c.askable(cmd, yes) { // so that nothing is applied before it is refused
			if _, err := c.prune(cmd, s, dropped, yes); err != nil {
				return err
			}
		}
		reports, err := applyAll(cmd, s, admin.Wanted{Places: dropped, Wait: wait}, files)
		if err != nil {
			return err
		}
		if prune {
			pruned, err := c.prune(cmd, s, dropped, yes)
			if err != nil {
				return err
			}
			reports = append(reports, pruned...)
		}
		return c.printReports(cmd.OutOrStdout(), reports)
	})
}

func (c *cli) retry() *cobra.Command {
	return &cobra.Command{
		Use:   "retry FILE...",
		Short: "Apply patches again that have failed",
		Long: `Apply patches again that have failed: NAME.failed in a drop directory becomes NAME
again, its reason goes, and its new outcome is waited for and reported as apply
does. Mend the file before, or what it needs. In a directory that keeps its files
nothing is renamed: what lies there is applied again at once.`,
		Example: `  tokendrop retry /var/spool/tokendrop/tokens.yaml.failed
  tokendrop retry /var/spool/tokendrop/team/*.failed`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := c.config()
			if err != nil {
				return err
			}
			w := admin.Wanted{Retry: true}
			for _, arg := range args {
				at, ok := placeOf(cfg.Drops, strings.TrimSuffix(strings.TrimSuffix(arg, ".reason"), ".failed"))
				if !ok || at.Path == "" {
					return fmt.Errorf("%s lies in no drop directory of the configuration; what failed elsewhere is applied again with \"tokendrop apply\"", arg)
				}
				w.Places = append(w.Places, at)
			}
			return c.ask(cmd, func(s admin.Service) error {
				looked, err := s.Look(cmd.Context(), w)
				if err != nil {
					return err
				}
				return c.printReports(cmd.OutOrStdout(), lookedReports(cmd, looked))
			})
		},
	}
}

// prune lets the prunes of whole directories take place that are withheld.
func (c *cli) prune(cmd *cobra.Command, s admin.Service, places []admin.Place, yes bool) ([]fileReport, error) {
	status, err := s.Status(cmd.Context())
	if err != nil {
		return nil, err
	}
	var reports []fileReport
	for _, d := range status.Drops {
		if d.Withheld == nil || !slices.Contains(places, admin.Place{Dir: d.Name}) {
			continue
		}
		question := fmt.Sprintf("In %s, %d tokens are stated by no patch any more, such as %s. Prune them?",
			visible(d.Name), d.Withheld.Count, visible(strings.Join(d.Withheld.Tokens[:min(toldEach, len(d.Withheld.Tokens))], ", ")))
		if err := c.confirm(cmd, yes, question); err != nil {
			return nil, err
		}
		pruned, err := s.Prune(cmd.Context(), d.Name)
		if err != nil {
			return nil, err
		}
		r := fileReport{File: d.Path, Dir: d.Name, Outcome: prunedOutcome, Reasons: []string{fmt.Sprintf("%d tokens", pruned.Count)}, Warnings: []string{}, Entries: []admin.Change{}}
		if pruned.Withheld != "" {
			r.Outcome, r.Reasons = "withheld", []string{pruned.Withheld}
		}
		reports = append(reports, r)
	}
	return reports, nil
}

// prunedOutcome is that of a prune, beside those of files.
const prunedOutcome = "pruned"

// everything is all that lies in drop directories.
func everything(drops []config.Drop) []admin.Place {
	places := make([]admin.Place, len(drops))
	for i, d := range drops {
		places[i].Dir = d.Name
	}
	return places
}

// sort tells what lies in drop directories from other files, and reads those.
func (m *manifests) sort(drops []config.Drop, args []string) (dropped []admin.Place, files []manifest, err error) {
	var others []string
	for _, arg := range args {
		if at, ok := placeOf(drops, arg); ok && arg != "-" {
			dropped = append(dropped, at)
		} else {
			others = append(others, arg)
		}
	}
	read, err := m.read(others)
	for _, f := range patchesOf(read) {
		if at, ok := placeOf(drops, f.file); ok && f.file != "-" { // of a directory around a drop directory
			dropped = append(dropped, at)
		} else {
			files = append(files, f)
		}
	}
	return dropped, files, err
}

// placeOf finds the drop directory that a file or a directory lies in, or is:
// the innermost.
func placeOf(drops []config.Drop, file string) (at admin.Place, ok bool) {
	path, err := filepath.Abs(file)
	if err != nil {
		return at, false
	}
	longest := ""
	for _, d := range drops {
		rel, inside := strings.CutPrefix(path, d.Path+string(filepath.Separator))
		if path == d.Path {
			rel, inside = "", true
		}
		if inside && len(d.Path) > len(longest) {
			at, ok, longest = admin.Place{Dir: d.Name, Path: rel}, true, d.Path
		}
	}
	return at, ok
}

// fileReport is what became of a file, as "apply -o json" shows it.
type fileReport struct {
	File     string         `json:"file"`
	Dir      string         `json:"dir"` // "admin" for one outside of drop directories
	Outcome  string         `json:"outcome"`
	Reasons  []string       `json:"reasons"`
	Warnings []string       `json:"warnings"`
	Entries  []admin.Change `json:"entries"` // of a file outside of drop directories
}

// A request has at most so many manifests, or bytes of them.
const (
	batchFiles = 500
	batchBytes = 16 << 20
)

// applyAll lets drop directories apply what is wanted of them, and then applies
// the files.
func applyAll(cmd *cobra.Command, s admin.Service, w admin.Wanted, files []manifest) ([]fileReport, error) {
	reports := []fileReport{}
	shown, all := newProgress(cmd), len(files)
	defer shown.done()
	if len(w.Places) > 0 {
		shown.show("waiting for outcomes")
		looked, err := s.Look(cmd.Context(), w)
		shown.done()
		if err != nil {
			return nil, err
		}
		reports = lookedReports(cmd, looked)
	}
	for len(files) > 0 {
		n, bytes := 0, 0
		for n < len(files) && n < batchFiles && (n == 0 || bytes+len(files[n].data) <= batchBytes) {
			bytes += len(files[n].data)
			n++
		}
		shown.show("%d of %d files applied (%d%%)", all-len(files), all, percent(all-len(files), all))
		some, err := order(cmd, s, files[:n])
		if err != nil {
			return nil, err
		}
		reports, files = append(reports, some...), files[n:]
	}
	return reports, nil
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

// order has manifests applied that lie in no drop directory. Whatever the
// command line changes comes through here.
func order(cmd *cobra.Command, s admin.Service, files []manifest) ([]fileReport, error) {
	asked := make([]admin.Manifest, len(files))
	for i, f := range files {
		asked[i] = admin.Manifest{Path: f.orderPath(), Data: f.data}
	}
	applied, err := s.Apply(cmd.Context(), asked)
	if err != nil {
		return nil, err
	}
	if len(applied) != len(files) {
		return nil, errors.New("the daemon has answered about other files")
	}
	reports := make([]fileReport, len(applied))
	for i, a := range applied {
		reports[i] = fileReport{
			File: files[i].file, Dir: provision.OrderDir, Outcome: a.Outcome,
			Reasons: problemLines(files[i].file, a.Problems), Warnings: problemLines(files[i].file, a.Warnings), Entries: a.Entries,
		}
	}
	return reports, nil
}

// orderPath is what the ledger calls a file that is no patch.
func (f *manifest) orderPath() string {
	if f.file == "-" {
		return "stdin" + filepath.Ext(f.name)
	}
	path, err := filepath.Abs(f.file)
	if err != nil {
		return f.file
	}
	return path
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
		fmt.Fprintf(w, "%s: %s\n", visible(r.File), strings.Join(r.Reasons, "; "))
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
