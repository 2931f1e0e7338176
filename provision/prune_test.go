package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tokendrop/tokendrop/store"
)

// newPruning is a drop directory that prunes.
func newPruning(t *testing.T, mode Prune) *keeping {
	k := newKeeping(t)
	k.rules.Prune, k.rules.PruneLimit = mode, PruneLimit{Percent: 20}
	k.configure()
	return k
}

// many are ensures of n tokens, from t0.
func many(n int) string {
	var b strings.Builder
	b.WriteString("tokens:\n")
	for i := range n {
		fmt.Fprintf(&b, "- {action: ensure, user: u, name: t%d, generate: true}\n", i)
	}
	return b.String()
}

func (k *keeping) names() string {
	var names []string
	for _, rec := range k.Store.OfUser("u") {
		if rec.Active {
			names = append(names, rec.Name.Name)
		}
	}
	return strings.Join(names, " ")
}

// why is why nothing is pruned, empty where that is not so.
func (k *keeping) why() string {
	k.t.Helper()
	list := k.Withheld()
	if len(list) == 0 {
		return ""
	}
	if len(list) > 1 || list[0].Dir != "spool" || list[0].Count < len(list[0].Tokens) {
		k.t.Errorf("withheld is %+v", list)
	}
	return fmt.Sprintf("%d of at most %d: %s", list[0].Count, list[0].Limit, list[0].Reason)
}

func TestPrune(t *testing.T) {
	for mode, done := range map[Prune]string{PruneDelete: "delete a: deleted", PruneDisable: "disable a: updated"} {
		t.Run(string(mode), func(t *testing.T) {
			k := newPruning(t, mode)
			k.put("1.yaml", ensuresA)
			k.put("2.yaml", ensuresB)
			k.order(creates("elsewhere"))
			k.expect(k.pass)
			k.expect(func() { k.take("1.yaml") }, "1.yaml installed "+done)
			if got := k.names(); got != "b elsewhere" {
				t.Error(got)
			}
			k.expect(k.pass) // it is gone, or disabled, already
			k.restart()
			k.expect(k.pass)
			for e, err := range k.Store.Ledger(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				if e.Path == "1.yaml" && e.Changes[0].Action != "ensure" && (e.Dir != "spool" || e.Author != "" || !e.Changed || e.SHA256 != [32]byte{}) {
					t.Errorf("%+v", e)
				}
			}
			if k.why() != "" {
				t.Error(k.why())
			}
		})
	}
}

func TestPruneOff(t *testing.T) {
	k := newPruning(t, PruneOff)
	k.put("1.yaml", ensuresA)
	k.put("2.yaml", ensuresB)
	k.expect(func() { k.take("1.yaml") })
	if n, err := k.Prune(t.Context(), "spool"); n != 0 || !errors.Is(err, ErrNoPrune) {
		t.Errorf("%d, %v", n, err)
	}
}

// Which entries state a token, so that it stays.
func TestPruneStated(t *testing.T) {
	for entry, stays := range map[string]bool{
		"{action: create, user: u, name: a, generate: true}":             true,
		"{action: ensure, user: u, name: a}":                             true,
		"{action: ensure, key: KEY}":                                     true,
		"{action: update, key: KEY, set: {description: x}}":              true,
		"{action: update, user: u, name: a, set: {description: x}}":      true,
		"{action: update, key: [KEY], set: {description: x}}":            true,
		"{action: enable, user: u, name: a}":                             true,
		"{action: disable, user: u, all: true}":                          true,
		"{action: regenerate, user: u, name: a, generation: 1}":          true,
		"{action: copy, user: u, name: a, from: {user: u, name: other}}": true,
		"{action: copy, user: u, name: new, from: {user: u, name: a}}":   false,
		"{action: delete, user: u, name: gone}":                          false,
		"{action: ensure, user: v, name: a, generate: true}":             false,
	} {
		t.Run(entry, func(t *testing.T) {
			k := newPruning(t, PruneDelete)
			k.order(creates("other"))
			k.put("1.yaml", ensuresA)
			rec, _ := k.token("a")
			k.files["2.yaml"] = "tokens:\n- " + strings.ReplaceAll(entry, "KEY", rec.Key().String()) + "\n"
			k.take("1.yaml")
			if got := k.outcome("2.yaml"); got != "installed" {
				t.Fatal(got)
			}
			if _, there := k.token("a"); there != stays {
				t.Errorf("the token is there: %v", there)
			}
		})
	}
}

