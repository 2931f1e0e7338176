package provision

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/memstore"
	"github.com/tokendrop/tokendrop/store/token"
)

// Nobody knows whether it was stored: the next process hands the file in under
// another ID, and a regenerate happens once.
func TestKeptAfterAnUnknownResult(t *testing.T) {
	for name, faults := range map[string]memstore.Faults{
		"failed and not stored": {Before: func(*store.Batch) error { return store.ErrUnknown }},
		"failed yet stored":     {After: func(*store.Batch) error { return store.ErrUnknown }},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeping(t)
			k.put("1.yaml", creates("a"))
			k.faults = faults
			k.files["2.yaml"] = regenerates("a")
			if _, err := k.Apply(t.Context(), []Patch{k.patch("1.yaml"), k.patch("2.yaml")}); !errors.Is(err, store.ErrUnknown) {
				t.Fatalf("Apply = %v", err)
			}
			k.faults = memstore.Faults{}
			for range 3 {
				k.restart()
				k.pass()
			}
			if k.generation("a") != 2 || len(k.ledger()) != 2 {
				t.Errorf("generation %d, ledger %q", k.generation("a"), k.ledger())
			}
		})
	}
}

// A store that cannot write for now decides nothing, and nothing is remembered of
// it; what needs no writing is decided.
func TestKeptWhileTheStoreIsBusy(t *testing.T) {
	k := newKeeping(t)
	k.put("1.yaml", creates("a"))
	k.faults.Before = func(*store.Batch) error { return store.ErrUnavailable }
	k.put("2.yaml", regenerates("a"))
	if a, b := k.outcome("1.yaml"), k.outcome("2.yaml"); a != "installed" || b != "" {
		t.Errorf("%q and %q", a, b)
	}
	delete(k.files, "2.yaml")
	k.pass()
	if got := k.outcome("1.yaml"); got != "installed" {
		t.Error(got)
	}
	k.files["2.yaml"] = regenerates("a")
	k.take("1.yaml") // which cannot be noted either
	k.faults.Before = nil
	k.expect(k.pass, "2.yaml installed regenerate a: updated")
	k.expect(func() { k.put("1.yaml", creates("a")) }, "1.yaml installed create a: unchanged")
	if k.generation("a") != 2 {
		t.Errorf("generation %d", k.generation("a"))
	}
}

func TestKeptOnce(t *testing.T) {
	k := newKeeping(t)
	text := "once: setup\n" + creates("a")
	k.expect(func() { k.put("1.yaml", text) }, "1.yaml installed create a: created")
	k.order("tokens: [{action: delete, user: u, name: a}]\n")
	k.expect(k.pass) // it is used up
	if got := k.outcome("1.yaml"); got != "installed" {
		t.Error(got)
	}
	k.expect(func() { k.put("1.yaml", text+"# other\n") }, "1.yaml failed")
	k.expect(func() { k.put("1.yaml", text) }, "1.yaml skipped")
	k.take("1.yaml")
	k.expect(func() { k.put("1.yaml", text) }, "1.yaml skipped")
	k.expect(k.pass)
	k.expect(func() { k.put("other.yaml", text) }, "other.yaml skipped")
}

