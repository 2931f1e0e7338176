package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon"
	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/store/dump"
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

An older backup of that name is replaced once the new one is complete; any other
file is not replaced without being asked about.

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
	removeParts(path, time.Now())
	return daemon.WriteWhole(path, func(w io.Writer) error {
		shown := newProgress(cmd)
		return c.ask(cmd, func(s admin.Service) error {
			defer shown.done()
			return s.Backup(cmd.Context(), &writing{Writer: w, progress: shown})
		})
	})
}

// checkBackup asks before anything is replaced that is no older backup.
func (c *cli) checkBackup(cmd *cobra.Command, path string, yes bool) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is there, and no regular file; \"tokendrop backup -\" writes to stdout", path)
	case info.Size() == 0 || isBackup(path):
		return nil
	}
	return c.confirm(cmd, yes, path+" is there, and no backup of tokendrop. Replace it?")
}

// isBackup tells whether a file begins as a backup does, of whichever version.
func isBackup(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // nothing is written
	_, err = dump.Summarize(f)
	return err == nil || errors.Is(err, dump.ErrVersion) || errors.Is(err, dump.ErrDamaged)
}

const (
	// abandoned is how long nobody has written to what a killed backup has left.
	abandoned = time.Hour
	// partDigits is less than nearly all numbers have that name a part, and more
	// than a date has.
	partDigits = 15
)

// removeParts removes what earlier backups to the path have left that were killed,
// as far as that can be done.
func removeParts(path string, now time.Time) {
	dir, name := filepath.Dir(path), filepath.Base(path)
	files, _ := os.ReadDir(dir)
	for _, f := range files {
		info, err := f.Info()
		if err == nil && isPart(f.Name(), name) && info.Mode().IsRegular() && now.Sub(info.ModTime()) > abandoned {
			_ = os.Remove(filepath.Join(dir, f.Name()))
		}
	}
}

// isPart tells whether a file is named as one that is to become another.
func isPart(file, name string) bool {
	number, ok := strings.CutPrefix(file, "."+name)
	return ok && len(number) >= partDigits && strings.Trim(number, "0123456789") == ""
}
