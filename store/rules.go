package store

import "slices"

// rules are what is said about users. The zero rules say nothing.
type rules struct {
	exact    map[string]Rule
	patterns []patternRule // the most specific first
}

type patternRule struct {
	pattern string
	rule    Rule
}

func (r *rules) set(pattern string, rule Rule) {
	if !IsPattern(pattern) {
		if r.exact == nil {
			r.exact = make(map[string]Rule)
		}
		r.exact[pattern] = rule
		return
	}
	// A new slice: readers of an old one are not disturbed.
	r.patterns = slices.DeleteFunc(slices.Clone(r.patterns), func(p patternRule) bool { return p.pattern == pattern })
	at := slices.IndexFunc(r.patterns, func(p patternRule) bool { return MoreSpecific(pattern, p.pattern) })
	if at < 0 {
		at = len(r.patterns)
	}
	r.patterns = slices.Insert(r.patterns, at, patternRule{pattern, rule})
}

// of is the most specific rule for a user, the zero Rule if there is none.
func (r *rules) of(user string) Rule {
	if rule, ok := r.exact[user]; ok {
		return rule
	}
	for _, p := range r.patterns {
		if Match(p.pattern, user) {
			return p.rule
		}
	}
	return Rule{}
}
