package provision

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// manyLines is n lines, each with its number.
func manyLines(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// Invariant 5. Each of these holds a parser for minutes if it, or one of our
// passes over the text, is quadratic: the test would run into its time limit.
func TestHostile(t *testing.T) {
	const many = 40_000
	token := "token = \"" + realToken + "\"\n"
	for name, tt := range map[string]struct{ file, data, want string }{
		"dotted TOML keys":      {"x.toml", strings.Repeat("a.", 20_000) + "a = 1", "more than 8 parts"},
		"dotted TOML headers":   {"x.toml", "[" + strings.Repeat("a.", 20_000) + "a]", "more than 8 parts"},
		"many TOML tables":      {"x.toml", manyLines(many, "[a%d.b.c.d.e.f.g]\n"), "more than 100 keys"},
		"many TOML keys":        {"x.toml", manyLines(many, "a.b.c.d.e%d = 1\n"), "more than 100 keys"},
		"many TOML headers":     {"x.toml", strings.Repeat("[[a.b.c.d.e.f.g.h]]\n", many/2), "unknown key"},
		"many TOML texts":       {"x.toml", "a = [" + strings.Repeat("'',", many) + "]", "unknown key"},
		"open TOML brackets":    {"x.toml", "a = " + strings.Repeat("[", many), tooDeep},
		"open TOML tables":      {"x.toml", "a = " + strings.Repeat("{a = ", many), tooDeep},
		"unquoted TOML":         {"x.toml", "a = [" + strings.Repeat("x,", many) + "]", "needs quotes"},
		"dates in TOML":         {"x.toml", "a = [" + strings.Repeat("2027-12-31 ,", many) + "]", "unknown key"},
		"open JSON brackets":    {"x.json", strings.Repeat("[", many), tooDeep},
		"open JSON objects":     {"x.json", strings.Repeat(`{"":`, many), tooDeep},
		"one line of JSON":      {"x.json", `{"tokens":[` + strings.Repeat("{},", many) + `{}]}`, "more than 10000 entries"},
		"JSON keys":             {"x.json", "{" + manyLines(many, `"k%d":0,`) + `"a":1}`, "unknown key"},
		"deep YAML flow":        {"x.yaml", strings.Repeat("[", many), tooDeep},
		"deep closed YAML flow": {"x.yaml", strings.Repeat("[", 9000) + strings.Repeat("]", 9000), tooDeep},
		"deep YAML mappings":    {"x.yaml", strings.Repeat("{a: ", 9000) + strings.Repeat("}", 9000), tooDeep},
		"deep YAML blocks":      {"x.yaml", strings.Repeat("- ", 9000) + "x", tooDeep},
		"one line of YAML":      {"x.yaml", "tokens: [" + strings.Repeat("{},", many) + "]", "more than 10000 entries"},
		"empty YAML items":      {"x.yaml", "tokens:\n" + strings.Repeat("-\n", many), "more than 10000 entries"},
		"YAML documents":        {"x.yaml", strings.Repeat("---\ntokens: [1]\n", 20_000), "an entry is a mapping"},
		"YAML comments":         {"x.yaml", strings.Repeat("# a\n", many) + "a: b", "unknown key"},
		"YAML keys":             {"x.yaml", manyLines(20_000, "k%d: 0\n"), "unknown key"},
		"YAML aliases":          {"x.yaml", "a: &a [x]\nb: [" + strings.Repeat("*a,", 20_000) + "]", "aliases"},
		"long YAML key":         {"x.yaml", strings.Repeat("k", 1000) + ": 1", "unknown key"},
		"many keys":             {"x.yaml", deletes(many), "more than 10000 items"},
		"many scopes":           {"x.json", `{"tokens":[{"action":"ensure","user":"a","name":"b","scopes":[` + strings.Repeat(`"x",`, many) + `"x"]}]}`, "more than 64 items"},
		"many labels":           {"x.json", `{"tokens":[{"action":"ensure","user":"a","name":"b","labels":{` + manyLines(many, `"k%d":"x",`) + `"x":"y"}}]}`, "more than 16 labels"},
		"many addresses":        {"x.yaml", ensures("allowed_ips: [" + strings.Repeat("10.0.0.1,", maxEntries) + "]"), "is there twice"},
		"many users":            {"x.yaml", blocks(many / 2), "more than 10000 entries"},
		"one action":            {"x.yaml", "action: " + strings.Repeat("create", many), `"action" is one of`},
		"many YAML secrets":     {"x.yaml", strings.Repeat("- token: "+realToken+"\n", 5_000), "a manifest is a mapping"},
		"many TOML secrets":     {"x.toml", strings.Repeat("[[a]]\n"+token, 5_000), "unknown key"},
		"equal signs":           {"x.toml", "#" + strings.Repeat("=", many), ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := Decoder{}.Decode(tt.file, []byte(tt.data))
			if got := lines(tt.file, problems); !strings.Contains(got, tt.want) {
				t.Errorf("got %.300s, want %q in it", got, tt.want)
			}
			Decoder{}.Redact(tt.file, []byte(tt.data))
		})
	}
}