// A token that is renamed from within the directory stays with the rename, and
// one whose manifest has run once stays with that.
func TestPruneRenamedAndOnce(t *testing.T) {
	k := newPruning(t, PruneDelete)
	k.put("1.yaml", "once: setup\n"+creates("a"))
	k.put("2.yaml", "tokens: [{action: update, user: u, name: a, set: {name: b}}]\n")
	k.restart()
	k.expect(k.pass)
	if got := k.names(); got != "b" {
		t.Error(got)
	}
	k.expect(func() { k.take("2.yaml") }, "1.yaml installed delete b: deleted")
}

// One token that several patches state goes with the last of them.
func TestPruneSharedToken(t *testing.T) {
	k := newPruning(t, PruneDelete)
	k.put("1.yaml", ensuresA)
	k.put("2.yaml", ensuresA)
	k.put("3.yaml", ensuresB)
	k.expect(func() { k.take("1.yaml") })
	k.expect(func() { k.take("2.yaml") }, "1.yaml installed delete a: deleted")
	k.expect(func() { k.put("3.yaml", "# nothing\n") }, "3.yaml skipped", "3.yaml installed delete b: deleted")
}

// Whatever cannot be seen whole prunes nothing, not even when it is told to.
func TestPruneGuards(t *testing.T) {
	none := func(*keeping) {}
	for name, tt := range map[string]struct {
		before func(*keeping) // while nobody looks, after 1.yaml is taken away
		why    string
	}{
		"failed":            {func(k *keeping) { k.files["3.yaml"] = "tokens: 1\n" }, "1 of at most 3: " + string(NotWhole)},
		"empty":             {func(k *keeping) { clear(k.files) }, "2 of at most 3: " + string(NothingIn)},
		"whole":             {none, ""},
		"failed after that": {func(k *keeping) { k.files["2.yaml"] = "tokens: 1\n" }, "1 of at most 3: " + string(NotWhole)},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprint(name, restart), func(t *testing.T) {
				k := newPruning(t, PruneDelete)
				k.put("1.yaml", ensuresA)
				k.put("2.yaml", ensuresB)
				delete(k.files, "1.yaml")
				tt.before(k)
				if restart {
					k.restart()
				}
				k.pass()
				why := tt.why
				if restart && strings.HasSuffix(name, "that") { // nothing is known of what cannot be read
					why = strings.Replace(why, "1", "2", 1)
				}
				if got := k.why(); got != why {
					t.Errorf("%q, want %q", got, why)
				}
				if why == "" {
					return
				}
				if n, err := k.Prune(t.Context(), "spool"); n != 0 || !errors.Is(err, ErrNoPrune) {
					t.Errorf("%d, %v", n, err)
				}
				if got := k.names(); got != "a b" {
					t.Error(got)
				}
				delete(k.files, "3.yaml")
				k.put("2.yaml", ensuresB)
				if got := k.names(); got != "b" || k.why() != "" {
					t.Errorf("%s, %s", got, k.why())
				}
			})
		}
	}
}

// What this process has not read prunes nothing: a file that waits, a directory
// that is not there, which is never swept, and one that was not swept yet.
func TestPruneUnread(t *testing.T) {
	k := newPruning(t, PruneDelete)
	k.put("1.yaml", ensuresA)
	k.put("2.yaml", ensuresB)
	delete(k.files, "1.yaml")
	k.restart()
	if _, err := k.Prune(t.Context(), "spool"); !errors.Is(err, ErrNoPrune) {
		t.Error(err)
	}
	if _, err := k.Swept(t.Context(), "spool", k.paths(), true); err != nil { // nothing was handed in
		t.Fatal(err)
	}
	k.files["3.yaml"] = ensuresA
	k.hand("2.yaml")
	k.sweep() // it cannot be read
	if got := k.names(); got != "a b" {
		t.Error(got)
	}
	k.hand("3.yaml")
	k.sweep()
	if got := k.names(); got != "a b" {
		t.Error(got)
	}
}

