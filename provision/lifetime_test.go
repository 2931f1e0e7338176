package provision

import (
	"strings"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store"
)

const (
	mine     = "user: ci-a, name: n"
	tooLong  = "refused: policy: max_lifetime: "
	nineDays = 9 * 24 * time.Hour
)

// within tells whether got is what is wanted, or a refusal that begins so.
func within(got, want string) bool {
	return got == want || strings.HasPrefix(want, "refused: ") && strings.HasPrefix(got, want)
}

func tenDays(renew bool) Policy {
	return Policy{Users: []string{"ci-*"}, MaxLifetime: 10 * 24 * time.Hour, Renew: renew}
}

func TestMaxLifetimeNeedsAnExpiry(t *testing.T) {
	have := []string{"action: create, " + mine + ", expires_in: 5d, " + tok(0)}
	endless := []string{"action: create, " + mine + ", " + tok(0)}
	for _, a := range []attack{
		{name: "permitted", entries: []string{"action: create, " + mine + ", expires_in: 10d, " + tok(1)}, want: "created"},
		{name: "none", entries: []string{"action: create, " + mine + ", " + tok(1)}, want: tooLong},
		{name: "never", entries: []string{"action: create, " + mine + ", expires_at: never, " + tok(1)}, want: tooLong},
		{name: "unlimited", entries: []string{"action: create, " + mine + ", expires_in: unlimited, " + tok(1)}, want: tooLong},
		{name: "too long", entries: []string{"action: create, " + mine + ", expires_in: 11d, " + tok(1)}, want: tooLong},
		{name: "a second too long", entries: []string{"action: create, " + mine + ", expires_in: 864001s, " + tok(1)}, want: tooLong},
		{name: "too late", entries: []string{"action: create, " + mine + ", expires_at: 2026-06-11, " + tok(1)}, want: tooLong},
		{name: "issued in the future", entries: []string{"action: create, " + mine + ", issued_at: 2026-06-05, expires_in: 10d, " + tok(1)}, want: tooLong},
		{name: "issued in the past", entries: []string{"action: create, " + mine + ", issued_at: 2026-05-30, expires_at: 2026-06-10, " + tok(1)}, want: tooLong},
		{name: "issued long ago", entries: []string{"action: create, " + mine + ", issued_at: 2026-01-01, expires_in: 10d, " + tok(1)}, want: "created"},
		{name: "set never", have: have, entries: []string{"action: update, " + mine + ", set: {expires_at: never}"}, want: tooLong},
		{name: "set nothing", have: have, entries: []string{"action: update, " + mine + ", set: {expires_in: ''}"}, want: tooLong},
		{name: "ensure never", have: have, entries: []string{"action: ensure, " + mine + ", expires_at: never"}, want: tooLong},
		{name: "regenerate as never", have: have, entries: []string{"action: regenerate, " + mine + ", expires_at: never"}, want: tooLong},
		{name: "copy as never", have: have, entries: []string{"action: copy, user: ci-a, name: m, expires_at: never, from: {" + mine + "}"}, want: tooLong},
		{name: "regenerate what is endless", have: endless, entries: []string{"action: regenerate, " + mine}, want: tooLong},
		{name: "copy what is endless", have: endless, entries: []string{"action: copy, user: ci-a, name: m, from: {" + mine + "}"}, want: tooLong},
		{name: "enable what is endless", have: endless, entries: []string{"action: enable, " + mine}, want: tooLong},
		{name: "end what is endless", have: endless, entries: []string{"action: update, " + mine + ", set: {expires_in: 1d}"}, want: "updated"},
		{name: "delete what is endless", have: endless, entries: []string{"action: delete, " + mine}, want: "deleted"},
		{name: "all at once", have: endless, entries: []string{"action: update, user: ci-a, all: true, set: {active: false}"}, want: tooLong},
	} {
		a.policy = tenDays(false)
		t.Run(a.name, a.run)
	}
}