// ensures is a manifest of one entry with these fields.
func ensures(fields string) string {
	return "tokens: [{action: ensure, user: a, name: b, " + fields + "}]"
}

// deletes is a manifest with a list of so many keys.
func deletes(keys int) string {
	return "action: delete\ntokens:\n- key:\n" + manyLines(keys, "  - 00000000-0000-4000-8000-%012d\n")
}

func blocks(users int) string { return "users:\n" + manyLines(users, "- {user: u%d, blocked: true}\n") }

// Each of the limits at its edge.
func TestLimits(t *testing.T) {
	nested := func(depth int) string {
		return "a: " + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1)
	}
	entries := func(n int) string { return string(manifestOf(n)) }
	for name, tt := range map[string]struct {
		file, good, bad, want string
	}{
		"YAML depth":  {"x.yaml", nested(maxDepth), nested(maxDepth + 1), tooDeep},
		"JSON depth":  {"x.json", strings.Repeat("[", 16) + strings.Repeat("]", 16), strings.Repeat("[", 17) + strings.Repeat("]", 17), tooDeep},
		"TOML depth":  {"x.toml", "a = " + strings.Repeat("[", 15) + strings.Repeat("]", 15), "a = " + strings.Repeat("[", 16) + strings.Repeat("]", 16), tooDeep},
		"key parts":   {"x.toml", "a.b.c.d.e.f.g.h = 1", "a.b.c.d.e.f.g.h.i = 1", "more than 8 parts"},
		"entries":     {"x.yaml", entries(maxEntries), entries(maxEntries + 1), "more than 10000 entries"},
		"documents":   {"x.yaml", entries(5000) + "---\n" + entries(5000), entries(5000) + "---\n" + entries(5001), "more than 10000 entries"},
		"user":        {"x.yaml", "user: " + strings.Repeat("u", maxUser), "action: delete\ntokens: [{name: a, user: " + strings.Repeat("u", maxUser+1) + "}]", "longer than 256"},
		"scopes":      {"x.yaml", ensures("scopes: [" + manyLines(maxWords, "s%d, ") + "]"), ensures("scopes: [" + manyLines(maxWords+1, "s%d, ") + "]"), "more than 64 items"},
		"scope":       {"x.yaml", ensures("scopes: [" + strings.Repeat("s", maxWord) + "]"), ensures("scopes: [" + strings.Repeat("s", maxWord+1) + "]"), "longer than 128"},
		"labels":      {"x.yaml", ensures("labels: {" + manyLines(maxLabels, "l%d: x, ") + "}"), ensures("labels: {" + manyLines(maxLabels+1, "l%d: x, ") + "}"), "more than 16 labels"},
		"label key":   {"x.yaml", ensures("labels: {" + strings.Repeat("k", maxLabelKey) + ": x}"), ensures("labels: {" + strings.Repeat("k", maxLabelKey+1) + ": x}"), "1 to 64"},
		"label":       {"x.yaml", ensures("labels: {k: " + strings.Repeat("x", maxLabel) + "}"), ensures("labels: {k: " + strings.Repeat("x", maxLabel+1) + "}"), "longer than 256"},
		"keys":        {"x.yaml", deletes(maxEntries), deletes(maxEntries + 1), "more than 10000 items"},
		"users":       {"x.yaml", entries(1) + blocks(maxEntries-1), entries(1) + blocks(maxEntries), "more than 10000 entries"},
		"once":        {"x.yaml", "once: " + strings.Repeat("o", maxOnce), "once: " + strings.Repeat("o", maxOnce+1), "longer than 128"},
		"grace":       {"x.yaml", ensures("grace: 30d"), ensures("grace: 2592001s"), "longer than 30d"},
		"values":      {"x.yaml", "a: [" + strings.Repeat("b,", maxNodes/2-2) + "]", "a: [" + strings.Repeat("b,", maxNodes/2-1) + "]", tooMany},
		"TOML values": {"x.toml", "a = [" + strings.Repeat("1,", maxNodes-2) + "]", "a = [" + strings.Repeat("1,", maxNodes-1) + "]", tooMany},
		"TOML tables": {"x.toml", strings.Repeat("[[a]]\n", maxNodes/(1+perTable)), strings.Repeat("[[a]]\n", maxNodes/(1+perTable)+1), tooMany},
		"JSON values": {"x.json", "[" + strings.Repeat("1,", maxNodes-2) + "1]", "[" + strings.Repeat("1,", maxNodes-1) + "1]", tooMany},
		"problems":    {"x.yaml", "tokens: [" + strings.Repeat("1,", 100) + "]", "tokens: [" + strings.Repeat("1,", 101) + "]", "x.yaml: and 1 more\n"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := Decoder{}.Decode(tt.file, []byte(tt.good))
			if got := lines(tt.file, problems); strings.Contains(got, tt.want) {
				t.Errorf("at the limit: %.300s", got)
			}
			_, problems = Decoder{}.Decode(tt.file, []byte(tt.bad))
			if got := lines(tt.file, problems); !strings.Contains(got, tt.want) {
				t.Errorf("over the limit: got %.300s, want %q", got, tt.want)
			}
		})
	}
}

