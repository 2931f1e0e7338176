package provision

import (
	"cmp"
	"slices"
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

// secrets are the secrets of one file. However many there are, they are found
// in a few passes over a text.
type secrets struct {
	formats token.Formats
	// stated replaces what the file states as tokens of any format. A step of
	// it goes through at most the 512 characters that a token may have.
	stated *strings.Replacer
	odd    []string // all others, such as texts that are too short
}

func newSecrets(formats token.Formats, places []*node) *secrets {
	s := &secrets{formats: formats}
	var stated []string
	for _, n := range places {
		text := strings.TrimSpace(n.text)
		if t, err := formats.Parse(text); err == nil {
			stated = append(stated, text)
			if t.Kind() == token.Standard {
				stated = append(stated, otherSpellings(text)...)
			}
		} else if !strings.Contains(redacted, text) {
			s.odd = append(s.odd, text)
		}
	}
	s.stated = replacer(stated)
	return s
}

// otherSpellings are what is no standard token, but as good as one to who finds
// it: without the padding, and in the alphabet of URLs.
func otherSpellings(text string) []string {
	bare := strings.TrimSuffix(text, "=")
	return []string{bare, strings.NewReplacer("+", "-", "/", "_").Replace(bare)}
}

// replacer replaces texts in one pass. Where one begins with another, as a
// token does with its text without padding, the longer one is looked for first.
func replacer(texts []string) *strings.Replacer {
	slices.SortFunc(texts, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
	})
	var pairs []string
	for _, text := range slices.Compact(texts) {
		pairs = append(pairs, text, redacted)
	}
	return strings.NewReplacer(pairs...)
}

// replace replaces what repeats a secret, such as a comment, and whatever else
// is a token by its form.
func (s *secrets) replace(text string) string {
	text = s.stated.Replace(text)
	for _, odd := range s.odd {
		if len(odd) >= shortest {
			text = strings.ReplaceAll(text, odd, redacted)
		}
	}
	return replaceStandard(s.formats.ReplacePrefixed(text, redacted))
}

func replaceStandard(text string) string {
	at := nextStandard(text)
	if at < 0 {
		return text
	}
	var b strings.Builder
	for ; at >= 0; at = nextStandard(text) {
		b.WriteString(text[:at])
		b.WriteString(redacted)
		text = text[at+token.TextSize:]
	}
	b.WriteString(text)
	return b.String()
}

// nextStandard finds a standard token, or is -1. Each ends in the one = that it
// has, which is what is looked for.
func nextStandard(text string) int {
	for end := 0; ; {
		i := strings.IndexByte(text[end:], '=')
		if i < 0 {
			return -1
		}
		end += i + 1
		at := end - token.TextSize
		if at < 0 || strings.HasSuffix(text[:at], "sha256:") {
			continue
		}
		if _, err := token.Parse(text[at:end]); err == nil {
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
	var means strings.Builder
	for _, doc := range src.docs {
		doc.walk(false, func(n *node, _ bool) {
			means.WriteString(n.text)
			means.WriteByte('\n') // which no token has
		})
	}
	return s.clean(means.String())
}

func (s *secrets) clean(text string) bool {
	for _, odd := range s.odd {
		if strings.Contains(text, odd) {
			return false
		}
	}
	return s.replace(text) == text
}