// Policies, invariant 4. Nine days after a token was made for ten, none of these makes it, or another
// one of its name, last longer.
func TestMaxLifetimeIsNotRestarted(t *testing.T) {
	const again = ", expires_in: 10d, "
	fresh := "action: create, " + mine + again + tok(1)
	away := "action: update, " + mine + ", set: {name: away}"
	for name, steps := range map[string][]string{
		"update":                        {"ci: action: update, " + mine + ", set: {expires_in: 10d}"},
		"update with its issue":         {"ci: action: update, " + mine + ", set: {issued_at: '2026-06-10T12:00:00Z', expires_in: 10d}"},
		"ensure":                        {"ci: action: ensure, " + mine + ", expires_at: 2026-06-19"},
		"ensure a fresh digest":         {"ci: action: ensure, " + mine + again + tok(1)},
		"ensure a second credential":    {"ci: action: ensure, " + mine + ", expires_in: 10d, credentials: [{" + tok(0) + "}, {" + tok(1) + "}]"},
		"regenerate":                    {"ci: action: regenerate, " + mine + ", expires_in: 10d"},
		"regenerate with its own":       {"ci: action: regenerate, " + mine + ", issued_at: '2026-06-10T12:00:00Z'" + again + tok(0)},
		"delete and create":             {"ci: action: delete, " + mine, "ci: " + fresh},
		"delete and create in a file":   {"ci: action: delete, " + mine + "}\n- {" + fresh},
		"delete elsewhere":              {"spool: action: delete, " + mine, "ci: " + fresh},
		"delete all":                    {"ci: action: delete, user: ci-a, all: true", "ci: " + fresh},
		"delete by key":                 {"ci: action: delete, " + key0, "ci: " + fresh},
		"revoke":                        {"ci: action: revoke, " + mine, "ci: " + fresh},
		"delete and ensure":             {"ci: action: delete, " + mine, "ci: action: ensure, " + mine + again + tok(0)},
		"delete twice":                  {"ci: action: delete, " + mine, "spool: " + fresh, "spool: action: delete, " + mine, "ci: " + fresh},
		"rename away":                   {"ci: " + away, "ci: " + fresh},
		"rename away elsewhere":         {"spool: " + away, "ci: " + fresh},
		"rename away and extend":        {"ci: " + away, "ci: action: update, user: ci-a, name: away, set: {expires_in: 10d}"},
		"rename and extend":             {"ci: action: update, " + mine + ", set: {name: away, expires_in: 10d}"},
		"rename away and back":          {"ci: " + away, "ci: action: update, user: ci-a, name: away, set: {name: n, expires_in: 10d}"},
		"rename away, delete it there":  {"ci: " + away, "ci: action: delete, user: ci-a, name: away", "ci: action: create, user: ci-a, name: away" + again + tok(1)},
		"to another user":               {"ci: action: update, " + mine + ", set: {user: ci-b}", "ci: action: update, user: ci-b, name: n, set: {expires_in: 10d}"},
		"to another user and back":      {"spool: action: update, " + mine + ", set: {user: root}", "spool: action: update, user: root, name: n, set: {user: ci-a}", "ci: action: update, " + mine + ", set: {expires_in: 10d}"},
		"create elsewhere, rename here": {"ci: action: delete, " + mine, "ci: action: create, user: ci-a, name: m" + again + tok(1), "ci: action: update, user: ci-a, name: m, set: {name: n}"},
		"anew, rename and extend":       {"ci: action: delete, " + mine, "ci: action: create, " + mine + ", expires_in: 1d, " + tok(1), "ci: action: update, " + mine + ", set: {name: m, expires_in: 10d}"},
		"anew, rename, and extend":      {"ci: action: delete, " + mine, "ci: action: create, " + mine + ", expires_in: 1d, " + tok(1), "ci: action: update, " + mine + ", set: {name: m}", "ci: action: update, user: ci-a, name: m, set: {expires_in: 10d}"},
		"copy over itself":              {"spool: action: copy, user: ci-a, name: m, from: {" + mine + "}", "ci: action: delete, " + mine, "ci: action: copy, " + mine + ", from: {user: ci-a, name: m}, expires_in: 10d"},
	} {
		t.Run(name, func(t *testing.T) {
			w := policed(t, tenDays(false))
			if got := w.in(entry("action: create, " + mine + again + tok(0))); got != "created" {
				t.Fatal(got)
			}
			w.now = w.now.Add(nineDays)
			for i, step := range steps {
				dir, text, _ := strings.Cut(step, ": ")
				got := "done"
				if _, problems := w.applyIn(dir, entry(text)); len(problems) > 0 {
					got = "refused: " + problems[0].Text
				}
				want := "done"
				if i == len(steps)-1 {
					want = tooLong
				}
				if !within(got, want) {
					t.Errorf("step %d, %s: %s, want %s", i, step, got, want)
				}
			}
		})
	}
}

