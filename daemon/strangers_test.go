package daemon

import (
	"os/user"
	"slices"
	"testing"

	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/provision"
)

// Whoever is named and not there is told of, and nobody else.
func TestStrangers(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		t.Fatal(err)
	}
	d := config.Drop{DirOwners: []string{me.Username, "group:" + group.Name, "no-such-user", "12345", "group:12345"}}
	if got, want := strangers(&d), []string{"no-such-user"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	d.Rules.Policy = &provision.Policy{Owners: []string{"group:no-such-group", me.Username}}
	if got, want := strangers(&d), []string{"no-such-user", "group:no-such-group"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := strangers(&config.Drop{}); got != nil {
		t.Errorf("%q, and nobody is named", got)
	}
}
