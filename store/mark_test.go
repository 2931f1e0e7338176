package store

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store/token"
)

func TestMarkIDsDiffer(t *testing.T) {
	texts := []string{"", "a", "ab", "b", "abc", "bc", "c", "\x00", "\x01", "\x00a", "a\x00", "/", "a/b", "\xff"}
	seen := make(map[MarkID]string)
	add := func(id MarkID, from string) {
		if before, ok := seen[id]; ok {
			t.Errorf("%s and %s are one mark", before, from)
		}
		seen[id] = from
	}
	for _, a := range texts {
		add(UserRuleID(a), "rule "+a)
		add(SerialID(a), "serial "+a)
		add(RevokedID(token.Key{}, a), "revoked "+a)
		add(RevokedID(token.Key{15: 'a'}, a), "revoked a "+a)
		for _, b := range texts {
			add(OnceID(a, b), "once "+a+" "+b)
			at := Source{Dir: a, Path: b}
			add(KeptID(at), "kept "+a+" "+b)
			if got, ok := KeptSource(KeptID(at)); !ok || got != at {
				t.Errorf("%+v comes back as %+v, %v", at, got, ok)
			}
		}
	}
}

func FuzzMarkIDs(f *testing.F) {
	f.Add("a", "bc", "ab", "c")
	f.Add("", "\x01a", "\x01", "a")
	f.Add(string(bytes.Repeat([]byte{'d'}, 128)), "", "d", "")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		if same := a == c && b == d; (OnceID(a, b) == OnceID(c, d)) != same {
			t.Errorf("%q with %q and %q with %q: same is %v", a, b, c, d, same)
		}
		var x, y token.Key
		copy(x[:], a)
		copy(y[:], c)
		if (RevokedID(x, b) == RevokedID(y, d)) != (x == y && b == d) {
			t.Errorf("key %x of %q and key %x of %q are one mark", x, b, y, d)
		}
	})
}

func TestRuleValue(t *testing.T) {
	for _, r := range []Rule{{}, {Blocked: true}, {Blocked: true, Reason: "left"}, {Reason: "back"}, {Blocked: true, Reason: "a"}} {
		if got := RuleOf(r.Value()); got != r {
			t.Errorf("rule %+v comes back as %+v", r, got)
		}
	}
	// What cannot be read blocks.
	for _, value := range []string{"", "x", "B", "\x00"} {
		if !RuleOf(value).Blocked {
			t.Errorf("a rule of value %q blocks nobody", value)
		}
	}
}

func TestRules(t *testing.T) {
	blocked := func(reason string) Rule { return Rule{Blocked: true, Reason: reason} }
	var r rules
	for _, step := range []struct {
		pattern string
		rule    Rule
	}{
		{"/users/*", blocked("all")},
		{"**", blocked("everybody")},
		{"/users/a*", Rule{Reason: "a"}},
		{"/users/anna", blocked("anna")},
		{"/users/an*", blocked("an")},
		{"/users/an*", Rule{Reason: "an again"}}, // replaced
		{"/users/bob", blocked("bob")},
		{"/users/bob", Rule{}},
		{"x*", Rule{Reason: "begins"}},
		{"*y", blocked("ends")},
		{"*z", Rule{Reason: "ends"}},
	} {
		r.set(step.pattern, step.rule)
	}
	for user, want := range map[string]Rule{
		"/users/anna":   blocked("anna"),
		"/users/andrew": {Reason: "an again"},
		"/users/alice":  {Reason: "a"},
		"/users/carol":  blocked("all"),
		"/users/bob":    {},
		"/users/x/y":    blocked("everybody"),
		"":              blocked("everybody"),
		"xy":            blocked("ends"), // of equals, the one that blocks
		"xz":            {Reason: "ends"},
	} {
		if got := r.of(user); got != want {
			t.Errorf("the rule for %q is %+v, want %+v", user, got, want)
		}
	}
	if n := len(r.patterns); n != 7 {
		t.Errorf("%d patterns are kept, want 7", n)
	}
	if got := new(rules).of("u"); got != (Rule{}) {
		t.Errorf("without rules the rule is %+v", got)
	}
}

func TestKeptFileValue(t *testing.T) {
	for _, f := range []KeptFile{
		{Outcome: Installed, Applied: [32]byte{9}},
		{Outcome: Skipped, Sum: [32]byte{1, 31: 2}},
		{Outcome: Failed, Applied: [32]byte{4}, Sum: [32]byte{1}, Reasons: [32]byte{31: 3}},
	} {
		value := f.Value()
		if got, ok := KeptFileOf(value); !ok || got != f {
			t.Errorf("%+v comes back as %+v, %v", f, got, ok)
		}
		for _, wrong := range []string{value[:len(value)-1], value + "\x00", "\x00" + value[1:], "\x04" + value[1:]} {
			if f, ok := KeptFileOf(wrong); ok {
				t.Errorf("%q is read as %+v", wrong, f)
			}
		}
	}
	for _, id := range []MarkID{{Kind: Kept}, {Kind: Kept, Key: "\x02a"}, OnceID("a", "b")} {
		if at, ok := KeptSource(id); ok {
			t.Errorf("%q is the place %+v", id, at)
		}
	}
	if f, ok := KeptFileOf(""); ok {
		t.Errorf("nothing is read as %+v", f)
	}
}

func TestOutputValue(t *testing.T) {
	at := time.Date(2026, 6, 1, 12, 0, 0, int(time.Millisecond), time.UTC)
	for _, o := range []Output{
		{Sum: [32]byte{1}},
		{Name: Name{User: "u\x00", Name: "n"}, CreatedAt: at, Keys: []token.Key{{1}, {}}, Sum: [32]byte{31: 1}, Replaced: [32]byte{2}},
	} {
		if got, ok := OutputOf(o.Value()); !ok || !reflect.DeepEqual(got, o) {
			t.Errorf("%+v comes back as %+v, %v", o, got, ok)
		}
		if _, ok := OutputOf(o.Value()[:len(o.Value())-1]); ok {
			t.Errorf("%+v: a part of it is read", o)
		}
	}
	for _, value := range []string{"", "x", "\x00"} {
		if _, ok := OutputOf(value); ok {
			t.Errorf("%q is an output", value)
		}
	}
}
