package faults

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tokendrop/tokendrop/daemon/admin"
)

// The same manifest makes the same tokens on hosts of every time zone. TestClockSteps
// of package daemon sets the clock too.
func TestZones(t *testing.T) {
	entry, text := mint()
	dates := "tokens:\n- {action: create, user: u, name: a, " + entry + ", not_before: 2020-02-29, issued_at: 2026-02-28}\n" +
		"- {action: create, user: u, name: b, key: 9201cd9b-4e62-415e-b523-e198dd7e4756, " +
		"digest: \"sha256:pZGBhjBhSAQOa04eTub/IONhsLhCetBU0IWh7MZOgT0=\", expires_at: 2026-01-01}\n"
	digests := map[string]string{}
	for _, zone := range []string{"UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Pago_Pago"} {
		t.Setenv("TZ", zone)
		m := newMachine(t, &tally{})
		m.furnish()
		if err := os.WriteFile(filepath.Join(m.root, beside, "dates.yaml"), []byte(dates), 0o600); err != nil {
			t.Fatal(err)
		}
		m.mustStart(nil)
		status, err := m.admin.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		said, err := m.verify(text)
		if err != nil || said != "200 " || status.Store.Tokens[admin.Expired] != 1 {
			t.Errorf("%s: the gate says %q, %v; tokens: %v", zone, said, err, status.Store.Tokens)
		}
		digests[status.Store.Digest] = zone
		m.kill()
	}
	if len(digests) != 1 {
		t.Errorf("the states differ: %v", digests)
	}
}
