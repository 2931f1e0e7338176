package provision

import (
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
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
		m, problems := Decoder{}.Decode("x"+ext, data)
		if syntaxOf("x"+ext) == yamlSyntax {
			checkYAMLSize(t, data)
		}
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
		for i, u := range m.Users {
			if u.User == "" || slices.ContainsFunc(m.Users[:i], func(o UserEntry) bool { return o.User == u.User }) {
				t.Errorf("a user who is nobody, or stated twice: %+v", u)
			}
		}
	})
}

// checkEntry checks what planning relies on.
func checkEntry(t *testing.T, e *Entry) {
	t.Helper()
	if e.Pos.Line == 0 || !slices.Contains(actions, string(e.Action)) {
		t.Errorf("no place or action: %+v", e)
	}
	checkSelector(t, e)
	checkSources(t, e)
	checkOutput(t, e)
	if e.Set.OK != (e.Action == Update) {
		t.Error("set without update, or update without set")
	}
	if e.Set.OK && (e.Keys.OK || e.All.OK) && (e.Set.Value.User.OK || e.Set.Value.Name.OK) {
		t.Error("one name for several tokens")
	}
	checkAttributes(t, &e.Attributes)
	checkAttributes(t, &e.Set.Value.Attributes)
	replaces := e.Action == Regenerate || e.Action == Ensure
	if e.Grace.OK && (!replaces || e.Grace.Value < 0 || e.Grace.Value > maxGrace) {
		t.Error("a grace where there is none, or out of its bounds")
	}
	if (e.Generation.OK || e.OlderThan.OK) && e.Action != Regenerate || e.Generation.OK && e.Generation.Value == 0 || e.OlderThan.OK && e.OlderThan.Value <= 0 {
		t.Error("a generation or an age where there is none, or out of its bounds")
	}
}

func checkSelector(t *testing.T, e *Entry) {
	t.Helper()
	several := []Action{Update, Delete, Revoke, Enable, Disable}
	switch {
	case e.Keys.OK || e.All.OK:
		if !slices.Contains(several, e.Action) || e.Keys.OK && (e.All.OK || e.User.OK || len(e.Keys.Value) == 0) || e.All.OK && !e.User.OK || e.Name.OK || e.Key.OK {
			t.Errorf("a wrong selector of several tokens: %+v", e)
		}
	case e.Action == Revoke && len(e.Sources) > 0 && e.User.OK == e.Name.OK: // its key is outside
	case e.User.OK != e.Name.OK || !e.Named() && !e.Key.OK || e.Expect.OK:
		t.Errorf("an incomplete selector: %+v", e)
	case (e.Action == Create || e.Action == Copy) && (e.Key.OK || !e.Named()):
		t.Error("a new token without its name, or with a selector")
	}
	if from := e.From.Value; e.From.OK != (e.Action == Copy) || e.From.OK && !from.Named() && !from.Key.OK || from.User.OK != from.Name.OK {
		t.Error("from without copy, copy without from, or an incomplete one")
	}
}

func checkSources(t *testing.T, e *Entry) {
	t.Helper()
	least, most := 0, 0
	switch e.Action {
	case Create:
		least, most = 1, maxCredentials
	case Ensure:
		most = maxCredentials
	case Regenerate, Copy:
		least, most = 1, 1
	case Revoke:
		most = 1
	}
	if n := len(e.Sources); n < least || n > most {
		t.Errorf("%d sources of a %s", n, e.Action)
	}
	for i, s := range e.Sources {
		stated := !s.Generate && !s.outside()
		if s.Pos.Line == 0 || s.Generate && (s.HasKey || s.outside()) || stated && s.Key.IsZero() || s.File != "" && s.Env != "" {
			t.Errorf("source %d has no place, is two, or has no key", i)
		}
		if e.Action == Revoke && !s.outside() {
			t.Error("a revoke with a source that is no selector")
		}
		if i > 0 && !s.Key.IsZero() && s.Key == e.Sources[0].Key {
			t.Error("one key for two credentials")
		}
	}
}

func checkOutput(t *testing.T, e *Entry) {
	t.Helper()
	out := e.WriteTo.Value
	if !e.WriteTo.OK {
		return
	}
	if n := len(slices.DeleteFunc(slices.Clone(e.Sources), func(s Source) bool { return !s.Generate })); n != 1 {
		t.Errorf("a file for %d generated secrets", n)
	}
	if !path.IsAbs(out.Path) || path.Clean(out.Path) != out.Path || out.Path == "/" || out.Mode&^0o775 != 0 || out.Mode&0o400 == 0 || !slices.Contains(outputFormats, string(out.Format)) {
		t.Errorf("a file that cannot be written: %+v", out)
	}
}

func checkAttributes(t *testing.T, a *Attributes) {
	t.Helper()
	if !a.Expiry.Value.At.IsZero() && a.Expiry.Value.In != 0 || a.Expiry.Value.In < 0 {
		t.Error("an expiry that is two or negative")
	}
	for _, list := range []Stated[[]string]{a.Scopes, a.ScopeSets} {
		if len(list.Value) > maxWords || !slices.IsSorted(list.Value) || len(slices.Compact(slices.Clone(list.Value))) < len(list.Value) || slices.ContainsFunc(list.Value, func(s string) bool { return s == "" || len(s) > maxWord }) {
			t.Errorf("scopes out of order or bounds: %q", list.Value)
		}
		if a.Type.OK && a.Type.Value != store.Custom && len(list.Value) > 0 {
			t.Error("scopes of a token that is not custom")
		}
	}
	if a.Type.OK && a.Type.Value.String() == "" || a.Audience.OK && a.Audience.Value == "" {
		t.Error("a type or an audience that is none")
	}
	for i, p := range a.AllowedIPs.Value {
		if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() || p.Addr().Zone() != "" || i > 0 && a.AllowedIPs.Value[i-1].Compare(p) >= 0 {
			t.Errorf("addresses out of order or form: %v", a.AllowedIPs.Value)
		}
	}
	for i, l := range a.Labels.Value {
		if l.Key == "" || len(l.Key) > maxLabelKey || len(l.Value) > maxLabel || i >= maxLabels || i > 0 && a.Labels.Value[i-1].Key >= l.Key {
			t.Errorf("labels out of order or bounds: %q", a.Labels.Value)
		}
	}
}

// Invariant 6.
func FuzzRedact(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, ext string, data []byte) { checkRedacted(t, "x"+ext, data) })
}

func checkRedacted(t *testing.T, name string, data []byte) {
	t.Helper()
	got := Decoder{}.Redact(name, data)
	src := parse(name, data)
	known := newSecrets(token.Formats{}, secretsOf(src.docs))
	out := got
	if got == nil {
		out = data
		if !src.whole && !(Decoder{}).plainlyClean(string(data)) {
			t.Fatal("a text that cannot be read was left as it is")
		}
	}
	if string(out) == string(wholly(src.syntax)) {
		return
	}
	if slow := (Decoder{}).redact(name, data); src.whole && (Decoder{}).plainlyClean(string(data)) && slow != nil {
		t.Errorf("a text that seemed plainly clean is redacted to\n%s", slow)
	}
	for _, n := range secretsOf(src.docs) {
		if secret := strings.TrimSpace(n.text); !strings.Contains(redacted, secret) && strings.Contains(string(out), secret) {
			t.Errorf("%q is left:\n%s", secret, out)
		}
	}
	if again := parse(name, out); src.whole && !again.whole || !known.absent(&again) {
		t.Errorf("what is left has a secret or does not parse:\n%s", out)
	}
}
