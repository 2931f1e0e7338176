package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tokendrop/tokendrop/store"
)

// keeping is a drop directory in keep mode, called spool, over a bench: files are
// put into it and taken out, and every pass hands all of them in, as the first
// pass of a process does, a resync, and SIGHUP.
type keeping struct {
	*bench
	rules Rules
	files map[string]string
	last  map[string]Result
	swept Sweeping // by the last sweep
	id    int
}

func newKeeping(t *testing.T) *keeping {
	k := &keeping{bench: newBench(t), files: make(map[string]string), last: make(map[string]Result)}
	k.configure()
	return k
}

func (k *keeping) configure() {
	k.Configure(Settings{Rules: map[string]Rules{"spool": k.rules}})
}

// restart begins a new process.
func (k *keeping) restart() {
	k.reopen()
	k.configure()
	clear(k.last)
}

func (k *keeping) patch(path string) Patch {
	k.id++
	return Patch{
		ID: store.PatchID{0xff, byte(k.id >> 8), byte(k.id)}, Source: store.Source{Dir: "spool", Path: path},
		Data: []byte(k.files[path]), Kept: true,
	}
}

// hand hands files in, without a sweep.
func (k *keeping) hand(paths ...string) {
	k.t.Helper()
	var patches []Patch
	for _, path := range paths {
		patches = append(patches, k.patch(path))
	}
	results, err := k.Apply(context.Background(), patches)
	if err != nil {
		k.t.Fatal(err)
	}
	for i, path := range paths {
		k.last[path] = results[i]
	}
}

// paths are those of all files, in byte order.
func (k *keeping) paths() []string {
	paths := []string{}
	for path := range k.files {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

// sweep ends a pass.
func (k *keeping) sweep() {
	k.t.Helper()
	whole := len(k.files) > 0
	for path := range k.files {
		if o := k.last[path].Outcome; o != store.Installed && o != store.Skipped {
			whole = false
		}
	}
	var err error
	if k.swept, err = k.Swept(context.Background(), "spool", k.paths(), whole); err != nil {
		k.t.Fatal(err)
	}
}

func (k *keeping) pass() {
	k.t.Helper()
	k.hand(k.paths()...)
	k.sweep()
}

// put puts a file there and makes a pass.
func (k *keeping) put(path, text string) {
	k.t.Helper()
	k.files[path] = text
	k.pass()
}

// take takes files away and makes a pass.
func (k *keeping) take(paths ...string) {
	k.t.Helper()
	for _, path := range paths {
		delete(k.files, path)
	}
	k.pass()
}

// outcome is the last one of a file, or its reasons.
func (k *keeping) outcome(path string) string {
	if r := k.last[path]; r.Outcome == store.Failed {
		return strings.Join(r.Reasons, "\n")
	}
	return k.last[path].Outcome.String()
}

// entered is what has come into the ledger since it was asked last, a line an
// entry.
func (k *keeping) entered() string {
	k.t.Helper()
	var lines []string
	for e, err := range k.Store.Ledger(context.Background()) {
		if err != nil {
			k.t.Fatal(err)
		}
		var changes []string
		for _, c := range e.Changes {
			changes = append(changes, fmt.Sprintf("%s %s: %s", c.Action, c.Name.Name, c.Result))
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Path, e.Outcome, strings.Join(changes, ", "))))
	}
	return strings.Join(lines, "\n")
}

// since calls do, and is what it has brought into the ledger.
func (k *keeping) since(do func()) string {
	k.t.Helper()
	before := k.entered()
	do()
	return strings.TrimPrefix(strings.TrimPrefix(k.entered(), before), "\n")
}

