package provision

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func addSeeds(f *testing.F) {
	files, _ := filepath.Glob("testdata/*/*")
	for _, path := range files {
		if data := read(f, path); len(data) < 4096 && !strings.HasSuffix(path, ".err") {
			f.Add(filepath.Ext(path), data)
		}
	}
	f.Add(".toml", []byte("token = '''\n"+realToken+"'''\n"))
	f.Add(".yaml", []byte("token: &a |+2 # c\n   "+realToken+"\n"))
}

// Invariants 1 and 2.
func FuzzDecode(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, ext string, data []byte) {
		m, problems := Decode("x"+ext, data)
		if (m == nil) != (len(problems) > 0) {
			t.Fatalf("manifest %v with problems %v", m, problems)
		}
		for i, p := range problems {
			if p.Text == "" || strings.ContainsAny(p.Text, "\n\r") || slices.Contains(problems[:i], p) {
				t.Errorf("problem %d is empty, has two lines, or is there twice: %q", i, p)
			}
		}
		if m == nil {
			return
		}
		for i := range m.Entries {
			checkEntry(t, &m.Entries[i])
		}
	})
}

// checkEntry checks what planning relies on.
func checkEntry(t *testing.T, e *Entry) {
	t.Helper()
	if e.Pos.Line == 0 || !slices.Contains(actions, string(e.Action)) {
		t.Errorf("no place or action: %+v", e)
	}
	if e.User.OK != e.Name.OK || !e.Named() && !e.Key.OK {
		t.Error("an incomplete selector")
	}
	if e.Generate.OK && (e.Credential.OK || !e.Generate.Value) {
		t.Error("two sources, or a source that is none")
	}
	if e.Action == Create && (e.Key.OK || !e.Named() || !e.Generate.OK && !e.Credential.OK) {
		t.Error("a create without its name or source")
	}
	if e.Credential.OK && e.Action != Regenerate && !e.Credential.Value.HasKey {
		t.Error("a credential without a key")
	}
	if e.Set.OK != (e.Action == Update) {
		t.Error("set without update, or update without set")
	}
	for _, a := range []Attributes{e.Attributes, e.Set.Value.Attributes} {
		if !a.Expiry.Value.At.IsZero() && a.Expiry.Value.In != 0 || a.Expiry.Value.In < 0 {
			t.Error("an expiry that is two or negative")
		}
	}
}

// Invariant 6.
func FuzzRedact(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, ext string, data []byte) {
		name := "x" + ext
		got := Redact(name, data)
		src := parse(name, data)
		known := newSecrets(secretsOf(src.docs))
		out := got
		if got == nil {
			out = data
			if !src.whole && !plainlyClean(string(data)) {
				t.Fatal("a text that cannot be read was left as it is")
			}
		}
		if string(out) == string(wholly(src.syntax)) {
			return
		}
		if slow := redact(name, data); src.whole && plainlyClean(string(data)) && slow != nil {
			t.Errorf("a text that seemed plainly clean is redacted to\n%s", slow)
		}
		for secret := range known.standard {
			if strings.Contains(string(out), secret) {
				t.Errorf("a token is left:\n%s", out)
			}
		}
		for _, secret := range known.odd {
			if strings.Contains(string(out), secret) {
				t.Errorf("%q is left:\n%s", secret, out)
			}
		}
		if again := parse(name, out); src.whole && !again.whole || !known.absent(&again) {
			t.Errorf("what is left has a secret or does not parse:\n%s", out)
		}
	})
}