// A signed file is evaluated over and over under its own serial number; an older
// one is refused, and no reason to refuse the present one afterwards.
func TestKeptSigned(t *testing.T) {
	s := newSigning(t)
	hand := func(text string) string {
		p := s.patch("spool", "x.yaml", text)
		p.Kept = true
		return s.apply(p)
	}
	sweep := func(present ...string) {
		if _, err := s.Swept(t.Context(), "spool", present, len(present) > 0); err != nil {
			t.Fatal(err)
		}
	}
	first := placed("spool/x.yaml", "1", creates("a"))
	second := placed("spool/x.yaml", "2", creates("a")+"- {action: regenerate, user: u, name: a}\n")
	const older = `x.yaml:2:9: policy: allowed_signers: "serial" is not higher`
	for i, step := range []struct{ text, want string }{
		{first, "installed"},
		{first, "installed"},
		{second, "installed"},
		{second, "installed"},
		{first, older},
		{first, older},
		{second, "installed"},
		{placed("spool/x.yaml", "2", creates("b")), older},
		{second, "installed"},
	} {
		if got := hand(step.text); !strings.HasPrefix(got, step.want) {
			t.Errorf("step %d: got\n%s\nwant\n%s", i, got, step.want)
		}
		sweep("x.yaml")
	}
	sweep()
	sweep("y.yaml") // it has vanished, and comes back
	sweep("y.yaml")
	if got := hand(first); !strings.HasPrefix(got, older) {
		t.Error(got)
	}
	if got := hand(second); got != "installed" || s.generation("a") != 2 {
		t.Errorf("%s, generation %d", got, s.generation("a"))
	}
	s.allow("alice@here " + s.keys.public("ed25519-2")) // who has signed it may not any more
	if got := hand(second); !strings.HasPrefix(got, "x.yaml: policy: allowed_signers:") {
		t.Error(got)
	}
	if rec, _ := s.Store.ByName(store.Name{User: "u", Name: "a"}); !rec.Active || rec.Generation != 2 {
		t.Errorf("%+v", rec)
	}
}

// needUnix skips a test of files that manifests name.
func needUnix(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("their paths, owners and modes are Unix's")
	}
}

