package store

import (
	"slices"
	"testing"
)

func TestExpandScopes(t *testing.T) {
	sets := map[string][]string{"ide": {"a", "m.*"}, "none": nil, "more": {"m.*", "b"}}
	for _, tt := range []struct{ scopes, sets, want []string }{
		{nil, nil, nil},
		{[]string{"x", "y"}, nil, []string{"x", "y"}},
		{[]string{"x"}, []string{"ide"}, []string{"a", "m.*", "x"}},
		{[]string{"a"}, []string{"ide", "more"}, []string{"a", "b", "m.*"}},
		{nil, []string{"none"}, nil},
		{[]string{"x"}, []string{"gone"}, []string{"x"}},
	} {
		rec := Record{Scopes: tt.scopes, ScopeSets: tt.sets}
		before := slices.Clone(tt.scopes)
		if got := ExpandScopes(&rec, sets); !slices.Equal(got, tt.want) {
			t.Errorf("%q and %q: %q, want %q", tt.scopes, tt.sets, got, tt.want)
		}
		if !slices.Equal(rec.Scopes, before) {
			t.Errorf("the record's own scopes have become %q", rec.Scopes)
		}
		size := 0
		for _, s := range tt.want {
			size += len(s) + 1
		}
		if got := HeaderSize(&rec, sets); got != size {
			t.Errorf("%q and %q: headers of %d bytes, want %d", tt.scopes, tt.sets, got, size)
		}
	}
}