// More than the limit waits for somebody to say so.
func TestPruneLimit(t *testing.T) {
	for _, tt := range []struct {
		limit      PruneLimit
		have, take int
		want       string
	}{
		{PruneLimit{Percent: 20}, 4, 3, ""},
		{PruneLimit{Percent: 20}, 5, 4, "4 of at most 3"},
		{PruneLimit{Percent: 20}, 19, 3, ""},
		{PruneLimit{Percent: 20}, 20, 5, "5 of at most 4"},
		{PruneLimit{Percent: 20}, 20, 4, ""},
		{PruneLimit{Percent: 20}, 24, 5, "5 of at most 4"},
		{PruneLimit{Percent: 0}, 200, 4, "4 of at most 3"},
		{PruneLimit{Percent: 100}, 200, 199, ""},
		{PruneLimit{Tokens: 7}, 200, 8, "8 of at most 7"},
		{PruneLimit{Tokens: 7}, 200, 7, ""},
		{PruneLimit{}, 200, 4, "4 of at most 3"},
	} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			k := newPruning(t, PruneDelete)
			k.rules.PruneLimit = tt.limit
			k.configure()
			k.put("1.yaml", many(tt.have))
			k.put("1.yaml", many(tt.have-tt.take))
			want := tt.want
			if want != "" {
				want += ": " + string(OverLimit)
			}
			if got := k.why(); got != want || (k.swept.Withheld != nil) != (want != "") || want == "" && k.swept.Pruned != tt.take {
				t.Fatalf("%q, want %q, %+v", got, want, k.swept)
			}
			if k.pass(); k.swept != (Sweeping{}) {
				t.Errorf("it is news again: %+v", k.swept)
			}
			left := tt.have - tt.take
			if want == "" {
				if got := k.Store.CountFrom("spool"); got != left {
					t.Errorf("%d tokens", got)
				}
				return
			}
			k.restart()
			k.pass()
			if got := k.Store.CountFrom("spool"); got != tt.have || k.why() != want {
				t.Errorf("%d tokens, %s", got, k.why())
			}
			if n, err := k.Prune(t.Context(), "spool"); n != tt.take || err != nil {
				t.Errorf("%d, %v", n, err)
			}
			if got := k.Store.CountFrom("spool"); got != left || k.why() != "" {
				t.Errorf("%d tokens, %q", got, k.why())
			}
			if n, err := k.Prune(t.Context(), "spool"); n != 0 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		})
	}
}

// What is withheld goes with its cause: the patch comes back, the tokens are
// taken away by hand, or pruning is turned off.
func TestWithheldEnds(t *testing.T) {
	for name, end := range map[string]func(*keeping){
		"back":    func(k *keeping) { k.put("1.yaml", many(6)) },
		"by hand": func(k *keeping) { k.order("tokens: [{action: delete, user: u, all: true}]\n"); k.sweep() },
		"off":     func(k *keeping) { k.rules.Prune = PruneOff; k.configure() },
		"raised":  func(k *keeping) { k.rules.PruneLimit = PruneLimit{Tokens: 6}; k.configure(); k.sweep() },
	} {
		t.Run(name, func(t *testing.T) {
			k := newPruning(t, PruneDelete)
			k.put("0.yaml", "# nothing\n")
			k.put("1.yaml", many(6))
			k.take("1.yaml")
			if !strings.HasPrefix(k.why(), "6 of at most 3") {
				t.Fatal(k.why())
			}
			if names := k.Withheld()[0].Tokens; len(names) != 6 || !slices.IsSortedFunc(names, store.Name.Compare) {
				t.Errorf("%v", names)
			}
			end(k)
			if k.why() != "" {
				t.Error(k.why())
			}
		})
	}
}

