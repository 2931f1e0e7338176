package provision

import (
	"strings"
	"testing"
	"time"
)

// Each warning where it is due, and none where it is not.
func TestWarn(t *testing.T) {
	const stated = "key: " + realKey + ", digest: '" + realDigest + "'"
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for entry, want := range map[string]string{
		"action: create, user: u, name: n, " + stated + ", expires_at: 2026-06-01":                                       "",
		"action: create, user: u, name: n, " + stated + ", expires_at: 2026-05-31":                                       "2:156 past",
		"action: ensure, user: u, name: n, expires_at: 2026-06-01T12:00:00Z":                                             "2:50 past",
		"action: ensure, user: u, name: n, expires_at: 2026-06-01T12:00:00.001Z":                                         "",
		"action: create, user: u, name: n, " + stated + ", expires_in: 30d":                                              "",
		"action: create, user: u, name: n, " + stated + ", expires_in: 30d, issued_at: 2026-01-01":                       "2:156 past",
		"action: create, user: u, name: n, " + stated:                                                                    "2:3 forever",
		"action: create, user: u, name: n, " + stated + ", expires_at: never":                                            "2:3 forever",
		"action: create, user: u, name: n, " + stated + ", expires_in: unlimited, type: full-access":                     "2:3 forever",
		"action: create, user: u, name: n, " + stated + ", type: read-only":                                              "",
		"action: create, user: u, name: n, generate: true, type: read-only":                                              "2:48 unseen",
		"action: create, user: u, name: n, generate: true":                                                               "2:3 forever; 2:48 unseen",
		"action: create, user: u, name: n, type: read-only, token: " + realToken:                                         "2:62 literal",
		"action: ensure, user: u, name: n":                                                                               "",
		"action: ensure, user: u, name: n, " + stated:                                                                    "2:3 forever",
		"action: ensure, user: u, name: n, expires_at: never":                                                            "",
		"action: ensure, user: u, name: n, expires_at: never, type: full-access":                                         "2:3 forever",
		"action: ensure, user: u, name: n, type: read-only, credentials: [{token: " + realToken + "}, {generate: true}]": "2:77 literal; 2:124 unseen",
		"action: update, user: u, name: n, set: {expires_at: never}":                                                     "",
		"action: update, user: u, name: n, set: {expires_at: '', type: full-access}":                                     "2:43 forever",
		"action: update, user: u, name: n, set: {expires_at: 2026-05-31}":                                                "2:56 past",
		"action: update, user: u, name: n, set: {labels: {token: x}}":                                                    "",
		"action: regenerate, user: u, name: n":                                                                           "2:3 unseen",
		"action: regenerate, user: u, name: n, token: " + realToken:                                                      "2:49 literal",
		"action: copy, user: u, name: n, from: {key: " + realKey + "}":                                                   "2:3 unseen",
		"action: revoke, token: " + realToken:                                                                            "2:27 literal",
		"action: create, user: u, name: n, type: read-only, token: " + opaqueToken:                                       "2:62 literal; 2:62 opaque",
		"action: create, user: u, name: n, type: read-only, digest: '" + realDigest + "'":                                "2:63 no key",
		"action: regenerate, user: u, name: n, digest: '" + realDigest + "'":                                             "2:50 no key",
		"action: regenerate, key: " + realKey + ", digest: '" + realDigest + "'":                                         "",
		"action: create, user: u, name: n, type: read-only, token_file: /s/a":                                            "",
		"action: create, user: u, name: n, type: read-only, token_env: A":                                                "",
		"action: revoke, token_file: /s/a":                                                                               "",
		"action: create, user: u, name: n, type: read-only, generate: true, write_to: {path: /o/a}":                      "",
		"action: regenerate, user: u, name: n, write_to: {path: /o/a, mode: '0644'}":                                     "2:52 others",
		"action: delete, user: u, name: n":                                                                               "",
	} {
		m, problems := Decoder{}.Decode("x.yaml", []byte("tokens:\n- {"+entry+"}\n"))
		if len(problems) > 0 {
			t.Errorf("%s\nis wrong by itself: %v", entry, problems)
			continue
		}
		var got []string
		for _, w := range Warn(m, now) {
			got = append(got, w.Pos.String()+" "+warningName(w.Text))
		}
		if got := strings.Join(got, "; "); got != want {
			t.Errorf("%s\n got %s\nwant %s", entry, got, want)
		}
	}
}

func warningName(text string) string {
	return map[string]string{
		warnLiteral: "literal", warnUnseen: "unseen", warnOthers: "others", warnForEver: "forever", warnPast: "past",
		warnOpaque: "opaque", warnNoKey: "no key",
	}[text]
}

// However much there is to warn of, what the daemon logs of a file is bounded.
func TestWarnBounded(t *testing.T) {
	m, problems := Decoder{}.Decode("x.yaml", []byte("action: create\ntokens:\n"+strings.Repeat("- {user: u, name: n, generate: true}\n", maxEntries)))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	warnings := Warn(m, time.Time{})
	if last := warnings[len(warnings)-1]; len(warnings) != maxProblems+1 || last.Text != "and 19900 more" {
		t.Errorf("%d warnings, the last one %q", len(warnings), last.Text)
	}
}

// Only what was applied is warned of: what is wrong has its problems.
func TestWarningsOfPatches(t *testing.T) {
	b := newBench(t)
	results, err := b.Apply(t.Context(), []Patch{
		patch(1, creates("a")),
		patch(2, creates("b")+"  nonsense: x\n"),
		patch(3, "# nothing\n"),
		patch(4, entry("action: update, user: u, name: missing, set: {type: full-access, expires_at: never}")),
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{2, 0, 0, 0} {
		if got := len(results[i].Warnings); got != want {
			t.Errorf("patch %d (%s): %d warnings, want %d", i+1, results[i].Outcome, got, want)
		}
	}
}
