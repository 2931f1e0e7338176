package daemon

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/patches"
	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store/token"
)

// wallClock is the system's clock, set to another time. As when an operator or
// NTP does that, what has passed since a moment is told as before.
type wallClock struct{ by atomic.Int64 } // seconds

func (c *wallClock) set(to time.Time) {
	c.by.Store(int64(time.Until(to.Round(0)).Seconds()))
}

// now is the present with other bits for the wall than for what has passed:
// package time keeps the seconds in 33 of them, from the 30th on.
func (c *wallClock) now() time.Time {
	t := time.Now()
	*(*uint64)(unsafe.Pointer(&t)) += uint64(c.by.Load()) << 30
	return t
}

func TestWallClock(t *testing.T) {
	var c wallClock
	began := c.now()
	for _, to := range []time.Time{time.Date(2016, 2, 29, 0, 0, 0, 0, time.UTC), time.Date(2046, 1, 1, 0, 0, 0, 0, time.UTC)} {
		c.set(to)
		now := c.now()
		if off := now.Round(0).Sub(to); off < -2*time.Second || off > time.Minute {
			t.Errorf("the clock is at %v, set to %v", now, to)
		}
		if passed := now.Sub(began); passed < 0 || passed > time.Minute {
			t.Errorf("%v have passed", passed)
		}
	}
}

// clocked is a daemon whose clock is set by years, in both directions, while it
// runs and between two runs. It has a directory whose files stay and one whose
// files do not.
type clocked struct {
	*testing.T
	cfg   *config.Config
	clock wallClock
	zone  *time.Location
	admin *admin.Client
	http  *http.Client
	all   map[string]token.Token
	texts map[string]string // of the files that do not stay, by name
	stop  func()
}

func newClocked(t *testing.T) *clocked {
	c := &clocked{T: t, cfg: place(t), all: map[string]token.Token{}, texts: map[string]string{}}
	kept := c.cfg.Drops[0]
	kept.Name, kept.Path, kept.AfterApply = "kept", filepath.Dir(kept.Path)+"/kept", patches.Keep
	kept.Rules.Prune, kept.Rules.PruneLimit = provision.PruneDelete, provision.PruneLimit{Percent: 100}
	if err := os.Mkdir(kept.Path, 0o700); err != nil {
		t.Fatal(err)
	}
	c.cfg.Drops = append(c.cfg.Drops, kept)
	c.admin = admin.NewClient(c.cfg.Admin.Socket)
	c.http = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", c.cfg.Verify.Listen[0].Address)
	}}}
	c.stop = func() {}
	t.Cleanup(func() { c.stop() })
	return c
}

func (c *clocked) run() {
	c.Helper()
	c.stop = startWith(c, c.cfg, Options{Log: zerolog.Nop(), Now: func() time.Time { return c.clock.now().In(c.zone) }})
}

// put lays a manifest with one entry into a directory.
func (c *clocked) put(drop int, name, fields string) {
	c.Helper()
	_, tok := manifest(c, len(c.all))
	text := fmt.Sprintf("tokens:\n  - action: ensure\n    user: u\n    name: %s\n    key: %s\n    digest: %s\n%s", name, tok.Key, tok.Digest(), fields)
	c.all[name] = tok
	if drop == 0 {
		c.texts[name+".yaml"] = text
	}
	c.write(drop, name+".yaml", text)
}

func (c *clocked) write(drop int, name, text string) {
	c.Helper()
	if err := os.WriteFile(filepath.Join(c.cfg.Drops[drop].Path, name), []byte(text), 0o600); err != nil {
		c.Fatal(err)
	}
}

// again drops the files that do not stay once more, which changes nothing.
func (c *clocked) again() {
	c.Helper()
	var places []admin.Place
	for name, text := range c.texts {
		c.write(0, name, text)
		places = append(places, admin.Place{Dir: c.cfg.Drops[0].Name, Path: name})
	}
	looked, err := c.admin.Look(c.Context(), admin.Wanted{Places: places, Wait: true})
	if err != nil {
		c.Fatal(err)
	}
	for _, s := range looked.Seen {
		if s.Outcome != "installed" {
			c.Errorf("%s is %s: %v", s.Path, s.Outcome, s.Reasons)
		}
	}
}

