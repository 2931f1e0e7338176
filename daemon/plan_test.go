package daemon

import (
	"strings"
	"testing"

	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/provision"
)

// A plan for an empty store needs nothing that the configuration names, and
// heeds all that it says.
func TestPlanAnew(t *testing.T) {
	cfg := config.Default()
	cfg.Store.Path = "/nowhere/store"
	cfg.Tokens.PepperFiles = []string{"/nowhere/pepper"}
	cfg.Tokens.Imports = map[string]string{"strapi": "/nowhere/salt"}
	cfg.Drops[0].Rules.Policy = &provision.Policy{Users: []string{"ci-*"}}
	const imported = "tokens: [{action: create, user: ci-a, name: n, type: read-only, digest: \"hmac-sha512:strapi:"
	for name, c := range map[string]struct{ text, want string }{
		"made":     {"tokens: [{action: create, user: ci-a, name: n, generate: true}]", "created"},
		"imported": {imported + strings.Repeat("0a", 64) + "\"}]", "created"},
		"policy":   {"tokens: [{action: create, user: u, name: n, generate: true}]", "policy:"},
		"nothing":  {"tokens: [{action: update, user: ci-a, name: n, set: {active: false}}]", "there is no such token"},
	} {
		plans, err := PlanAnew(t.Context(), cfg, []admin.Manifest{{Dir: "spool", Path: "x.yaml", Data: []byte(c.text)}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range plans[0].Problems {
			got = append(got, p.Message)
		}
		for _, s := range plans[0].Steps {
			got = append(got, s.Result)
		}
		if len(got) != 1 || !strings.Contains(got[0], c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