// What is generated is written once, also when a crash comes between the commit
// and the file, and the file is not touched again.
func TestKeptWriteTo(t *testing.T) {
	needUnix(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	k := newKeeping(t)
	k.rules.OutputDirs = []string{dir}
	k.configure()
	crash := errors.New("crash")
	k.step = func(name string) error {
		if name == "committed" {
			return crash
		}
		return nil
	}
	k.files["1.yaml"] = entry("action: create, user: u, name: a, generate: true") +
		"- {action: regenerate, user: u, name: a, write_to: {path: " + path + "}}\n"
	if _, err := k.Apply(t.Context(), []Patch{k.patch("1.yaml")}); !errors.Is(err, crash) {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Fatal("the file is there before the crash")
	}
	k.restart()
	k.expect(k.pass)
	written := k.readToken(path)
	for range 2 {
		k.expect(k.pass)
		if k.readToken(path) != written || k.generation("a") != 2 {
			t.Errorf("%q after %q, generation %d", k.readToken(path), written, k.generation("a"))
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	k.expect(k.pass) // what somebody takes away is not made again
	if r := k.last["1.yaml"]; r.Outcome != store.Installed || len(r.Warnings) > 0 {
		t.Errorf("%+v", r)
	}
}

// readToken reads a token that is good.
func (k *keeping) readToken(path string) string {
	k.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		k.t.Fatal(err)
	}
	tok, err := (token.Formats{}).Parse(strings.TrimSpace(string(data)))
	if err != nil {
		k.t.Fatal(err)
	}
	rec, ok := k.Store.ByKey(tok.Key)
	if !ok || !rec.Credential(tok.Key).Digest.Equal(tok.Digest()) {
		k.t.Fatalf("the token in %s is not good", path)
	}
	return string(data)
}

// The file of a secret may be gone once nothing of it is evaluated again, and is
// read again where it is.
func TestKeptTokenFile(t *testing.T) {
	needUnix(t)
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for i, name := range []string{"ensured", "regenerated"} {
		if err := os.WriteFile(path(name), []byte(numbered[i]+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	k := newKeeping(t)
	k.rules.SecretDirs = []string{dir}
	k.configure()
	k.put("1.yaml", "tokens:\n- {action: ensure, user: u, name: a, token_file: "+path("ensured")+"}\n"+
		"- {action: create, user: u, name: b, generate: true}\n- {action: regenerate, user: u, name: b, token_file: "+path("regenerated")+"}\n")
	if err := os.Remove(path("regenerated")); err != nil {
		t.Fatal(err)
	}
	k.expect(k.pass)
	if err := os.WriteFile(path("ensured"), []byte(numbered[2]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	k.expect(k.pass, "1.yaml installed ensure a: updated, create b: unchanged")
	if err := os.Remove(path("ensured")); err != nil {
		t.Fatal(err)
	}
	k.expect(k.pass, "1.yaml failed")
}

// A renamed file is a new patch, and makes no new secret. One that has vanished
// before is simply new.
func TestKeptRenamed(t *testing.T) {
	k := newKeeping(t)
	text := creates("a") + "- {action: regenerate, user: u, name: a}\n- {action: update, user: u, name: a, set: {description: one}}\n"
	k.put("1.yaml", text)
	rename := func(from, to string) {
		k.files[to] = k.files[from]
		delete(k.files, from)
	}
	k.order(entry("action: update, user: u, name: a, set: {description: other}"))
	rename("1.yaml", "2.yaml")
	k.expect(k.pass, "2.yaml installed create a: unchanged, update a: updated")
	k.expect(k.pass)
	rename("2.yaml", "3.yaml") // while nobody looks
	k.restart()
	k.expect(k.pass, "3.yaml installed create a: unchanged, update a: unchanged")
	k.expect(func() { k.put("copy.yaml", text) }, "copy.yaml installed create a: unchanged, update a: unchanged")
	if k.generation("a") != 2 {
		t.Errorf("generation %d", k.generation("a"))
	}
	k.take("3.yaml", "copy.yaml")
	k.expect(func() { k.put("1.yaml", text) }, "1.yaml installed create a: unchanged, regenerate a: updated, update a: unchanged")
}

// What a later entry has undone does not come back by itself.
func TestKeptUndone(t *testing.T) {
	secret := tok(0)
	for name, tt := range map[string]struct {
		entries string
		order   string // from elsewhere, between the two passes
		want    string
	}{
		"delete":         {"- {action: ensure, user: u, name: a, generate: true}\n- {action: delete, user: u, name: a}\n", "", ""},
		"revoke":         {"- {action: create, user: u, name: a, " + secret + "}\n- {action: revoke, " + secret + "}\n", "", ""},
		"disable":        {"- {action: ensure, user: u, name: a, active: true, generate: true}\n- {action: disable, user: u, name: a}\n", "", ""},
		"disable all":    {"- {action: ensure, user: u, name: a, active: true, generate: true}\n- {action: disable, user: u, all: true}\n", "", ""},
		"disabled, gone": {"- {action: ensure, user: u, name: a, active: true, generate: true}\n- {action: disable, user: u, name: a}\n", "- {action: delete, user: u, name: a}\n", ""},
		"rename":         {"- {action: ensure, user: u, name: a, generate: true}\n- {action: update, user: u, name: a, set: {name: b}}\n", "", ""},
		"update":         {"- {action: ensure, user: u, name: a, type: full-access, generate: true}\n- {action: update, user: u, name: a, set: {type: read-only}}\n", "", ""},
		"literal, regenerate": {
			"- {action: ensure, user: u, name: a, " + secret + "}\n- {action: regenerate, user: u, name: a}\n", "", "",
		},
		"generated, regenerate": {
			"- {action: ensure, user: u, name: a, generate: true, description: one}\n- {action: regenerate, user: u, name: a}\n",
			"- {action: update, user: u, name: a, set: {description: two}}\n", "1.yaml installed ensure a: updated",
		},
		"delete first": {
			"- {action: delete, user: u, name: a}\n- {action: ensure, user: u, name: a, generate: true}\n",
			"- {action: delete, user: u, name: a}\n", "1.yaml installed ensure a: created",
		},
		"another token": {
			"- {action: ensure, user: u, name: a, generate: true}\n- {action: create, user: u, name: b, generate: true}\n- {action: delete, user: u, name: b}\n",
			"- {action: delete, user: u, name: a}\n", "1.yaml installed ensure a: created",
		},
		"copied": {
			"- {action: ensure, user: u, name: a, generate: true}\n- {action: copy, user: u, name: b, from: {user: u, name: a}}\n",
			"- {action: delete, user: u, name: a}\n", "1.yaml installed ensure a: created",
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeping(t)
			k.put("1.yaml", "tokens:\n"+tt.entries)
			if got := k.outcome("1.yaml"); got != "installed" {
				t.Fatal(got)
			}
			if tt.order != "" {
				k.order("tokens:\n" + tt.order)
			}
			if tt.want == "" {
				k.expect(k.pass)
			} else {
				k.expect(k.pass, tt.want)
			}
		})
	}
}

// An entry that selects by its key is recognized by the token that has it.
func TestKeptUndoneByKey(t *testing.T) {
	k := newKeeping(t)
	k.order(creates("a"))
	rec, _ := k.token("a")
	key := rec.Key().String()
	k.put("1.yaml", "tokens:\n- {action: ensure, key: "+key+", active: true}\n- {action: disable, user: u, name: a}\n")
	k.put("2.yaml", "tokens:\n- {action: ensure, user: u, name: a, description: one}\n- {action: disable, key: "+key+"}\n")
	k.expect(k.pass)
	if k.active("a") {
		t.Error("a is good again")
	}
}

// Whatever the clock and the time zone say, the same files mean the same.
func TestKeptClock(t *testing.T) {
	zones := []string{"UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Pago_Pago"}
	for _, name := range zones {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Skip(err)
		}
		t.Run(name, func(t *testing.T) {
			k := newKeeping(t)
			k.rules.Prune, k.rules.PruneLimit = PruneDelete, PruneLimit{Percent: 100}
			k.configure()
			k.at = k.at.In(zone)
			k.put("1.yaml", "tokens:\n- {action: ensure, user: u, name: a, generate: true, expires_in: 30d}\n- {action: ensure, user: u, name: b, generate: true, expires_at: 2026-12-31, not_before: 2026-01-01}\n")
			k.put("2.yaml", creates("c")+"- {action: regenerate, user: u, name: c, older_than: 1d}\n- {action: regenerate, user: u, name: c}\n")
			before := k.state()
			for _, years := range []int{10, -20, 30, -40, 20} {
				k.at = k.at.AddDate(years, 0, 0)
				k.expect(k.pass)
				k.restart()
				k.expect(k.pass)
				if after := k.state(); after != before {
					t.Errorf("%d years on:\n%s\nbefore\n%s", years, after, before)
				}
			}
			k.expect(func() { k.take("1.yaml") }, "1.yaml installed delete a: deleted, delete b: deleted")
		})
	}
}

// state is all that the tokens are.
func (k *keeping) state() string {
	var b strings.Builder
	for _, rec := range k.Store.OfUser("u") {
		b.WriteString(rec.Name.Name + " ")
		b.Write(store.AppendRecord(nil, &rec))
		b.WriteString("\n")
	}
	return b.String()
}

// A directory that could not be written to for a while has kept its files: what
// was applied then is not done again when they are claimed.
func TestKeptForAWhile(t *testing.T) {
	k := newKeeping(t)
	k.files["a.yaml"] = "tokens:\n- {action: create, user: u, name: n, generate: true}\n"
	k.files["b.yaml"] = "tokens:\n- {action: regenerate, user: u, name: n}\n"
	k.hand("a.yaml", "b.yaml")
	claim := func(path string) {
		t.Helper()
		p := k.patch(path)
		p.Kept = false
		results, err := k.Apply(t.Context(), []Patch{p})
		if err != nil || results[0].Outcome != store.Installed {
			t.Fatalf("%s: %v, %v", path, results, err)
		}
	}
	generation := func(want uint64) {
		t.Helper()
		if got := k.generation("n"); got != want {
			t.Errorf("generation %d, want %d", got, want)
		}
	}
	generation(2)
	k.restart()
	claim("a.yaml")
	claim("b.yaml")
	generation(2)
	claim("b.yaml") // dropped again, it is a patch of its own
	generation(3)
}