// Invariant 5. What a file takes that is nothing but mistakes grows with its
// length and not with their number, and none is left out of the count.
func TestNothingButMistakes(t *testing.T) {
	const (
		zeros = 1 << 20
		many  = 20_000
		// perByte is what a byte may take, in bytes, garbage included: parsing a
		// short key takes half of this, and more with the race detector.
		perByte = 250
	)
	for name, tt := range map[string]struct {
		file, data string
		mistakes   int
	}{
		"zeros in YAML":        {"x.yaml", strings.Repeat("\x00", zeros), zeros},
		"zeros in TOML":        {"x.toml", strings.Repeat("\x00", zeros), zeros},
		"zeros in JSON":        {"x.json", strings.Repeat("\x00", zeros), zeros},
		"unknown keys in YAML": {"x.yaml", "tokens: []\n" + manyLines(many, "k%d: 0\n"), many},
		"unknown keys in TOML": {"x.toml", "tokens = []\n" + manyLines(many/100, "[a%d]\n"), 1},
		"unknown keys in JSON": {"x.json", `{"tokens":[]` + manyLines(many, `,"k%d":0`) + "}", many},
		"entries in YAML":      {"x.yaml", "tokens: " + manyLines(maxEntries, "\n- {action: delete, user: anna, name: token of anna, user%d: 0}"), maxEntries},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, problems := Decoder{}.Decode(tt.file, []byte(tt.data))
			runtime.ReadMemStats(&after)
			want := min(tt.mistakes, maxProblems)
			if more := tt.mistakes - want; more > 0 {
				want++
				if last := problems[len(problems)-1].Text; last != fmt.Sprintf("and %d more", more) {
					t.Errorf("the last line is %q, want %d more", last, more)
				}
			}
			if len(problems) != want {
				t.Errorf("%d problems are told, want %d", len(problems), want)
			}
			took := after.TotalAlloc - before.TotalAlloc
			t.Logf("%d bytes took %d", len(tt.data), took)
			if took > uint64(perByte*len(tt.data)) {
				t.Errorf("a file of %d bytes took %d", len(tt.data), took)
			}
		})
	}
}