// expect compares what do brings into the ledger.
func (k *keeping) expect(do func(), want ...string) {
	k.t.Helper()
	if got := k.since(do); got != strings.Join(want, "\n") {
		k.t.Errorf("entered is\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// order is a patch from elsewhere.
func (k *keeping) order(text string) {
	k.t.Helper()
	k.id++
	p := Patch{ID: store.PatchID{0xfe, byte(k.id >> 8), byte(k.id)}, Source: store.Source{Dir: "admin", Path: "order.yaml"}, Data: []byte(text)}
	results, err := k.Apply(context.Background(), []Patch{p})
	if err != nil || results[0].Outcome != store.Installed {
		k.t.Fatal(err, results)
	}
}

func (k *keeping) token(name string) (store.Record, bool) {
	return k.Store.ByName(store.Name{User: "u", Name: name})
}

func (k *keeping) active(name string) bool {
	rec, ok := k.token(name)
	return ok && rec.Active
}

const (
	ensuresA = "tokens: [{action: ensure, user: u, name: a, generate: true, description: one}]\n"
	ensuresB = "tokens: [{action: ensure, user: u, name: b, generate: true}]\n"
)

// What is new, changed or back is applied whole, and entered.
func TestKeptNewChangedBack(t *testing.T) {
	k := newKeeping(t)
	text := ensuresA + "users: [{user: x, blocked: true}]\n"
	k.expect(func() { k.put("1.yaml", text) }, "1.yaml installed ensure a: created, block : updated")
	k.expect(k.pass)
	k.expect(func() { k.put("1.yaml", text+"# changed\n") }, "1.yaml installed ensure a: unchanged, block : unchanged")
	k.expect(func() { k.put("1.yaml", text) }, "1.yaml installed ensure a: unchanged, block : unchanged")
	k.expect(func() { k.put("2.yaml", "# nothing\n") }, "2.yaml skipped")
	k.expect(k.pass)
	k.expect(func() { k.take("1.yaml", "2.yaml") })
	k.expect(k.pass)
	k.expect(func() { k.put("1.yaml", text) }, "1.yaml installed ensure a: unchanged, block : unchanged")
	k.restart()
	k.expect(k.pass)
	k.expect(func() { k.put("2.yaml", "# nothing\n") }, "2.yaml skipped")
	k.restart()
	delete(k.files, "1.yaml") // while nobody looks
	k.expect(k.pass)
	k.expect(func() { k.put("1.yaml", text) }, "1.yaml installed ensure a: unchanged, block : unchanged")
	if r := k.last["2.yaml"]; !r.Again || r.Redacted != nil || len(r.Warnings) > 0 {
		t.Errorf("%+v", r)
	}
}

// What a process that was mounted late has not seen is not taken for gone.
func TestKeptMountedLate(t *testing.T) {
	k := newKeeping(t)
	k.put("1.yaml", creates("a")+"- {action: regenerate, user: u, name: a}\n")
	text := k.files["1.yaml"]
	k.restart()
	delete(k.files, "1.yaml")
	k.expect(k.pass)
	k.expect(func() { k.put("1.yaml", text) })
	if k.generation("a") != 2 {
		t.Errorf("generation %d", k.generation("a"))
	}
}

// Create, ensure and users are made true again; other actions are not.
func TestKeptDrift(t *testing.T) {
	for name, again := range map[string]func(*keeping){
		"resync": func(*keeping) {},
		"start":  (*keeping).restart,
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeping(t)
			k.put("1.yaml", ensuresA+"users: [{user: x, blocked: true}]\n")
			k.put("2.yaml", creates("b"))
			k.put("3.yaml", entry("action: disable, user: u, name: b")+"- {action: regenerate, user: u, name: b}\n- {action: update, user: u, name: b, set: {description: two}}\n")
			k.order("tokens:\n- {action: update, user: u, name: a, set: {description: other}}\n- {action: update, user: u, name: b, set: {active: true, description: other}}\nusers: [{user: x, blocked: false}]\n")
			again(k)
			k.expect(k.pass, "1.yaml installed ensure a: updated, block : updated")
			k.expect(k.pass)
			if rec, _ := k.token("b"); rec.Description != "other" || !rec.Active || rec.Generation != 2 {
				t.Errorf("%+v", rec)
			}
			k.order("tokens: [{action: delete, user: u, name: a}, {action: delete, user: u, name: b}]\n")
			again(k)
			k.expect(k.pass, "1.yaml installed ensure a: created, block : unchanged", "2.yaml installed create b: created")
			if k.generation("b") != 1 {
				t.Errorf("generation %d", k.generation("b"))
			}
		})
	}
}

// A failure is entered once, however often it is tried, until something about it
// is different.
func TestKeptFailures(t *testing.T) {
	k := newKeeping(t)
	enables := entry("action: enable, user: u, name: a") + "- {action: regenerate, user: u, name: a}\n"
	k.expect(func() { k.put("1.yaml", enables) }, "1.yaml failed")
	k.expect(k.pass)
	if r := k.last["1.yaml"]; !r.Again || len(r.Reasons) == 0 {
		t.Errorf("the second time: %+v", r)
	}
	k.restart()
	k.expect(k.pass)
	k.expect(func() { k.put("1.yaml", enables+"# changed\n") }, "1.yaml failed")
	k.order(creates("a"))
	k.expect(k.pass, "1.yaml installed enable a: unchanged, regenerate a: updated")
	k.expect(k.pass)

	// One that was installed fails, and is well again: nothing is done twice.
	k.put("2.yaml", creates("b")+"- {action: regenerate, user: u, name: b}\n")
	k.rules.Policy = &Policy{Users: []string{"other"}}
	k.configure()
	k.expect(k.pass, "2.yaml failed") // of the other one nothing is evaluated again
	k.expect(k.pass)
	k.restart()
	k.expect(k.pass)
	k.rules.Policy = &Policy{Actions: []string{"delete"}} // for another reason
	k.configure()
	k.expect(k.pass, "2.yaml failed")
	k.rules.Policy = nil
	k.configure()
	k.expect(k.pass, "2.yaml installed create b: unchanged")
	if k.generation("a") != 2 || k.generation("b") != 2 {
		t.Errorf("generations %d and %d", k.generation("a"), k.generation("b"))
	}

	// Bad bytes in between are no reason either.
	good := k.files["2.yaml"]
	k.expect(func() { k.put("2.yaml", "tokens: 1\n") }, "2.yaml failed")
	k.expect(func() { k.put("2.yaml", good) }, "2.yaml installed create b: unchanged")
	if k.generation("b") != 2 {
		t.Errorf("generation %d", k.generation("b"))
	}
	k.expect(func() { k.put("2.yaml", ensuresB) }, "2.yaml installed ensure b: unchanged")
	k.expect(func() { k.put("2.yaml", good) }, "2.yaml installed create b: unchanged, regenerate b: updated") // it is another one now
}
