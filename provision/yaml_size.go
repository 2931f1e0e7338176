package provision

import "strings"

// yamlTooMany finds the place from which on a text may have more keys and values
// than are permitted. The library has no such bound, and can only read a
// document as a whole.
//
// Whatever is not the only value of its document comes with an indicator: a
// comma or an opening bracket, or a dash, a question mark or a colon where these
// can be ones. No indicator brings more than two on the average: a key and its
// value.
func yamlTooMany(text string) (int, bool) {
	left := maxNodes / nodesPerIndicator
	for i := range len(text) {
		if isIndicator(text, i) {
			if left--; left < 0 {
				return i, true
			}
		}
	}
	return 0, false
}

const nodesPerIndicator = 2

// isIndicator tells whether the byte at i can be one, also in a text that does
// not need it to be.
func isIndicator(text string, i int) bool {
	switch text[i] {
	case ',', '[', '{':
		return true
	case '-':
		return i+1 == len(text) || isBlank(text[i+1])
	case '?', ':':
		return i == 0 || i+1 == len(text) || partsYAML(text[i-1]) || partsYAML(text[i+1])
	}
	return false
}

// partsYAML tells whether a byte can part an indicator from what is beside it.
func partsYAML(c byte) bool { return isBlank(c) || strings.IndexByte(`,:?[]{}"'`, c) >= 0 }
