package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon"
	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/store/token"
)

// restorer is who restores: an admin.Service, or what there is without a store.
type restorer interface {
	Restore(ctx context.Context, from *os.File, order admin.Restoring) (admin.Restored, error)
}

func (c *cli) restore() *cobra.Command {
	var yes, rehearse bool
	var order admin.Restoring
	var keys []string
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Bring back what a backup holds",
		Long: `Bring back what a backup holds: its tokens are then as they were, and tokens that
came later are gone. What that would revive, add, change and drop is shown first.
With --user or --key only those tokens come back, and nothing else changes.

What is known since stays: revoked keys stay revoked, so that their tokens do not
come back, blocked users blocked, serial numbers and "once" names used. --exactly
gives that up. The ledger goes on, and has the restore as its next entry.

The daemon goes on meanwhile, and answers from the one store or the other; patches
wait. The store that was there stays beside the new one until you remove it.

Where the store cannot be opened any more, this makes a new one of a backup, or of
the snapshot that the daemon keeps beside the store. A backup from before the last
change that took a right away is refused then.`,
		Example: `  tokendrop restore /var/backups/tokendrop.dump
  tokendrop restore --user /users/alice --yes /var/backups/tokendrop.dump
  tokendrop restore --dry-run -o json /var/backups/tokendrop.dump
  tokendrop restore /var/lib/tokendrop/store.snapshot`,
		Args: cobra.ExactArgs(1),
		PreRunE: func(*cobra.Command, []string) error {
			for _, text := range keys {
				key, err := token.ParseKey(text)
				if err != nil {
					return c.usage("--key must be a key as \"tokendrop list\" shows them")
				}
				order.Keys = append(order.Keys, key)
			}
			if order.Exactly && len(order.Users)+len(order.Keys) > 0 {
				return c.usage("--exactly is about all of a backup; leave --user and --key out")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }() // nothing is written
			return c.withRestorer(cmd, func(r restorer) error { return c.restoreFrom(cmd, r, f, order, yes, rehearse) })
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&order.Users, "user", nil, "bring back only the tokens of this user; may be repeated")
	flags.StringArrayVar(&keys, "key", nil, "bring back only the token with this key; may be repeated")
	flags.BoolVar(&order.Exactly, "exactly", false, "give up later revocations, blocks, serial numbers and used names")
	flags.BoolVar(&rehearse, "dry-run", false, "only show what would happen")
	yesFlag(cmd, &yes)
	return cmd
}

// withRestorer calls do with the running daemon, its store, or what makes a new
// one where that cannot be opened.
func (c *cli) withRestorer(cmd *cobra.Command, do func(restorer) error) error {
	asked := false
	err := c.ask(cmd, func(s admin.Service) error {
		asked = true
		return do(s)
	})
	if asked || !errors.Is(err, daemon.ErrDamaged) && !errors.Is(err, daemon.ErrNoStore) {
		return err
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "tokendrop:", err)
	cfg, err := c.config()
	if err != nil {
		return err
	}
	salvager, done, err := daemon.Salvage(cfg, commandLog(cfg.Log))
	if err != nil {
		return err
	}
	return errors.Join(do(salvager), done())
}

// restoreFrom shows what would happen, asks, and has it done.
func (c *cli) restoreFrom(cmd *cobra.Command, r restorer, f *os.File, order admin.Restoring, yes, rehearse bool) error {
	order.Rehearse = true
	shown := newProgress(cmd)
	stop := shown.reading("reading the backup", f)
	would, err := r.Restore(cmd.Context(), f, order)
	stop()
	if err != nil {
		return err
	}
	if rehearse || c.output == table {
		if err := c.printRestored(cmd.OutOrStdout(), &would); err != nil || rehearse {
			return err
		}
	}
	alone := len(order.Users)+len(order.Keys) > 0
	if alone && would.Revive.Count+would.Add.Count+would.Change.Count+would.Same == 0 {
		return errors.New("nothing comes back: the backup has no such token, or all of them are revoked")
	}
	if err := c.confirm(cmd, yes, "Restore the backup?"); err != nil {
		return err
	}
	order.Rehearse = false
	stop = shown.reading("restoring", f)
	done, err := r.Restore(cmd.Context(), f, order)
	stop()
	if err != nil {
		return err
	}
	if c.output == jsonOut {
		return printJSON(cmd.OutOrStdout(), done)
	}
	text := "restored\n"
	if done.Before != "" {
		text = fmt.Sprintf("restored; the store that was there is %s now\n", visible(done.Before))
	}
	_, err = io.WriteString(cmd.OutOrStdout(), text)
	return err
}

func (c *cli) printRestored(w io.Writer, r *admin.Restored) error {
	if c.output == jsonOut {
		return printJSON(w, r)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "backup of %s, up to entry %d of the ledger\n", r.Time.UTC().Format(time.RFC3339), r.Entries)
	for _, g := range []struct {
		title string
		sign  string
		group *admin.Group
	}{
		{"good again", "!", &r.Revive},
		{"new here", "+", &r.Add},
		{"different", "~", &r.Change},
		{"dropped", "-", &r.Drop},
		{"kept out, as revoked", "=", &r.Withheld},
		{"no longer revoked or blocked", "!", &r.Lift},
	} {
		printGroup(&b, g.title, g.sign, g.group)
	}
	fmt.Fprintf(&b, "unchanged: %d\n", r.Same)
	if r.Needed > 0 {
		fmt.Fprintf(&b, "takes %d MiB beside the store, of %d MiB that are free\n", (r.Needed+mebibyte-1)/mebibyte, r.Free/mebibyte)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printGroup(w io.Writer, title, sign string, g *admin.Group) {
	if g.Count == 0 {
		return
	}
	fmt.Fprintf(w, "%s: %d\n", title, g.Count)
	for _, item := range g.First {
		fmt.Fprintf(w, "  %s %s\n", sign, itemText(&item))
	}
	if more := g.Count - uint64(len(g.First)); more > 0 {
		fmt.Fprintf(w, "  and %d more\n", more)
	}
}

func itemText(i *admin.GroupItem) string {
	text := "user " + visible(i.User)
	switch {
	case i.Name != "":
		text = visible(i.User + "/" + i.Name)
	case i.Key != nil:
		text = cmp.Or(i.User, "every user")
		text = "key for " + visible(text)
	}
	if i.Key != nil {
		text += " (" + i.Key.String() + ")"
	}
	if i.Why != "" {
		text += ": " + i.Why
	}
	return text
}
