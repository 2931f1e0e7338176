package daemon

import (
	"os/user"
	"strconv"
	"strings"

	"github.com/tokendrop/tokendrop/daemon/config"
)

// strangers are the users and groups, as "group:NAME", that the configuration
// lets put files into a drop directory and that are not known here. That is no
// reason to stop: a user may come with another package, or from a directory
// service that is not up yet, and until then what is meant for him is refused.
func strangers(d *config.Drop) (names []string) {
	listed := d.DirOwners
	if policy := d.Rules.Policy; policy != nil {
		listed = append(listed[:len(listed):len(listed)], policy.Owners...)
	}
	for _, name := range listed {
		if !isKnown(name) {
			names = append(names, name)
		}
	}
	return names
}

// isKnown tells whether a user, or "group:NAME", is there. One that is named by
// number need not be.
func isKnown(owner string) bool {
	name, isGroup := strings.CutPrefix(owner, "group:")
	_, err := strconv.ParseUint(name, 10, 32)
	switch {
	case err == nil:
	case isGroup:
		_, err = user.LookupGroup(name)
	default:
		_, err = user.Lookup(name)
	}
	return err == nil
}

// warnOfStrangers says in the log whom the configuration names in vain.
func (d *daemon) warnOfStrangers(cfg *config.Config) {
	for i := range cfg.Drops {
		if names := strangers(&cfg.Drops[i]); names != nil {
			d.Log.Warn().Str("drop", cfg.Drops[i].Name).Strs("names", names).
				Msg("dir_owners or the policy's owners name users or groups that are not known here")
		}
	}
}
