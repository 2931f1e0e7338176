package store

import "strings"

// Match tells whether a pattern of users matches a user. A star matches any
// run of characters but a slash, two stars match slashes too; every other
// character matches itself. It takes time proportional to the product of both
// lengths at the most.
func Match(pattern, user string) bool {
	return match(pattern, user, func(c byte) bool { return c != '/' })
}

// anything stands for two stars of a pattern that is itself matched. No text in
// UTF-8 has that byte.
const anything = '\xff'

// CoversUser tells whether every user that inner matches is matched by outer.
// Both are UTF-8. A star of inner is covered by a star of outer, two by two; any
// other way to cover it is not looked for, and the answer is no.
func CoversUser(outer, inner string) bool {
	var text strings.Builder
	for inner != "" {
		if strings.HasPrefix(inner, "**") {
			inner = strings.TrimLeft(inner, "*")
			text.WriteByte(anything)
			continue
		}
		text.WriteByte(inner[0])
		inner = inner[1:]
	}
	return match(outer, text.String(), func(c byte) bool { return c != '/' && c != anything })
}

// match is Match with the characters that a single star admits. What is before
// the first star, and behind the last, decides most: it takes as good as no time.
func match(pattern, user string, admits func(byte) bool) bool {
	first, last := strings.IndexByte(pattern, '*'), strings.LastIndexByte(pattern, '*')
	if first < 0 {
		return pattern == user
	}
	user, ok := strings.CutPrefix(user, pattern[:first])
	if !ok || !strings.HasSuffix(user, pattern[last+1:]) {
		return false
	}
	return matchStars(pattern[first:], user, admits)
}

func matchStars(pattern, user string, admits func(byte) bool) bool {
	// next[i] tells whether the pattern so far matches the first i bytes.
	var room [maxUser + 1]bool
	next := room[:]
	if len(user) >= len(room) {
		next = make([]bool, len(user)+1)
	}
	next[0] = true
	for pattern != "" {
		switch {
		case strings.HasPrefix(pattern, "**"):
			pattern = strings.TrimLeft(pattern, "*")
			spread(next, user, func(byte) bool { return true })
		case pattern[0] == '*':
			pattern = pattern[1:]
			spread(next, user, admits)
		default:
			advance(next, user, pattern[0])
			pattern = pattern[1:]
		}
	}
	return next[len(user)]
}

// spread lets a match go on over characters that a star admits.
func spread(next []bool, user string, admits func(byte) bool) {
	for i := range len(user) {
		next[i+1] = next[i+1] || next[i] && admits(user[i])
	}
}

// advance lets a match go on over one character.
func advance(next []bool, user string, c byte) {
	for i := len(user); i > 0; i-- {
		next[i] = next[i-1] && user[i-1] == c
	}
	next[0] = false
}

// IsPattern tells whether a text matches more than itself.
func IsPattern(text string) bool { return strings.Contains(text, "*") }

// compareSpecific orders patterns as MoreSpecific does.
func compareSpecific(a, b string) int {
	switch {
	case a == b:
		return 0
	case MoreSpecific(a, b):
		return -1
	}
	return 1
}

// MoreSpecific orders patterns that match the same user: one without stars
// comes first, then the one with more characters that are no stars, then the
// one with fewer stars that match slashes, then byte order, so that there is
// always one answer.
func MoreSpecific(a, b string) bool {
	if IsPattern(a) != IsPattern(b) {
		return !IsPattern(a)
	}
	ra, rb := rankOf(a), rankOf(b)
	if ra.literal != rb.literal {
		return ra.literal > rb.literal
	}
	if ra.wide != rb.wide {
		return ra.wide < rb.wide
	}
	return a < b
}

// rank is how specific a pattern is: by its characters that are no stars, and
// its stars that match slashes.
type rank struct{ literal, wide int }

func rankOf(pattern string) rank {
	return rank{len(pattern) - strings.Count(pattern, "*"), strings.Count(pattern, "**")}
}
