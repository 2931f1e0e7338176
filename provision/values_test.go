package provision

import (
	"testing"
	"time"
	"unicode"
)

// decode is for manifests that are right.
func decode(t *testing.T, yaml string) *Manifest {
	t.Helper()
	m, problems := Decoder{}.Decode("x.yaml", []byte(yaml))
	if len(problems) > 0 {
		t.Fatalf("%s", lines("x.yaml", problems))
	}
	return m
}

func TestTimes(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2027, 12, d, 0, 0, 0, 0, time.UTC) }
	for text, want := range map[string]struct{ at, end time.Time }{
		"2027-12-30":                      {day(30), day(31)},
		"2027-12-30T00:00:00Z":            {day(30), day(30)},
		"2027-12-30 02:00:00+02:00":       {day(30), day(30)},
		"2027-12-29T23:59:60.0Z":          {},
		"2027-12-30T00:00:00.000999999Z":  {day(30), day(30)},
		"2027-12-30T00:00:00.0019-00:00":  {day(30).Add(time.Millisecond), day(30).Add(time.Millisecond)},
		"1970-01-01":                      {time.Unix(0, 0).UTC(), time.Unix(86400, 0).UTC()},
		"1970-01-01T00:00:00+00:01":       {},
		"9999-12-31T23:59:59-00:01":       {},
		"2027-12-30T00:00:00":             {},
		"2027-12-30T00:00:00z":            {},
		"2027-12-30t00:00:00Z":            {},
		"2027-12-30T00:00:00,5Z":          {},
		"2027-12-30T00:00:00.Z":           {},
		"2027-12-30T0:00:00Z":             {},
		"2027-12-30T00:00:00+0100":        {},
		"2027-12-30T00:00:00+24:00":       {},
		"2027-12-30T00:00:00Z ":           {},
		"+2027-12-30":                     {},
		"2027-02-29":                      {},
		"today":                           {},
		"٢٠٢٧-12-30":                      {},
		"2027-12-30\n":                    {},
		"":                                {},
		"2027-12-30T00:00:00+01:00[Zone]": {},
	} {
		for end, want := range map[bool]time.Time{false: want.at, true: want.end} {
			got, problem := instant(text, end)
			switch {
			case want.IsZero() && problem == "":
				t.Errorf("%q: accepted as %v", text, got)
			case !want.IsZero() && (problem != "" || got != want):
				t.Errorf("%q, end %v: %v %s, want %v", text, end, got, problem, want)
			}
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1s": time.Second, "90m": 90 * time.Minute, "5h": 5 * time.Hour, "007d": 7 * 24 * time.Hour,
		"106751d": 106751 * 24 * time.Hour, "106752d": 0, "9223372036s": 9223372036 * time.Second, "9223372037s": 0,
		"18446744073709551617s": 0, "0s": 0, "": 0, "d": 0, "1": 0, "-1d": 0, "+1d": 0, "1.5h": 0, "1w": 0, "1h30m": 0, "1 d": 0, "1D": 0,
		"unlimited": 0, "1d\n": 0, "１d": 0,
	} {
		got, problem := duration(text)
		if got != want || (problem == "") != (want > 0) {
			t.Errorf("%q = %v, %q; want %v", text, got, problem, want)
		}
	}
}

