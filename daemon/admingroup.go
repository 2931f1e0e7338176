package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/tokendrop/tokendrop/daemon/config"
)

// Bits of a directory's mode that let somebody put files into it.
const (
	groupWrites fs.FileMode = 0o020
	otherWrites fs.FileMode = 0o002
)

// checkAdminGroup refuses a group of the admin socket that can also write to a
// drop directory with a policy: whoever may give orders is bound by no policy,
// so that it would bind nobody. A directory that is not there is nobody's. Its
// error is a *config.Error, or that there is no such group.
func checkAdminGroup(cfg *config.Config) error {
	if cfg.Admin.Group == "" {
		return nil
	}
	gid, err := groupID(cfg.Admin.Group)
	if err != nil {
		return fmt.Errorf("opening the admin socket to its group: %w", err)
	}
	var problems []config.Problem
	for _, d := range cfg.Drops {
		if d.Rules.Policy != nil && groupCanWrite(d.Path, gid) {
			problems = append(problems, config.Problem{Place: config.Place{Source: cfg.File}, Text: fmt.Sprintf(
				"admin.group: this group can also write to %s, whose policy would not bind it: name another group, or run chmod g-w %[1]s", d.Path)})
		}
	}
	if problems == nil {
		return nil
	}
	return &config.Error{Problems: problems}
}

// groupCanWrite tells whether the members of a group can put files into a
// directory, as far as its mode says.
func groupCanWrite(path string, gid int) bool {
	info, err := os.Stat(path)
	if err != nil || readOnly(path) {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && (info.Mode()&otherWrites != 0 || info.Mode()&groupWrites != 0 && int(st.Gid) == gid)
}

// readOnly tells whether a directory lies on a mount that nobody can write to.
func readOnly(path string) bool {
	const writes = 2 // W_OK of access(2)
	return errors.Is(syscall.Access(path, writes), syscall.EROFS)
}
