package store

// MatchScope tells whether a pattern of scopes matches a scope. A star matches
// any run of characters, every other character matches itself. It takes time
// proportional to the product of both lengths at the most.
func MatchScope(pattern, scope string) bool {
	star, resume := -1, 0 // the last star, and how far it reaches in scope
	p, s := 0, 0
	for s < len(scope) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, s
			p++
		case p < len(pattern) && pattern[p] == scope[s]:
			p++
			s++
		case star >= 0: // the star takes one character more
			resume++
			p, s = star+1, resume
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// CoversScope tells whether everything that inner matches is matched by outer.
// A star of inner can be anything, so only a star of outer covers it: that is
// what matching the text of inner means. Where it takes several stars, or all
// characters that there are, to cover one, the answer is no.
func CoversScope(outer, inner string) bool { return MatchScope(outer, inner) }