// What a rename brings along makes no first issue later that is known of the new
// name.
func TestFirstIssueOfBothNames(t *testing.T) {
	w := policed(t, tenDays(false))
	other := "user: ci-a, name: other"
	for _, name := range []string{other, mine} {
		w.must(entries("action: create, "+name+", expires_in: 10d, "+tok(0), "action: delete, "+key0))
		w.now = w.now.Add(nineDays / 2)
	}
	w.must(entries("action: create, "+mine+", expires_in: 1h, "+tok(0), "action: update, "+mine+", set: {name: other}"))
	if got := w.in(entry("action: update, " + other + ", set: {expires_in: 2d}")); !within(got, tooLong) {
		t.Error(got)
	}
	if got := w.in(entry("action: update, " + other + ", set: {expires_in: 1d}")); got != "updated" {
		t.Error(got)
	}
}

// An issue that was stated in the past is not forgotten when a later one is
// stated, in whatever directory.
func TestMaxLifetimeCountsFromTheFirstStatedIssue(t *testing.T) {
	w := policed(t, tenDays(false))
	w.must(entry("action: create, " + mine + ", issued_at: 2026-05-25, expires_in: 10d, " + tok(0)))
	w.must(entry("action: update, " + mine + ", set: {issued_at: 2026-06-01}"))
	if got := w.in(entry("action: update, " + mine + ", set: {expires_at: 2026-06-04}")); !within(got, tooLong) {
		t.Error(got)
	}
	if got := w.in(entry("action: update, " + mine + ", set: {expires_at: 2026-06-02}")); got != "updated" {
		t.Error(got)
	}
}

// A policy that is configured later counts as well: the token tells when it was
// made, whatever has been done to it since.
func TestMaxLifetimeCountsFromBeforeThePolicy(t *testing.T) {
	w := policed(t, Policy{})
	w.must(entry("action: create, " + mine + ", expires_in: 10d, " + tok(0)))
	w.now = w.now.Add(nineDays)
	w.must(entry("action: regenerate, " + mine))
	p := tenDays(false)
	w.settings.Rules["ci"] = Rules{Policy: &p}
	if got := w.in(entry("action: update, " + mine + ", set: {expires_in: 2d}")); !within(got, tooLong) {
		t.Error(got)
	}
}

// With renew, a new secret has a lifetime of its own, and nothing else has.
func TestMaxLifetimeRenews(t *testing.T) {
	for fields, want := range map[string]string{
		"action: regenerate, " + mine + ", expires_in: 10d":                                                   "updated",
		"action: ensure, " + mine + ", expires_in: 10d, " + tok(1):                                            "updated",
		"action: update, " + mine + ", set: {expires_in: 10d}":                                                tooLong,
		"action: update, " + mine + ", set: {issued_at: '2026-06-10T12:00:00Z', expires_in: 10d}":             tooLong,
		"action: regenerate, " + mine + ", issued_at: '2026-06-10T12:00:00Z', expires_in: 10d, " + tok(0):     tooLong,
		"action: regenerate, " + mine + ", issued_at: '2026-06-20T12:00:00Z', expires_in: 10d":                tooLong,
		"action: delete, " + mine + "}\n- {action: create, " + mine + ", expires_in: 10d, " + tok(1):          "deleted created",
		"action: update, " + mine + ", set: {expires_in: 12h}":                                                "updated",
		"action: regenerate, " + mine + ", expires_in: 11d":                                                   tooLong,
		"action: regenerate, " + mine + ", generation: 9, expires_in: 10d":                                    "updated",
		"action: update, " + mine + ", set: {issued_at: '2026-06-10T12:00:00Z'}":                              tooLong,
		"action: update, " + mine + ", set: {issued_at: '2026-05-31T12:00:00Z'}":                              tooLong,
		"action: update, " + mine + ", set: {issued_at: '2026-05-31T12:00:00Z', expires_in: 10d}":             "updated",
		"action: ensure, " + mine + ", issued_at: '2026-06-10T12:00:00Z', expires_at: '2026-06-12T00:00:00Z'": tooLong,
		"action: ensure, " + mine + ", issued_at: '2026-06-10T12:00:00Z', expires_at: '2026-06-11T12:00:00Z'": tooLong,
		"action: ensure, " + mine + ", issued_at: '2026-06-01T12:00:00Z', expires_at: '2026-06-11T12:00:00Z'": "unchanged",
		"action: copy, user: ci-a, name: m, expires_in: 10d, from: {" + mine + "}":                            "created",
		"action: update, " + mine + ", set: {name: m, issued_at: '2026-06-10T12:00:00Z', expires_in: 10d}":    tooLong,
		"action: enable, " + mine: "unchanged",
	} {
		w := policed(t, tenDays(true))
		if got := w.in(entry("action: create, " + mine + ", expires_in: 10d, " + tok(0))); got != "created" {
			t.Fatal(got)
		}
		w.now = w.now.Add(nineDays)
		if got := w.in(entry(fields)); !within(got, want) {
			t.Errorf("%s: %s, want %s", fields, got, want)
		}
	}
}

