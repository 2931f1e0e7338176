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
	at, found := slices.BinarySearchFunc(r.patterns, pattern, func(p patternRule, pattern string) int {
		return compareSpecific(p.pattern, pattern)
	})
	if found {
		r.patterns[at].rule = rule
		return
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