// says is the answer to each token, and state the digest over all of them.
func (c *clocked) says() (answers map[string]string, state string) {
	c.Helper()
	answers = map[string]string{}
	for name, tok := range c.all {
		req, err := http.NewRequest(http.MethodGet, "http://tokendrop/verify", nil)
		if err != nil {
			c.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+tok.Reveal())
		resp, err := c.http.Do(req)
		if err != nil {
			c.Fatal(err)
		}
		_ = resp.Body.Close()
		answers[name] = resp.Header.Get("X-Token-Reason")
	}
	status, err := c.admin.Status(c.Context())
	if err != nil {
		c.Fatal(err)
	}
	return answers, status.Store.Digest
}

// unchanged expects each patch to have been applied once in the ledger, and then
// to have changed nothing; and numbers without gaps, whatever the times.
func (c *clocked) unchanged() {
	c.Helper()
	next, changed := uint64(1), 0
	for e, err := range c.admin.History(c.Context(), admin.EntryFilter{}) {
		if err != nil {
			c.Fatal(err)
		}
		if e.ID != next || e.Outcome != "installed" {
			c.Errorf("entry %d has the number %d and is %s: %s", next, e.ID, e.Outcome, e.Reason)
		}
		if next++; e.Changed {
			changed++
		}
	}
	if changed != len(c.all) {
		c.Errorf("%d patches have changed something, want %d", changed, len(c.all))
	}
}

// Clock steps of years in both directions and five time zones: the same manifests
// mean the same, and nothing is destroyed. Both while the daemon runs and between
// two runs.
func TestClockSteps(t *testing.T) {
	home := time.Date(2027, 6, 30, 12, 0, 0, 0, time.UTC)
	for _, zone := range []string{"UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Pago_Pago"} {
		t.Run(zone, func(t *testing.T) {
			c := newClocked(t)
			var err error
			if c.zone, err = time.LoadLocation(zone); err != nil {
				t.Fatal(err)
			}
			c.clock.set(home)
			for drop, prefix := range []string{"", "kept-"} {
				c.put(drop, prefix+"plain", "")
				c.put(drop, prefix+"date", "    expires_at: 2027-06-30\n    not_before: 2020-02-29\n")
				c.put(drop, prefix+"span", "    issued_at: 2027-06-01T02:00:00+02:00\n    expires_in: 30d\n")
			}
			c.run()
			c.walk(home)
		})
	}
}

// walk sets the clock to and fro, and comes home.
func (c *clocked) walk(home time.Time) {
	c.Helper()
	_, state := c.says()
	for _, at := range []struct {
		time              string
		plain, date, span string
	}{
		{"2027-06-30T12:00:00Z", "", "", ""},
		{"2027-06-30T23:59:00Z", "", "", ""},
		{"2027-07-01T00:00:30Z", "", "expired", "expired"},
		{"2046-01-01T00:00:00Z", "", "expired", "expired"},
		{"2016-02-29T12:00:00Z", "", "not_yet_valid", ""},
		{"2020-02-28T23:59:00Z", "", "not_yet_valid", ""},
		{"2020-02-29T00:00:30Z", "", "", ""},
		{"1975-01-01T00:00:00Z", "", "not_yet_valid", ""},
		{"2105-01-01T00:00:00Z", "", "expired", "expired"},
	} {
		to, err := time.Parse(time.RFC3339, at.time)
		if err != nil {
			c.Fatal(err)
		}
		c.clock.set(to)
		want := map[string]string{"plain": at.plain, "date": at.date, "span": at.span}
		for _, when := range []string{"while it runs", "at a start"} {
			if when != "while it runs" {
				c.stop()
				c.run()
			}
			got, _ := c.says()
			for name, reason := range want {
				if got[name] != reason || got["kept-"+name] != reason {
					c.Errorf("%s, set %s: %s is %q, kept %q, want %q", at.time, when, name, got[name], got["kept-"+name], reason)
				}
			}
			c.again()
		}
	}
	c.clock.set(home)
	c.again()
	c.unchanged()
	if _, now := c.says(); now != state {
		c.Error("the state is another one after the clock was set to and fro")
	}
}
