package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon/admin"
)

func (c *cli) backup() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "backup FILE|-",
		Short: "Write all that the store holds into a file",
		Long: `Write all that the store holds at this moment into a file: tokens, revocations,
blocked users, used names, the ledger, and when tokens were used. The daemon goes
on meanwhile. The file has a checksum, is complete or not there, and is for its
owner only (0600): it holds the digests of tokens. - is stdout.

It does not hold the files of pepper_files and encryption_key_files, without which
no token of it is good, or can be shown: keep those in another place.`,
		Example: `  tokendrop backup /var/backups/tokendrop.dump
  tokendrop backup - | ssh vault 'cat > tokendrop.dump'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "-" {
				return c.ask(cmd, func(s admin.Service) error { return s.Backup(cmd.Context(), cmd.OutOrStdout()) })
			}
			return c.backupTo(cmd, args[0], yes)
		},
	}
	yesFlag(cmd, &yes)
	return cmd
}

// backupTo writes a file that is complete or not there. It is made before the
// store is asked, which may take rights away, and put in its place afterwards.
func (c *cli) backupTo(cmd *cobra.Command, path string, yes bool) error {
	if err := c.checkBackup(cmd, path, yes); err != nil {
		return err
	}
	f, err := renameio.NewPendingFile(path, renameio.WithStaticPermissions(0o600))
	if err != nil {
		return err
	}
	defer f.Cleanup() //nolint:errcheck // nothing is left of it after it took its place
	shown := newProgress(cmd)
	err = c.ask(cmd, func(s admin.Service) error {
		defer shown.done()
		return s.Backup(cmd.Context(), &writing{Writer: f, progress: shown})
	})
	if err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}

func (c *cli) checkBackup(cmd *cobra.Command, path string, yes bool) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is there, and no regular file; \"tokendrop backup -\" writes to stdout", path)
	}
	return c.confirm(cmd, yes, path+" is there. Replace it?")
}