// A token that was disabled by hand is deleted like any other, is not disabled
// again, and an ensure that says nothing of it leaves it so.
func TestPruneDisabled(t *testing.T) {
	k := newPruning(t, PruneDisable)
	k.put("1.yaml", ensuresA)
	k.put("2.yaml", ensuresB)
	k.order("tokens: [{action: disable, user: u, name: a}]\n")
	k.expect(func() { k.take("1.yaml") })
	k.order("tokens: [{action: enable, user: u, name: a}]\n")
	k.expect(k.pass, "1.yaml installed disable a: updated")
	k.expect(func() { k.put("1.yaml", ensuresA) }, "1.yaml installed ensure a: unchanged")
	if k.active("a") {
		t.Error("the token is good again")
	}
	k.expect(func() { k.put("1.yaml", strings.Replace(ensuresA, "description: one", "active: true", 1)) }, "1.yaml installed ensure a: updated")
	k.order("tokens: [{action: disable, user: u, name: a}]\n")
	k.rules.Prune = PruneDelete
	k.configure()
	k.expect(func() { k.take("1.yaml") }, "1.yaml installed delete a: deleted")
}

// A prune that fails, or whose result nobody knows, is made by the next pass.
func TestPruneFails(t *testing.T) {
	for name, tt := range map[string]struct {
		before, after error
		fatal         bool
	}{
		"busy":    {before: store.ErrUnavailable},
		"overrun": {before: store.ErrConflict},
		"unknown": {before: store.ErrUnknown, fatal: true},
		"stored":  {after: store.ErrUnknown, fatal: true},
	} {
		t.Run(name, func(t *testing.T) {
			k := newPruning(t, PruneDelete)
			k.put("1.yaml", ensuresA)
			k.put("2.yaml", ensuresB)
			delete(k.files, "1.yaml")
			k.hand("2.yaml")
			k.faults.Before = func(b *store.Batch) error {
				if len(b.Delete) == 0 {
					return nil
				}
				return tt.before
			}
			k.faults.After = func(b *store.Batch) error {
				if len(b.Delete) == 0 {
					return nil
				}
				return tt.after
			}
			_, err := k.Swept(context.Background(), "spool", k.paths(), true)
			if errors.Is(err, store.ErrUnknown) != tt.fatal || !tt.fatal && err != nil {
				t.Fatal(err)
			}
			k.faults.Before, k.faults.After = nil, nil
			if tt.fatal {
				k.restart()
			}
			k.pass()
			k.pass()
			if got := k.names(); got != "b" {
				t.Error(got)
			}
			if got := len(k.ledger()); got != 3 {
				t.Errorf("%d entries: %q", got, k.ledger())
			}
		})
	}
}

// The first issue of a token that is pruned is remembered, as of one that is
// deleted, and what the policy permits patches does not bind the prune.
func TestPrunePolicy(t *testing.T) {
	k := newPruning(t, PruneDelete)
	k.rules.Policy = &Policy{Actions: []string{"ensure"}, MaxLifetime: oneDay}
	k.configure()
	k.put("1.yaml", "tokens: [{action: ensure, user: u, name: a, generate: true, expires_in: 1h}]\n")
	k.put("2.yaml", "# nothing\n")
	k.expect(func() { k.take("1.yaml") }, "1.yaml installed delete a: deleted")
	if m, ok := k.Store.Mark(store.FirstIssueID(store.Name{User: "u", Name: "a"})); !ok || !store.TimeOf(m.Value).Equal(k.at) {
		t.Errorf("%+v", m)
	}
}

// Many go at once, in commits that the store takes.
func TestPruneMany(t *testing.T) {
	k := newPruning(t, PruneDelete)
	k.rules.PruneLimit = PruneLimit{Percent: 100}
	k.configure()
	const files, each = 3, 4000
	for i := range files {
		k.files[fmt.Sprintf("%d.yaml", i)] = strings.ReplaceAll(many(each), "name: t", fmt.Sprintf("name: f%d-", i))
	}
	k.files["z.yaml"] = ensuresA
	k.pass()
	for i := range files {
		delete(k.files, fmt.Sprintf("%d.yaml", i))
	}
	before := len(k.ledger())
	k.pass()
	if got := k.Store.CountFrom("spool"); got != 1 {
		t.Errorf("%d tokens", got)
	}
	if got := len(k.ledger()) - before; got != files+1 { // one source is divided between two commits
		t.Errorf("%d entries", got)
	}
}
