package provision

import (
	"strings"

	"github.com/tokendrop/tokendrop/store/token"
)

const (
	// shortest is the length below which a text is too common to be replaced
	// wherever it occurs.
	shortest = 8
	// maxOdd bounds the secrets that have to be searched for one by one. A
	// valid manifest has none.
	maxOdd = 16
)

// secrets are the secrets of one file. Standard tokens are found by their form
// in one pass over a text, however many there are.
type secrets struct {
	standard map[string]bool
	odd      []string          // all others, such as tokens with a typing error
	others   *strings.Replacer // of what spells a standard one in another way
}

func newSecrets(places []*node) *secrets {
	s := &secrets{standard: make(map[string]bool, len(places))}
	for _, n := range places {
		text := strings.TrimSpace(n.text)
		if _, err := token.Parse(text); err == nil {
			s.standard[text] = true
		} else if !strings.Contains(redacted, text) {
			s.odd = append(s.odd, text)
		}
	}
	s.others = strings.NewReplacer(s.otherSpellings()...)
	return s
}

// otherSpellings are what is no token, but as good as one to who finds it:
// without the padding, and in the alphabet of URLs. Each is followed by what
// replaces it.
func (s *secrets) otherSpellings() []string {
	var pairs []string
	for text := range s.standard {
		bare := strings.TrimSuffix(text, "=")
		pairs = append(pairs, bare, redacted)
		if url := strings.NewReplacer("+", "-", "/", "_").Replace(bare); url != bare {
			pairs = append(pairs, url, redacted)
		}
	}
	return pairs
}

// replace replaces what repeats a secret, such as a comment, and whatever else
// is a standard token.
func (s *secrets) replace(text string) string {
	for _, odd := range s.odd {
		if len(odd) >= shortest {
			text = strings.ReplaceAll(text, odd, redacted)
		}
	}
	var b strings.Builder
	for {
		at := s.next(text)
		if at < 0 {
			b.WriteString(text)
			return s.others.Replace(b.String())
		}
		b.WriteString(text[:at])
		b.WriteString(redacted)
		text = text[at+token.TextSize:]
	}
}

// next finds a standard token, or is -1. Each ends in the one = that it has,
// which is what is looked for.
func (s *secrets) next(text string) int {
	for end := 0; ; {
		i := strings.IndexByte(text[end:], '=')
		if i < 0 {
			return -1
		}
		end += i + 1
		at := end - token.TextSize
		if at < 0 {
			continue
		}
		if _, err := token.Parse(text[at:end]); err == nil && (s.standard[text[at:end]] || !strings.HasSuffix(text[:at], "sha256:")) {
			return at
		}
	}
}

// absent proves that a file is free of the secrets, in its text and, however
// they are escaped, in what the text means.
func (s *secrets) absent(src *source) bool {
	if len(secretsOf(src.docs)) > 0 || !s.clean(src.text) {
		return false
	}
	ok := true
	for _, doc := range src.docs {
		doc.walk(false, func(n *node, _ bool) { ok = ok && s.clean(n.text) })
	}
	return ok
}

func (s *secrets) clean(text string) bool {
	for _, odd := range s.odd {
		if strings.Contains(text, odd) {
			return false
		}
	}
	return s.next(text) < 0
}
