package daemon

import (
	"slices"
	"testing"

	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/daemon/verify"
)

// What waits for a restart is told by what the daemon was started with: not any
// more once the configuration is as it was.
func TestPostponed(t *testing.T) {
	address := func(text string) []config.Address { return []config.Address{{Network: "tcp", Address: text}} }
	started := &config.Config{Verify: config.Verify{Listen: address("127.0.0.1:7575")}}
	for name, c := range map[string]struct {
		change func(*config.Config)
		want   []string
	}{
		"nothing": {func(*config.Config) {}, nil},
		"gates":   {func(c *config.Config) { c.Verify.Gates = make([]verify.Gate, 2) }, nil},
		"drops":   {func(c *config.Config) { c.Drops = make([]config.Drop, 2) }, nil},
		"listen":  {func(c *config.Config) { c.Verify.Listen = address("127.0.0.1:7576") }, []string{"verify"}},
		"several": {func(c *config.Config) { c.Store.Path, c.Admin.Group, c.Tokens.Prefix = "/other", "ops", "acme" }, []string{"store", "tokens", "admin"}},
	} {
		next := *started
		c.change(&next)
		if got := postponed(started, &next); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
