package provision

import (
	"path/filepath"
	"strings"
	"testing"
)

// Invariant 6.
func TestRedact(t *testing.T) {
	entry := "action: create\ntokens:\n  - user: a\n    name: b\n    "
	for _, tt := range []struct{ name, file, data, want string }{
		{"plain", "x.yaml", entry + "token: " + realToken + "\n", entry + "token: REDACTED\n"},
		{"twice in flow", "x.yaml", "tokens: [{token: " + realToken + "}, {token: '" + otherToken + "'}]\n", "tokens: [{token: REDACTED}, {token: 'REDACTED'}]\n"},
		{"comments", "x.yaml", "# was " + otherToken + ".\ntokens:\n- token: " + realToken + " # " + realToken + "\n", "# was REDACTED.\ntokens:\n- token: REDACTED # REDACTED\n"},
		{"comment alone", "x.yaml", "# " + realToken, "# REDACTED"},
		{"other documents", "x.yaml", "tokens: []\n---\ntokens:\n- token: " + realToken + "\n", "tokens: []\n---\ntokens:\n- token: REDACTED\n"},
		{"single quotes", "x.yaml", "token: 'it''s secret' # it\n", "token: 'REDACTED' # it\n"},
		{"escapes", "x.yaml", `token: "\x6bgHNm05iQV61I+GY3X5HVr13i866HAAsyou8G+eGubk="` + "\n", "token: \"REDACTED\"\n"},
		{"broken in quotes", "x.yaml", "token: \"" + realToken[:20] + "\\\n   " + realToken[20:] + "\"\nversion: 1\n", "token: \"REDACTED\"\nversion: 1\n"},
		{"literal block", "x.yaml", "token: |  # why\n  " + realToken + "\n\n  second\nversion: 1\n", "token: |  # why\n  REDACTED\nversion: 1\n"},
		{"folded block", "x.yaml", "a:\n  token: >2-\n      " + realToken + "\n    more\n  b: 1\n", "a:\n  token: >2-\n      REDACTED\n  b: 1\n"},
		{"folded plain", "x.yaml", "token: one two three\n  four five\nversion: 1\n", "token: REDACTED\nversion: 1\n"},
		{"anchor and tag", "x.yaml", "token: &a !!str\n  " + realToken + "\nb: *a\n", "token: &a !!str\n  REDACTED\nb: *a\n"},
		{"list", "x.yaml", "token:\n- onesecret\n- {a: twosecret}\nc: onesecret\n", "token:\n- REDACTED\n- {REDACTED: REDACTED}\nc: REDACTED\n"},
		{"number", "x.yaml", "token: 123456789012\n", "token: REDACTED\n"},
		{"other case", "x.yaml", "Token: abcdefghij\n", "Token: REDACTED\n"},
		{"after multi-byte text", "x.yaml", "tokens: [{user: äöü, token: abcdefghij}]\n", "tokens: [{user: äöü, token: REDACTED}]\n"},
		{"CRLF", "x.yml", "token: " + realToken + "\r\nb: |\r\n  x\r\n", "token: REDACTED\r\nb: |\r\n  x\r\n"},
		{"beside a digest", "x.yaml", "token: " + realToken + "\ndigest: sha256:" + otherToken + "\n", "token: REDACTED\ndigest: sha256:" + otherToken + "\n"},
		{"behind sha256:, but a secret", "x.yaml", "token: " + realToken + "\n# sha256:" + realToken + "\n", "token: REDACTED\n# sha256:REDACTED\n"},

		{"toml", "x.toml", "[[tokens]]\ntoken = \"" + realToken + "\" # " + realToken + "\n[[tokens]]\ntoken='" + otherToken + "'\n", "[[tokens]]\ntoken = \"REDACTED\" # REDACTED\n[[tokens]]\ntoken='REDACTED'\n"},
		{"toml triple", "x.toml", "token = \"\"\"\n" + realToken[:9] + "\\\n  " + realToken[9:] + "\"\"\"\n[a]\ntoken = '''\nfour' quotes''''\n", "token = \"\"\"REDACTED\"\"\"\n[a]\ntoken = '''REDACTED'''\n"},
		{"toml escape", "x.toml", `"token" = "\u006bgHNm05iQV61I+GY3X5HVr13i866HAAsyou8G+eGubk="`, `"token" = "REDACTED"`},
		{"toml inline", "x.toml", `tokens = [{user = "ä", token = "abcdefghij"}]`, `tokens = [{user = "ä", token = "REDACTED"}]`},
		{"toml dotted", "x.toml", `a.token.b = "abcdefghij"`, `a.token.REDACTED = "REDACTED"`},

		{"json", "x.json", `{"a": "äöü", "tokens": [{"token": "` + realToken + `"}, {"token":"\u004cfh\/02b1SbuZX\/u1JFqegMEljMZaPGbsqJf3ALY0AGo="}]}`, `{"a": "äöü", "tokens": [{"token": "REDACTED"}, {"token":"REDACTED"}]}`},
		{"json escaped key", "x.json", `{"\u0074oken": "a\"bcdefghij"}`, `{"\u0074oken": "REDACTED"}`},

		{"other spellings", "x.yaml", "# kgHNm05iQV61I+GY3X5HVr13i866HAAsyou8G+eGubk kgHNm05iQV61I-GY3X5HVr13i866HAAsyou8G-eGubk=\ntoken: " + realToken, "# REDACTED REDACTED=\ntoken: REDACTED"},
		{"none", "x.yaml", "tokens:\n- {digest: '" + realDigest + "', key: " + realKey + "}\n", ""},
		{"redacted already", "x.yaml", "token: REDACTED\n", ""},
		{"empty", "x.toml", "", ""},
		{"empty text", "x.json", `{"token": ""}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Decoder{}.Redact(tt.file, []byte(tt.data))
			if string(got) != tt.want || (got == nil) != (tt.want == "") {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
			if again := (Decoder{}).Redact(tt.file, got); got != nil && again != nil {
				t.Errorf("a redacted text is redacted again, to:\n%s", again)
			}
		})
	}
}

// Invariant 6: what is not certain goes as a whole.
func TestRedactWholly(t *testing.T) {
	for name, tt := range map[string]struct{ file, data string }{
		"does not parse":          {"x.yaml", "token: [" + realToken},
		"toml twice":              {"x.toml", "token = 'a'\ntoken = 'b'\n"},
		"not UTF-8":               {"x.json", "{\"token\": \"\xff\"}"},
		"too deep":                {"x.yaml", strings.Repeat("[", 17) + "token: x" + strings.Repeat("]", 17)},
		"escaped elsewhere":       {"x.json", `{"token": "` + realToken + `", "b": "kgHNm05iQV61I\u002bGY3X5HVr13i866HAAsyou8G+eGubk="}`},
		"escaped token elsewhere": {"x.yaml", `a: "kgHNm05iQV61I\x2bGY3X5HVr13i866HAAsyou8G+eGubk="`},
		"comment before a value":  {"x.yaml", "token: &a # why\n  abcdefghij\n"},
		"short and elsewhere":     {"x.yaml", "token: abc\nname: abcd\n"},
		"a number in JSON":        {"x.json", `{"token": 12}`},
		"other name":              {"x.txt", "token: a"},
		"many odd ones":           {"x.yaml", strings.Repeat("- {token: abcdefghi}\n", maxOdd+1)},
	} {
		t.Run(name, func(t *testing.T) {
			got := string(Decoder{}.Redact(tt.file, []byte(tt.data)))
			if got != string(wholly(syntaxOf(tt.file))) {
				t.Errorf("got:\n%s", got)
			}
			if strings.Count(got, "\n") != 1 {
				t.Error("more than one line")
			}
		})
	}
}

// What the good manifests become still parses, and differs only in secrets.
func TestRedactGood(t *testing.T) {
	for _, file := range []string{"all.yaml", "all.toml", "all.json"} {
		data := read(t, filepath.Join("testdata/good", file))
		got := string(Decoder{}.Redact(file, data))
		if n := strings.Count(got, redacted); n != 2 {
			t.Errorf("%s: %d secrets redacted, want 2", file, n)
		}
		if !strings.Contains(got, realDigest[7:20]) {
			t.Errorf("%s: the digest is gone", file)
		}
		_, problems := Decoder{}.Decode(file, []byte(got))
		for _, p := range problems {
			if !strings.Contains(p.Text, `"token" was redacted`) {
				t.Errorf("%s", p.In(file))
			}
		}
		if len(problems) != 2 {
			t.Errorf("%s: %d problems, want one for each redacted token", file, len(problems))
		}
	}
}