// What a key means depends on what stands beside it.
func TestKeyAndCredential(t *testing.T) {
	const named = "user: a, name: b, "
	const key = "key: " + realKey + ", "
	for name, tt := range map[string]struct {
		entry               string
		selects, cred, hold bool // Key.OK; a stated source, and one with a key
	}{
		"create digest":              {"action: create, " + named + key + "digest: '" + realDigest + "'", false, true, true},
		"create token":               {"action: create, " + named + "token: " + realToken, false, true, true},
		"create token and key":       {"action: create, " + named + key + "token: " + realToken, false, true, true},
		"create generate":            {"action: create, " + named + "generate: true", false, false, false},
		"ensure digest":              {"action: ensure, " + named + key + "digest: '" + realDigest + "'", true, true, true},
		"ensure token":               {"action: ensure, " + named + "token: " + realToken, false, true, true},
		"ensure token and key":       {"action: ensure, " + key + "token: " + realToken, true, true, true},
		"ensure without source":      {"action: ensure, " + named + key, true, false, false},
		"ensure generate":            {"action: ensure, " + key + "generate: true", true, false, false},
		"regenerate":                 {"action: regenerate, " + key, true, false, false},
		"regenerate digest by key":   {"action: regenerate, " + key + "digest: '" + realDigest + "'", true, true, false},
		"regenerate digest by name":  {"action: regenerate, " + named + "digest: '" + realDigest + "'", false, true, false},
		"regenerate digest and key":  {"action: regenerate, " + named + key + "digest: '" + realDigest + "'", false, true, true},
		"regenerate token by name":   {"action: regenerate, " + named + "token: " + realToken, false, true, true},
		"regenerate token by key":    {"action: regenerate, " + key + "token: " + realToken, true, true, true},
		"regenerate token, all":      {"action: regenerate, " + named + key + "token: " + realToken, false, true, true},
		"regenerate by key and name": {"action: regenerate, " + named + key, true, false, false},
		"delete":                     {"action: delete, " + named + key, true, false, false},
		"copy":                       {"action: copy, " + named + "from: {" + key + "}", false, false, false},
		"copy generate":              {"action: copy, " + named + "generate: true, from: {" + key + "}", false, false, false},
		"revoke":                     {"action: revoke, " + key, true, false, false},
		"revoke by name":             {"action: revoke, " + named, false, false, false},
		"revoke token":               {"action: revoke, token: " + realToken, true, false, false},
		"revoke token, all":          {"action: revoke, " + named + key + "token: " + realToken, true, false, false},
		"revoke digest":              {"action: revoke, " + key + "digest: '" + realDigest + "'", true, false, false},
		"create credentials":         {"action: create, " + named + "credentials: [{" + key + "digest: '" + realDigest + "'}]", false, true, true},
		"create credentials token":   {"action: create, " + named + "credentials: [{token: " + realToken + "}]", false, true, true},
		"ensure credentials by key":  {"action: ensure, " + key + "credentials: [{token: " + realToken + "}]", true, true, true},
	} {
		e := decode(t, "tokens: [{"+tt.entry+"}]").Entries[0]
		var c Credential
		stated := len(e.Sources) == 1 && !e.Sources[0].Generate
		if len(e.Sources) == 1 {
			c = e.Sources[0].Credential
		}
		if e.Key.OK != tt.selects || stated != tt.cred || c.HasKey != tt.hold {
			t.Errorf("%s: Key %v, sources %+v", name, e.Key.OK, e.Sources)
		}
		if tt.hold && c.Key.String() != realKey || tt.cred && c.Digest.String() != realDigest {
			t.Errorf("%s: another credential", name)
		}
		if tt.selects && e.Key.Value.String() != realKey {
			t.Errorf("%s: another key", name)
		}
		if (e.Action == Regenerate || e.Action == Copy) && len(e.Sources) != 1 {
			t.Errorf("%s: nothing is generated", name)
		}
	}
}

func TestSetClears(t *testing.T) {
	for _, set := range []string{"expires_at: '', not_before: ''", "expires_at: never, not_before: never", "expires_in: unlimited, not_before: never", "expires_in: '', not_before: ''"} {
		s := decode(t, "tokens: [{action: update, key: "+realKey+", set: {description: '', "+set+"}}]").Entries[0].Set.Value
		if !s.Expiry.OK || s.Expiry.Value != (Expiry{}) || !s.NotBefore.OK || !s.NotBefore.Value.IsZero() || !s.Description.OK || s.Description.Value != "" {
			t.Errorf("%s: %+v", set, s)
		}
		if s.IssuedAt.OK || s.Active.OK || s.User.OK || s.Name.OK {
			t.Errorf("%s: states what it does not", set)
		}
	}
}

