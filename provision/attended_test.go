//go:build unix

package provision

import (
	"testing"

	"github.com/tokendrop/tokendrop/store"
)

// Invariant 4 of what a manifest points to: who attends is handed the tokens that
// go to no file, and that once.
func TestAttended(t *testing.T) {
	w := newWriting(t)
	text := w.fill(createsInto("a", "out/a") +
		"- {action: create, user: u, name: b, generate: true}\n" +
		"- {action: regenerate, user: u, name: b}\n" +
		"- {action: create, user: u, name: c, " + tok(1) + "}\n")
	p := patch(1, text)
	p.Attended = true
	apply := func(p Patch) Result {
		results, err := w.Apply(t.Context(), []Patch{p})
		if err != nil || results[0].Outcome != store.Installed {
			t.Fatal(results, err)
		}
		return results[0]
	}
	r := apply(p)
	if len(r.Made) != 2 {
		t.Fatalf("%d tokens, want the two of b", len(r.Made))
	}
	b, _ := w.Store.ByName(store.Name{User: "u", Name: "b"})
	if made := r.Made[1]; made.Key != b.Key() || !w.Applier.Settings().Keys.Proves(b.Credentials[0].Digest, b.Credentials[0].Pepper, made.Digest()) {
		t.Error("the last one is not b's token")
	}
	for _, warned := range r.Warnings {
		if warned.Text == warnUnseen || warned.Text == warnLiteral {
			t.Errorf("warned of %q", warned.Text)
		}
	}
	p.Recovered = true
	if again := apply(p); len(again.Made) > 0 {
		t.Error("the ledger knows tokens")
	}
	other := patch(2, regenerates("b"))
	if r := apply(other); len(r.Made) > 0 || len(r.Warnings) == 0 {
		t.Errorf("a patch that nobody attends to: %d tokens, warned of %q", len(r.Made), r.Warnings)
	}
}