// Invariant 5. Files of the largest size that is permitted by default. What is
// refused for its many values costs what the permitted number of them does.
func TestNothingButValues(t *testing.T) {
	const (
		size = 8 << 20
		most = 256 << 20 // bytes, garbage included
	)
	fill := func(head, unit, tail string) []byte {
		return []byte(head + strings.Repeat(unit, (size-len(head)-len(tail))/len(unit)) + tail)
	}
	for name, tt := range map[string]struct {
		file string
		data []byte
		want string
	}{
		"YAML items":        {"x.yaml", fill("a: [", "a,", "a]"), tooMany},
		"YAML keys in flow": {"x.yaml", fill("a: {", "a,", "a}"), tooMany},
		"YAML lists":        {"x.yaml", fill("a: [", "[],", "a]"), tooMany},
		"empty YAML keys":   {"x.yaml", fill("a: [", ":,", "a]"), tooMany},
		"empty YAML items":  {"x.yaml", fill("a:\n", "-\n", ""), tooMany},
		"YAML dashes":       {"x.yaml", fill("", "- ", ""), tooMany},
		"YAML keys":         {"x.yaml", fill("", "a: \n", ""), tooMany},
		"YAML explicit":     {"x.yaml", fill("", "? a\n", ""), tooMany},
		"YAML documents":    {"x.yaml", fill("", "---\na\n", ""), tooMany},
		"YAML comments":     {"x.yaml", fill("a: 1\n", "#\n", ""), "unknown key"},
		"YAML words":        {"x.yaml", fill("a: ", "a ", ""), "unknown key"},
		"TOML items":        {"x.toml", fill("a = [", "1,", "1]"), tooMany},
		"TOML tables":       {"x.toml", fill("", "[[a]]\n", ""), tooMany},
		"dotted TOML keys":  {"x.toml", fill("a = [", "{a.a.a.a.a.a.a=1},", "1]"), tooMany},
		"JSON items":        {"x.json", fill("[", "1,", "1]"), tooMany},
		"JSON objects":      {"x.json", fill("[", "{},", "1]"), tooMany},
		"JSON keys":         {"x.json", fill("{", `"":1,`, `"":1}`), tooMany},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, problems := Decoder{}.Decode(tt.file, tt.data)
			runtime.ReadMemStats(&after)
			if got := lines(tt.file, problems); !strings.Contains(got, tt.want) {
				t.Errorf("got %.300s, want %q", got, tt.want)
			}
			took := after.TotalAlloc - before.TotalAlloc
			t.Logf("took %d MiB", took>>20)
			if took > most {
				t.Errorf("it took %d bytes", took)
			}
		})
	}
}

// No text has more keys and values than its indicators let expect.
func checkYAMLSize(t *testing.T, data []byte) {
	t.Helper()
	indicators, nodes := 0, 0
	for i := range len(data) {
		if isIndicator(string(data), i) {
			indicators++
		}
	}
	src := parse("x.yaml", data)
	for _, doc := range src.docs {
		nodes-- // each may be a single value
		doc.walk(false, func(*node, bool) { nodes++ })
	}
	if nodes > nodesPerIndicator*indicators+1 {
		t.Errorf("%d indicators, and %d nodes:\n%s", indicators, nodes, data)
	}
}
