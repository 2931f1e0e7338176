package main

import (
	"errors"
	"path/filepath"
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
		stop := shown.while(func() { showAhead(cmd, s, shown) })
		looked, err := s.Look(cmd.Context(), w)
		stop()
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

// showAhead shows how far drop directories are.
func showAhead(cmd *cobra.Command, s admin.Service, shown *progress) {
	if p, err := s.Progress(cmd.Context()); err == nil && p.All > 0 {
		shown.patches(p.Done, p.All)
		return
	}
	shown.show("waiting for outcomes")
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
