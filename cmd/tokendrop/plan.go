package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon"
	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/provision"
)

func (c *cli) plan() *cobra.Command {
	var m manifests
	var drop string
	cmd := &cobra.Command{
		Use:   "plan FILE|DIR|-...",
		Short: "Show what applying manifests would change",
		Long: `Show what applying manifests would change in the store, each on top of those
before it, without changing anything and without any secret. A line says what
becomes of a token, and lines below it which fields:

  + create   ~ update   - delete or revoke   = unchanged

(new) is a secret that is replaced or made. The exit code is 1 if a manifest
would fail; then its problems are printed as validate prints them. A manifest is
planned for the drop directory that it lies in, or for the only one there is, or
for the one that --drop names; its policy is judged, but for owner and signature.
On Windows, which has no store, it is planned for an empty one.`,
		Example: `  tokendrop plan tokens.yaml
  tokendrop plan -o json manifests/
  tokendrop plan --drop spool new.yaml`,
		Args:    cobra.MinimumNArgs(1),
		PreRunE: func(*cobra.Command, []string) error { return m.check(c) },
		RunE: func(cmd *cobra.Command, args []string) error {
			m.stdin = cmd.InOrStdin()
			files, err := m.read(args)
			if err != nil {
				return err
			}
			return c.planFiles(cmd, patchesOf(files), drop)
		},
	}
	m.syntaxFlag(cmd)
	cmd.Flags().StringVar(&drop, "drop", "", "name of the drop directory to plan for")
	return cmd
}

// patchesOf leaves out what a drop directory would not have for a patch.
func patchesOf(files []manifest) []manifest {
	var list []manifest
	for _, f := range files {
		if f.leftAlone == "" {
			list = append(list, f)
		}
	}
	return list
}

// planFiles plans for the drop directory of that name or, where it is empty, for
// that of each file.
func (c *cli) planFiles(cmd *cobra.Command, files []manifest, drop string) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	if err := c.checkDrop(cfg.Drops, drop); err != nil {
		return err
	}
	asked := make([]admin.Manifest, len(files))
	for i, f := range files {
		asked[i] = admin.Manifest{Dir: cmp.Or(drop, dropOf(cfg.Drops, f.name)), Path: f.name, Data: f.data}
	}
	show := func(plans []admin.Plan, err error) error {
		if err != nil {
			return err
		}
		return c.printPlans(cmd.OutOrStdout(), files, plans)
	}
	if daemon.Supported() != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "planned for an empty store, since there is none on this system")
		return show(daemon.PlanAnew(cmd.Context(), cfg, asked))
	}
	return c.ask(cmd, func(s admin.Service) error { return show(s.Plan(cmd.Context(), asked)) })
}

// checkDrop refuses a name that no drop directory has. Without the rules of one,
// a plan would promise what they forbid.
func (c *cli) checkDrop(drops []config.Drop, name string) error {
	names := make([]string, len(drops))
	for i, d := range drops {
		names[i] = d.Name
	}
	if name == "" || slices.Contains(names, name) {
		return nil
	}
	text := "--drop names no drop directory of the configuration; there are " + strings.Join(names, ", ")
	if likely := provision.Nearest(name, names); likely != "" {
		text += fmt.Sprintf("; did you mean %q?", likely)
	}
	return c.usage(text)
}

// dropOf names the drop directory that a file lies in or, if it lies in none,
// the only one that there is.
func dropOf(drops []config.Drop, file string) string {
	at, ok := placeOf(drops, file)
	if !ok && len(drops) == 1 {
		return drops[0].Name
	}
	return at.Dir
}

// planned is a step as "plan -o json" shows it.
type planned struct {
	File string `json:"file"`
	admin.Step
}

func (c *cli) printPlans(w io.Writer, files []manifest, plans []admin.Plan) error {
	steps, failed := []planned{}, []finding{}
	for i, p := range plans {
		for _, problem := range p.Problems {
			failed = append(failed, finding{files[i].file, problem.Line, problem.Column, failure, problem.Message})
		}
		for _, s := range p.Steps {
			steps = append(steps, planned{files[i].file, s})
		}
	}
	switch {
	case len(failed) > 0:
		return cmp.Or(c.printFindings(w, failed), errNo)
	case c.output == jsonOut:
		return printJSON(w, steps)
	}
	for i, p := range plans {
		if err := printPlan(w, files[i].file, &p, len(plans) > 1); err != nil {
			return err
		}
	}
	return nil
}

// printPlan prints one plan for people, under its file's name where there are
// several.
func printPlan(w io.Writer, file string, p *admin.Plan, heading bool) error {
	var b strings.Builder
	if heading {
		fmt.Fprintf(&b, "%s:\n", file)
	}
	if len(p.Steps) == 0 {
		fmt.Fprintln(&b, `= nothing to do: it has no entries, or its "once" has run`)
	}
	for i := range p.Steps {
		printStep(&b, &p.Steps[i])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// verbs say what the results of history are, before they are.
var verbs = map[string]string{
	"created": "+ create", "updated": "~ update", "deleted": "- delete", "revoked": "- revoke", "unchanged": "= unchanged",
}

func printStep(w io.Writer, s *admin.Step) {
	fmt.Fprintln(w, stepTitle(s))
	for _, f := range s.Changes {
		if s.Result == "created" {
			fmt.Fprintf(w, "    %s: %s\n", f.Field, visible(f.New))
			continue
		}
		fmt.Fprintf(w, "    %s: %s -> %s\n", f.Field, shown(f.Old), shown(f.New))
	}
}

func stepTitle(s *admin.Step) string {
	words := []string{verbs[s.Result]}
	switch {
	case s.Action == "block" || s.Action == "unblock":
		if s.Result != "unchanged" {
			words[0] = "~ " + s.Action
		}
		words = append(words, "user", visible(s.User))
	case s.Name != "":
		words = append(words, visible(s.User+"/"+s.Name))
	}
	if s.Key != nil {
		words = append(words, "("+s.Key.String()+")")
	}
	return strings.Join(words, " ")
}

func shown(text string) string {
	if text == "" {
		return "(none)"
	}
	return visible(text)
}
