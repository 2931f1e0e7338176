package store

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMatchScope(t *testing.T) {
	for _, tt := range []struct {
		pattern, scope string
		want           bool
	}{
		{"api::article.find", "api::article.find", true},
		{"api::article.find", "api::article.findOne", false},
		{"api::article.find", "api::article.FIND", false},
		{"api::article.*", "api::article.find", true},
		{"api::article.*", "api::article.", true},
		{"api::article.*", "api::articles.find", false},
		{"api::*", "api::a/b/c", true},
		{"*", "", true},
		{"*", "anything", true},
		{"**", "anything", true},
		{"", "", true},
		{"", "a", false},
		{"*.find", "api::article.find", true},
		{"*.find", "api::article.findOne", false},
		{"a*b*c", "aXbXbXc", true},
		{"a*b*c", "aXcXb", false},
		{strings.Repeat("*a", 64), strings.Repeat("a", 127) + "b", false},
	} {
		if got := MatchScope(tt.pattern, tt.scope); got != tt.want {
			t.Errorf("MatchScope(%q, %q) = %v", tt.pattern, tt.scope, got)
		}
	}
}

func TestCoversScope(t *testing.T) {
	for _, tt := range []struct {
		outer, inner string
		want         bool
	}{
		{"api::*", "api::article.*", true},
		{"api::article.*", "api::*", false},
		{"api::article.*", "api::article.*", true},
		{"api::article.*", "api::article.find", true},
		{"api::article.*", "*", false},
		{"api::article.*", "api::*.find", false},
		{"api::article.*", "api::article.**", true},
		{"api::article.find", "api::article.fin*", false},
		{"*", "**", true},
		{"**", "*", true},
		{"a*c", "a*b*c", true},
		{"a*b*c", "a*c", false},
		{"*.find", "api::*.find", true},
		{"*.find", "api::*", false},
	} {
		if got := CoversScope(tt.outer, tt.inner); got != tt.want {
			t.Errorf("CoversScope(%q, %q) = %v", tt.outer, tt.inner, got)
		}
	}
}

func TestCoversUser(t *testing.T) {
	for _, tt := range []struct {
		outer, inner string
		want         bool
	}{
		{"ci-*", "ci-build", true},
		{"ci-*", "ci-*", true},
		{"ci-*", "ci-b*", true},
		{"ci-*", "ci-*x", true},
		{"ci-*", "ci-**", false},
		{"ci-*", "ci-***", false},
		{"ci-*", "*", false},
		{"ci-*", "**", false},
		{"ci-*", "ci*", false},
		{"ci-**", "ci-*", true},
		{"ci-**", "ci-*/*", true},
		{"ci-**", "ci-**", true},
		{"**", "***", true},
		{"**", "a/b", true},
		{"*", "a/b", false},
		{"*", "a*b", true},
		{"/users/*", "/users/*/*", false},
		{"/users/**", "/users/*/**/x", true},
		{"a", "a", true},
		{"a", "*", false},
	} {
		if got := CoversUser(tt.outer, tt.inner); got != tt.want {
			t.Errorf("CoversUser(%q, %q) = %v", tt.outer, tt.inner, got)
		}
	}
}

// What is covered matches nothing that is not: whatever the stars of the inner
// pattern stand for, the outer one matches it.
func FuzzCovers(f *testing.F) {
	f.Add("api::*", "api::article.*", "find")
	f.Add("a*b*c", "a*b*c", "b/c")
	f.Add("ci-*", "ci-**", "x/y")
	f.Add("/users/**", "/users/*/x", "")
	f.Add("**a**", "*a*", "/a/")
	f.Add("*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaa", "")
	f.Fuzz(func(t *testing.T, outer, inner, fill string) {
		if len(outer) > 256 || len(inner) > 256 || len(fill) > 64 || !utf8.ValidString(outer+inner+fill) {
			return
		}
		if scope := strings.ReplaceAll(inner, "*", fill); CoversScope(outer, inner) && !MatchScope(outer, scope) {
			t.Errorf("scopes: %q covers %q and does not match %q", outer, inner, scope)
		}
		if user := expand(inner, fill); CoversUser(outer, inner) && !Match(outer, user) {
			t.Errorf("users: %q covers %q and does not match %q", outer, inner, user)
		}
		if user := expand(inner, fill); !Match(inner, user) {
			t.Errorf("%q does not match %q", inner, user)
		}
		if !CoversScope(inner, inner) || !CoversUser(inner, inner) {
			t.Errorf("%q does not cover itself", inner)
		}
	})
}

// expand writes fill for the stars of a pattern of users, without slashes for
// single ones.
func expand(pattern, fill string) string {
	var user strings.Builder
	for pattern != "" {
		rest := strings.TrimLeft(pattern, "*")
		switch len(pattern) - len(rest) {
		case 0:
			user.WriteByte(pattern[0])
			rest = pattern[1:]
		case 1:
			user.WriteString(strings.ReplaceAll(fill, "/", ""))
		default:
			user.WriteString(fill)
		}
		pattern = rest
	}
	return user.String()
}