// With renew, an issue that is stated and was none does not let a secret last
// longer either, however many manifests it takes.
func TestMaxLifetimeRenewsForIssuesOnly(t *testing.T) {
	const again = "action: update, " + mine + ", set: {expires_in: 10d}"
	for name, steps := range map[string][]string{
		"stated by an update":       {"action: update, " + mine + ", set: {issued_at: '2026-06-10T12:00:00Z'}", again},
		"stated by an ensure":       {"action: ensure, " + mine + ", issued_at: '2026-06-10T12:00:00Z'", again},
		"stated by a regenerate":    {"action: regenerate, " + mine + ", issued_at: '2026-06-10T12:00:00Z', " + tok(0), again},
		"stated in advance":         {"action: update, " + mine + ", set: {issued_at: 2026-06-30}", again},
		"made to be in the future":  {"action: regenerate, " + mine + ", issued_at: 2026-06-30, expires_at: 2026-06-10", again},
		"renamed, and stated there": {"action: update, " + mine + ", set: {name: m, issued_at: '2026-06-10T12:00:00Z'}", "action: update, user: ci-a, name: m, set: {expires_in: 10d}"},
	} {
		w := policed(t, tenDays(true))
		if got := w.in(entry("action: create, " + mine + ", expires_in: 10d, " + tok(0))); got != "created" {
			t.Fatal(got)
		}
		w.now = w.now.Add(nineDays)
		for i, step := range steps {
			if got := w.in(entry(step)); !within(got, tooLong) && i == 0 {
				t.Errorf("%s, %s: %s", name, step, got)
			}
		}
		for rec := range w.index.Tokens() {
			if end := w.now.Add(24 * time.Hour); rec.ExpiresAt.After(end) {
				t.Errorf("%s: it expires at %s, and was to at %s", name, rec.ExpiresAt, end)
			}
		}
	}
}

// First issues are remembered for those alone of whom a lifetime counts from
// there.
func TestFirstIssuesAreKeptWhereTheyCount(t *testing.T) {
	for name, tt := range map[string]struct {
		policy Policy
		user   string
		want   bool
	}{
		"counted":           {tenDays(false), "ci-a", true},
		"another user":      {tenDays(false), "root", false},
		"renewed":           {tenDays(true), "ci-a", false},
		"any user":          {Policy{MaxLifetime: time.Hour}, "root", true},
		"no lifetime":       {byUsers, "ci-a", false},
		"no user at all":    {Policy{Users: []string{}, MaxLifetime: time.Hour}, "ci-a", false},
		"one of two counts": {Policy{Users: []string{"x", "ci-a"}, MaxLifetime: time.Hour}, "ci-a", true},
	} {
		w := policed(t, tt.policy)
		id := store.FirstIssueID(store.Name{User: tt.user, Name: "n"})
		w.must(entries("action: create, user: "+tt.user+", name: n, "+tok(0), "action: delete, "+key0))
		if m, kept := w.index.Mark(id); kept != tt.want || kept && !store.TimeOf(m.Value).Equal(w.now) {
			t.Errorf("%s: kept %v as %q", name, kept, m.Value)
		}
	}
}

// What cannot be read in the store forbids rather than permits.
func TestUnreadableFirstIssue(t *testing.T) {
	if got := store.TimeOf("x"); !got.IsZero() {
		t.Errorf("the time is %v", got)
	}
	at := time.Date(1960, 1, 2, 3, 4, 5, 6e6, time.UTC)
	if got := store.TimeOf(store.TimeValue(at)); !got.Equal(at) {
		t.Errorf("%v has become %v", at, got)
	}
}

// The largest patch fits into a transaction with all that it has to remember.
func TestLargestRevocationFits(t *testing.T) {
	b := newBench(t)
	p := tenDays(false)
	b.Configure(Settings{Rules: map[string]Rules{"ci": {Policy: &p}}})
	lines := func(line string) string { return "tokens:\n" + manyLines(maxEntries, line) }
	for i, text := range []string{
		lines("- {action: create, user: ci-a, name: n%d, credentials: [{generate: true}, {generate: true}]}\n"),
		lines("- {action: revoke, user: ci-a, name: n%d}\n"),
	} {
		if got := b.outcomes(patch(byte(i+1), text)); got != "installed" {
			t.Fatalf("%d: %s", i, got)
		}
	}
}
