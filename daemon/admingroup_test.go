package daemon

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"testing"

	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/provision"
)

// Nobody is bound by a policy and given the admin socket too.
func TestAdminGroup(t *testing.T) {
	own, err := user.LookupGroupId(strconv.Itoa(os.Getgid()))
	if err != nil {
		t.Skip("the test's group has no name")
	}
	for name, tt := range map[string]struct {
		group  string
		mode   fs.FileMode
		policy bool
		bad    bool
	}{
		"no group":              {"", 0o770, true, false},
		"its directory":         {own.Name, 0o770, true, true},
		"everybody's directory": {own.Name, 0o707, true, true},
		"it can only read":      {own.Name, 0o750, true, false},
		"no policy":             {own.Name, 0o770, false, false},
	} {
		dir := t.TempDir()
		if err := errors.Join(os.Chmod(dir, tt.mode), os.Chown(dir, -1, os.Getgid())); err != nil {
			t.Fatal(err)
		}
		cfg := &config.Config{Admin: config.Admin{Group: tt.group}, Drops: []config.Drop{{Name: "d", Path: dir}, {Name: "absent", Path: dir + "/absent"}}}
		for i := range cfg.Drops {
			if tt.policy {
				cfg.Drops[i].Rules.Policy = &provision.Policy{}
			}
		}
		err := checkAdminGroup(cfg)
		if _, ok := errors.AsType[*config.Error](err); ok != tt.bad || !ok && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if tt.bad && !strings.Contains(err.Error(), "chmod g-w "+dir) {
			t.Errorf("%s: %v does not say what to do", name, err)
		}
	}
	err = checkAdminGroup(&config.Config{Admin: config.Admin{Group: "no such group"}})
	if _, ok := errors.AsType[*config.Error](err); !ok {
		t.Errorf("a group that there is not: %v", err)
	}
}
