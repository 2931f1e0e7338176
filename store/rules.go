package store

import "slices"

// rules are what is said about users. The zero rules say nothing.
type rules struct {
	exact    map[string]Rule
	patterns []patternRule // the most specific first
}

type patternRule struct {
	pattern string
	rank    rank
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
	r.patterns = slices.Insert(r.patterns, at, patternRule{pattern, rankOf(pattern), rule})
}

// of is the most specific rule for a user, the zero Rule if there is none. Of
// rules that are equally specific, one that blocks holds.
func (r *rules) of(user string) Rule {
	if rule, ok := r.exact[user]; ok {
		return rule
	}
	var found *patternRule
	for i := range r.patterns {
		p := &r.patterns[i]
		if found != nil && p.rank != found.rank {
			break
		}
		if !Match(p.pattern, user) {
			continue
		}
		if found == nil || p.rule.Blocked {
			found = p
		}
		if found.rule.Blocked {
			break
		}
	}
	if found == nil {
		return Rule{}
	}
	return found.rule
}