func TestNearest(t *testing.T) {
	for word, want := range map[string]string{
		"usr": "user", "uesr": "user", "User": "user", "expires-at": "expires_at", "expiresAt": "expires_at", "expire_at": "expires_at",
		"issued": "issued_at", "kye": "key", "ke": "key", "x": "", "": "", "colour": "", "tokenfile": "token_file", "writeTo": "write_to",
		"scope": "scopes", "scopesets": "scope_sets", "allowedIPs": "allowed_ips", "label": "labels", "typ": "type", "credential": "credentials",
		"olderThan": "older_than", "form": "from", "graze": "grace", "al": "all",
	} {
		if got := Nearest(word, entryKeys); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

// Invariant 3: what may be a secret is not shown.
func TestShown(t *testing.T) {
	for key, want := range map[string]string{
		"colour": ` "colour"`, "older_than": ` "older_than"`, "a1": ` "a1"`, "": "", "Colour": "", "a b": "", "ä": "", "a\nb": "",
		"0123456789abcdef": "", "abcdefghijklmnopqrstuvwxyzabcdef": ` "abcdefghijklmnopqrstuvwxyzabcdef"`, "abcdefghijklmnopqrstuvwxyzabcdefg": "",
		realToken: "", realKey: "",
	} {
		if got := shown(key); got != want {
			t.Errorf("shown(%q) = %s, want %s", key, got, want)
		}
	}
}

// Places are counted in characters, whatever is asked for in which order.
func TestLocator(t *testing.T) {
	text := "äb\r\n\tc\n\nü"
	for _, from := range []int{0, 3, len(text)} {
		for off, want := range map[int]Pos{0: {1, 1}, 2: {1, 2}, 5: {2, 1}, 6: {2, 2}, 8: {3, 1}, 9: {4, 1}, len(text): {4, 2}, 99: {4, 2}} {
			l := newLocator(text)
			l.at(from)
			if got := l.at(off); got != want {
				t.Errorf("at(%d) after %d = %v, want %v", off, from, got, want)
			}
			if got := l.offset(want); got != min(off, len(text)) {
				t.Errorf("offset(%v) = %d, want %d", want, got, off)
			}
		}
	}
}

// Where the library and our scanner see different things, nothing is guessed.
func TestFillFindsDifferences(t *testing.T) {
	text := &node{kind: textKind, text: "x"}
	list := &node{kind: listKind, items: []*node{text}}
	table := &node{kind: mapKind, fields: []field{{key: &node{kind: textKind, text: "k"}, value: text}}}
	for _, tt := range []struct {
		n     *node
		value any
		same  bool
	}{
		{text, "y", true},
		{text, true, false},
		{text, int64(1), false},
		{text, time.Time{}, false},
		{text, nil, false},
		{list, []any{"x"}, true},
		{list, []any{}, false},
		{list, []any{"x", "x"}, false},
		{list, []any{1.5}, false},
		{list, "x", false},
		{table, map[string]any{"k": "v"}, true},
		{table, map[string]any{"l": "v"}, false},
		{table, map[string]any{"k": "v", "l": "v"}, false},
		{table, []map[string]any{{"k": "v"}}, false},
	} {
		if got := fill(tt.n, tt.value); (got == nil) != tt.same {
			t.Errorf("%v as %v: same = %v", tt.n.kind, tt.value, got == nil)
		}
	}
}

// What shows nothing, or turns others around, can be in no text.
func TestInvisible(t *testing.T) {
	for name, table := range map[string]*unicode.RangeTable{
		"ignorable": unicode.Other_Default_Ignorable_Code_Point, "variation selectors": unicode.Variation_Selector, "bidirectional": unicode.Bidi_Control,
	} {
		for r := rune(0); r <= unicode.MaxRune; r++ {
			if unicode.Is(table, r) && unprintable(r) == "" {
				t.Errorf("%U, one of the %s, may stand in a text", r, name)
			}
		}
	}
	for _, r := range "aé漢😀\u0301" {
		if what := unprintable(r); what != "" {
			t.Errorf("%U is %s", r, what)
		}
	}
}
