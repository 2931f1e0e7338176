package store

import (
	"slices"
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern, user string
		want          bool
	}{
		{"alice", "alice", true},
		{"alice", "alicex", false},
		{"alice", "Alice", false},
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "alice", true},
		{"*", "a/b", false},
		{"**", "a/b", true},
		{"ci-*", "ci-build", true},
		{"ci-*", "ci-build/x", false},
		{"ci-**", "ci-build/x", true},
		{"/users/*", "/users/root", true},
		{"/users/*", "/users/a/b", false},
		{"/users/**", "/users/a/b", true},
		{"/users/**/root", "/users/a/b/root", true},
		{"/users/**/root", "/users/root", false},
		{"*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
		{"a*c", "abcbc", true},
		{"***", "a/b", true},
		{"é*", "éa", true},
		{"[a]?", "[a]?", true},
		{"[a]?", "ab", false},
		{"u*", strings.Repeat("u", 256), true},
		{"u*", strings.Repeat("u", 257), true},
		{"u*x", strings.Repeat("u", 1000) + "x", true}, // longer than users are
		{"u*x", strings.Repeat("u", 1000), false},
	} {
		if got := Match(tt.pattern, tt.user); got != tt.want {
			t.Errorf("Match(%q, %q) = %v", tt.pattern, tt.user, got)
		}
	}
}

func TestMoreSpecific(t *testing.T) {
	want := []string{"/users/anna", "/users/an*", "/users/a*", "/users/a**", "/users/*", "*", "**"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, compareSpecific)
	if !slices.Equal(got, want) {
		t.Errorf("ordered %q, want %q", got, want)
	}
}

// The short cut is none: it says what the long way says.
func TestMatchShortCut(t *testing.T) {
	patterns, users := []string{""}, []string{""}
	for _, all := range []*[]string{&patterns, &users} {
		for i := 0; len((*all)[i]) < 4; i++ {
			for _, c := range []string{"a", "b", "/", "*"} {
				*all = append(*all, (*all)[i]+c)
			}
		}
	}
	admits := func(c byte) bool { return c != '/' }
	for _, p := range patterns {
		for _, u := range users {
			if got, want := match(p, u, admits), matchStars(p, u, admits); got != want {
				t.Errorf("%q matches %q: %v, want %v", p, u, got, want)
			}
		}
	}
}
