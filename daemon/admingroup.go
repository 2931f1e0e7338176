package daemon

import (
	"errors"
	"fmt"
	"os/user"

	"github.com/tokendrop/tokendrop/daemon/config"
)

// checkAdminGroup refuses a group of the admin socket that can also write to a
// drop directory with a policy: whoever may give orders is bound by no policy,
// so that it would bind nobody. A directory that is not there is nobody's. Nor
// may there be no such group. Its error is a *config.Error, or that the groups
// cannot be looked up.
func checkAdminGroup(cfg *config.Config) error {
	if cfg.Admin.Group == "" {
		return nil
	}
	gid, err := groupID(cfg.Admin.Group)
	if _, ok := errors.AsType[user.UnknownGroupError](err); ok {
		return &config.Error{Problems: []config.Problem{{Place: config.Place{Source: cfg.File}, Text: fmt.Sprintf(
			"admin.group: there is no group %q on this machine: create it, or name another one", cfg.Admin.Group)}}}
	}
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
