//go:build unix

package provision

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tokendrop/tokendrop/store"
)

// places is a directory with secrets, and what manifests may do there.
type places struct {
	t    *testing.T
	root string
	Settings
}

func newPlaces(t *testing.T) *places {
	root, err := os.MkdirTemp("", "places") // a path that needs no quotes in YAML
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	p := &places{t: t, root: root}
	p.Rules = map[string]Rules{"spool": {SecretDirs: []string{p.path("secrets")}, SecretEnv: []string{"TOKEN_A", "TOKEN_UNSET"}, OutputDirs: []string{p.path("out")}}}
	for _, dir := range []string{"secrets/sub", "secrets/..data", "elsewhere", "store", "out/sub"} {
		if err := os.MkdirAll(p.path(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (p *places) path(name string) string { return filepath.Join(p.root, name) }

func (p *places) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(p.path(name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *places) link(target, name string) {
	p.t.Helper()
	if err := os.Symlink(target, p.path(name)); err != nil {
		p.t.Fatal(err)
	}
}

// fill puts ROOT in a manifest's place.
func (p *places) fill(text string) string { return strings.ReplaceAll(text, "ROOT", p.root) }

// resolve reads what the entry points to, and returns its problems.
func (p *places) resolve(fields string) (*Manifest, []Problem) {
	p.t.Helper()
	m, problems := Decoder{}.Decode("x.yaml", []byte(p.fill(entry(fields))))
	if len(problems) > 0 {
		p.t.Fatalf("%s\nis wrong by itself: %v", fields, problems)
	}
	return p.Settings.resolve(m, "spool")
}

// What a token is does not depend on where its text is.
func TestResolve(t *testing.T) {
	p := newPlaces(t)
	t.Setenv("TOKEN_A", realToken)
	p.write("secrets/plain", realToken)
	p.write("secrets/sub/newline", realToken+"\n")
	p.write("secrets/crlf", realToken+"\r\n")
	p.write("secrets/..data/k8s", realToken)
	p.link("..data/k8s", "secrets/k8s")
	p.link("sub", "secrets/dir")
	for _, source := range []string{
		"token_file: ROOT/secrets/plain", "token_file: ROOT/secrets/sub/newline", "token_file: ROOT/secrets/crlf",
		"token_file: ROOT/secrets/k8s", "token_file: ROOT/secrets/dir/newline", "token_env: TOKEN_A",
		"token_file: ROOT/secrets/plain, key: " + realKey,
	} {
		for _, action := range []string{"create", "ensure", "regenerate", "revoke"} {
			got, problems := p.resolve("action: " + action + ", user: u, name: n, " + source)
			if len(problems) > 0 {
				t.Errorf("%s of %s: %v", action, source, problems)
				continue
			}
			_, key, _ := strings.Cut(source, ",")
			want, _ := Decoder{}.Decode("x.yaml", []byte(entry("action: "+action+", user: u, name: n, token: "+realToken+", "+key)))
			g, w := got.Entries[0], want.Entries[0]
			if len(g.Sources) != len(w.Sources) || len(g.Sources) > 0 && !reflect.DeepEqual(g.Sources[0].Credential, w.Sources[0].Credential) || g.Key.Value != w.Key.Value || g.Key.OK != w.Key.OK {
				t.Errorf("%s of %s:\n got %+v\nwant %+v", action, source, g, w)
			}
		}
	}
}

// A manifest is used again when a plan is made anew, and for what is told of
// it.
func TestResolveChangesNoManifest(t *testing.T) {
	p := newPlaces(t)
	p.write("secrets/a", realToken)
	m, _ := Decoder{}.Decode("x.yaml", []byte(p.fill(entry("action: create, user: u, name: n, credentials: [{token_file: ROOT/secrets/a}, {generate: true}]"))))
	resolved, problems := p.Settings.resolve(m, "spool")
	if len(problems) > 0 || !m.Entries[0].Sources[0].outside() || resolved.Entries[0].Sources[0].outside() {
		t.Errorf("%v\nfrom %+v\nto %+v", problems, m.Entries[0].Sources, resolved.Entries[0].Sources)
	}
	plain, _ := Decoder{}.Decode("x.yaml", []byte(creates("n")))
	if same, _ := p.Settings.resolve(plain, "spool"); same != plain {
		t.Error("a manifest that points to nothing was copied")
	}
}

// Each way in which there is no token, with a text of its own, which never
// shows what was read.
func TestResolveRefuses(t *testing.T) {
	p := newPlaces(t)
	const canary = "CANARY"
	t.Setenv("TOKEN_A", canary)
	t.Setenv("HOME_SECRET", realToken)
	p.write("elsewhere/a", realToken)
	p.write("store/a", realToken)
	p.write("config.toml", realToken)
	p.write("secrets/good", realToken)
	p.write("secrets/empty", "\n")
	p.write("secrets/short", canary)
	p.write("secrets/two", realToken+"\n\n")
	p.write("secrets/comment", "# "+canary+"\n"+realToken+"\n")
	p.write("secrets/bom", "\ufeff"+realToken)
	p.write("secrets/large", strings.Repeat("a", maxSecretFile+1))
	p.link(p.path("elsewhere/a"), "secrets/absolute")
	p.link("../elsewhere/a", "secrets/climbs")
	p.link("/proc/self/environ", "secrets/environ")
	p.link("loop", "secrets/loop")
	p.link("../elsewhere", "secrets/outdir")
	if err := os.Link(p.path("config.toml"), p.path("secrets/config")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(p.path("secrets/fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Forbidden = []string{p.path("config.toml"), p.path("store"), p.path("is-not-there")}
	rules := p.Rules["spool"]
	rules.SecretDirs = append(rules.SecretDirs, p.path("store"), p.path("absent"))
	p.Rules["spool"] = rules
	for source, want := range map[string]string{
		"token_file: ROOT/secrets/missing":  "is not there",
		"token_file: ROOT/secrets/good/x":   "cannot be read",
		"token_file: ROOT/absent/x":         "is not there",
		"token_file: ROOT/elsewhere/a":      "not beneath",
		"token_file: ROOT/secretsx/a":       "not beneath",
		"token_file: ROOT/secrets":          "not beneath",
		"token_file: /proc/self/environ":    "not beneath",
		"token_file: ROOT/secrets/absolute": "cannot be read (path escapes from parent)",
		"token_file: ROOT/secrets/climbs":   "cannot be read (path escapes from parent)",
		"token_file: ROOT/secrets/environ":  "cannot be read (path escapes from parent)",
		"token_file: ROOT/secrets/outdir/a": "cannot be read (path escapes from parent)",
		"token_file: ROOT/secrets/loop":     "cannot be read",
		"token_file: ROOT/secrets/sub":      "no regular file",
		"token_file: ROOT/secrets/fifo":     "no regular file",
		"token_file: ROOT/secrets/config":   "tokendrop's own",
		"token_file: ROOT/store/a":          "tokendrop's own",
		"token_file: ROOT/secrets/large":    "larger than 4 KiB",
		"token_file: ROOT/secrets/empty":    "empty text",
		"token_file: ROOT/secrets/short":    "malformed",
		"token_file: ROOT/secrets/two":      "a space or a character",
		"token_file: ROOT/secrets/comment":  "a space or a character",
		"token_file: ROOT/secrets/bom":      "outside ASCII",

		"token_file: ROOT/secrets/good, key: " + madeUp: "not the key",

		"token_env: HOME_SECRET": "may not read",
		"token_env: TOKEN_UNSET": "is not set",
		"token_env: TOKEN_A":     "malformed",
		"credentials: [{token_file: ROOT/secrets/good}, {token: " + realToken + "}]":            "once",
		"credentials: [{token_file: ROOT/secrets/good}, {token_file: ROOT/secrets/good}]":       "once",
		"credentials: [{generate: true}, {token_file: ROOT/secrets/good, key: " + madeUp + "}]": "not the key",
	} {
		_, problems := p.resolve("action: create, user: u, name: n, " + source)
		if len(problems) != 1 || !strings.Contains(problems[0].Text, want) || problems[0].Pos.Line != 2 || problems[0].Pos.Col < 30 {
			t.Errorf("%s: %v, want %q", source, problems, want)
			continue
		}
		for _, secret := range []string{canary, realToken, p.root} {
			if strings.Contains(problems[0].Text, secret) {
				t.Errorf("%s: shows a value: %s", source, problems[0].Text)
			}
		}
	}
}

const madeUp = "00000000-0000-4000-8000-000000000001"

// Where nothing may be read, the message says which key would allow it.
func TestResolveWithoutRules(t *testing.T) {
	p := newPlaces(t)
	p.Rules = nil
	for source, want := range map[string]string{"token_file: /a": `"secret_dirs" in the configuration`, "token_env: A": `"secret_env" in the configuration`} {
		if _, problems := p.resolve("action: create, user: u, name: n, " + source); len(problems) != 1 || !strings.Contains(problems[0].Text, want) {
			t.Errorf("%s: %v", source, problems)
		}
	}
}

// A file is read by what the path leads to when it is opened, so that links
// that are swapped meanwhile lead nowhere else.
func TestResolveWhileLinksAreSwapped(t *testing.T) {
	p := newPlaces(t)
	p.write("secrets/good", realToken)
	p.write("elsewhere/a", otherToken)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 300 {
			for _, target := range []string{"good", "../elsewhere/a"} {
				_ = os.Symlink(target, p.path("secrets/next"))
				_ = os.Rename(p.path("secrets/next"), p.path("secrets/swapped"))
			}
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		m, problems := p.resolve("action: create, user: u, name: n, token_file: ROOT/secrets/swapped")
		if len(problems) == 0 && m.Entries[0].Sources[0].Key.String() != realKey {
			t.Fatal("another file than those beneath secret_dirs was read")
		}
	}
}

// A patch whose token is not there fails, and says so at its place; later it
// is applied, and the token is known by its digest only.
func TestApplyTokenFile(t *testing.T) {
	p, b := newPlaces(t), newBench(t)
	b.Configure(p.Settings)
	text := p.fill(entry("action: create, user: u, name: a, token_file: ROOT/secrets/a"))
	results, err := b.Apply(t.Context(), []Patch{patch(1, text)})
	if err != nil {
		t.Fatal(err)
	}
	if r := results[0]; r.Outcome != store.Failed || !strings.HasPrefix(r.Reasons[0], "1.yaml:2:") || !strings.Contains(r.Reasons[0], "create it before") {
		t.Errorf("%+v", r)
	}
	p.write("secrets/a", realToken+"\n")
	results, err = b.Apply(t.Context(), []Patch{patch(2, text)})
	if err != nil {
		t.Fatal(err)
	}
	if r := results[0]; r.Outcome != store.Installed || r.Redacted != nil || len(r.Warnings) != 1 {
		t.Errorf("%+v", r)
	}
	if rec, ok := b.Store.ByName(store.Name{User: "u", Name: "a"}); !ok || rec.Key().String() != realKey {
		t.Errorf("stored is %+v", rec)
	}
	for _, row := range b.rows() {
		if bytes.Contains(row, []byte(realToken)) || bytes.Contains(row, []byte(p.root)) {
			t.Errorf("the store has it: %q", row)
		}
	}
}

// rows is what the store has of each token.
func (b *bench) rows() [][]byte {
	var rows [][]byte
	for rec := range b.Store.Tokens() {
		rows = append(rows, store.AppendRecord(nil, &rec))
	}
	return rows
}

// The ledger is believed before the file: what was decided needs no secret any
// more, and neither does a "once" that has run.
func TestApplyTokenFileThatIsGone(t *testing.T) {
	p, b := newPlaces(t), newBench(t)
	b.Configure(p.Settings)
	p.write("secrets/a", realToken)
	first := patch(1, p.fill("once: x\n"+entry("action: create, user: u, name: a, token_file: ROOT/secrets/a")))
	if got := b.outcomes(first); got != "installed" {
		t.Fatal(got)
	}
	if err := os.Remove(p.path("secrets/a")); err != nil {
		t.Fatal(err)
	}
	again, second := first, first
	again.Recovered, second.ID = true, store.PatchID{2}
	if got := b.outcomes(again, second); got != "installed skipped" {
		t.Error(got)
	}
}

// The tokens of a file that another directory's token was written to are that
// token's, and a second one cannot have them.
func TestApplyTokenFileOfAnotherToken(t *testing.T) {
	p, b := newPlaces(t), newBench(t)
	b.Configure(p.Settings)
	p.write("secrets/a", realToken)
	b.outcomes(patch(1, p.fill(entry("action: create, user: u, name: a, token_file: ROOT/secrets/a"))))
	results, err := b.Apply(t.Context(), []Patch{patch(2, p.fill(entry("action: create, user: v, name: b, token_file: ROOT/secrets/a")))})
	if err != nil {
		t.Fatal(err)
	}
	if r := results[0]; r.Outcome != store.Failed || !strings.Contains(r.Reasons[0], "key is taken") {
		t.Errorf("%+v", r)
	}
}

// A plan reads what applying would read, and shows none of it.
func TestPreviewTokenFile(t *testing.T) {
	p, b := newPlaces(t), newBench(t)
	b.Configure(p.Settings)
	p.write("secrets/a", realToken)
	text := p.fill(entry("action: create, user: u, name: a, token_file: ROOT/secrets/a"))
	previews := b.Preview([]Patch{patch(1, text), patch(2, strings.Replace(text, "secrets/a", "secrets/b", 1))})
	if got := previews[0]; got.Outcome != store.Installed || got.Steps[0].Key.String() != realKey {
		t.Errorf("%+v", got)
	}
	if got := previews[1]; got.Outcome != store.Failed || len(got.Problems) != 1 {
		t.Errorf("%+v", got)
	}
}

// Many secrets are read in time, as a migration brings them.
func BenchmarkResolve(b *testing.B) {
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte(realToken), 0o600); err != nil {
		b.Fatal(err)
	}
	s := Settings{Rules: map[string]Rules{"spool": {SecretDirs: []string{dir}}}, Forbidden: []string{"/etc/passwd"}}
	m, problems := Decoder{}.Decode("x.yaml", []byte("action: create\ntokens:\n"+strings.Repeat("- {user: u, name: n, token_file: "+dir+"/a}\n", 1000)))
	if len(problems) > 0 {
		b.Fatal(problems)
	}
	start := time.Now()
	for b.Loop() {
		if _, problems := s.resolve(m, "spool"); len(problems) > 0 {
			b.Fatal(problems)
		}
	}
	b.ReportMetric(1000*float64(b.N)/time.Since(start).Seconds(), "files/s")
}
