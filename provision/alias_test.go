package provision

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/tokendrop/tokendrop/store/token"
)

// wholeDigest is that of a text as an opaque token, whatever else it is.
func wholeDigest(text string) token.Digest { return token.DigestOf(sha256.Sum256([]byte(text))) }

// A text can be known by several keys. Whoever states it in full means all of
// them; whoever states a digest can mean one only, and verify looks at the
// others.
func TestAliases(t *testing.T) {
	whole := wholeDigest(numbered[0])
	asOpaque := "digest: '" + whole.String() + "'"
	literal, imported := "token: "+strapiToken, byStrapi
	for name, tt := range map[string]struct{ have, entry, want string }{
		"a literal, imported for another":         {"create, user: v, name: m, " + imported, "create, user: u, name: n, " + literal, isTaken},
		"a literal, kept as opaque for another":   {"create, user: v, name: m, " + asOpaque, "create, user: u, name: n, token: " + numbered[0], isTaken},
		"revoked in full, then by its opaque key": {"revoke, token: " + numbered[0], "create, user: u, name: n, " + asOpaque, wasRevoked},
		"revoked in full, then imported":          {"revoke, " + literal, "create, user: u, name: n, " + imported, wasRevoked},
		"revoked as opaque, then stated in full":  {"revoke, key: " + whole.OpaqueKey().String(), "create, user: u, name: n, token: " + numbered[0], wasRevoked},
	} {
		w := importing(t)
		w.must(entry("action: " + tt.have))
		_, problems := w.apply(entry("action: " + tt.entry))
		if len(problems) != 1 || !strings.HasPrefix(problems[0].Text, tt.want) {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

// A revoke of the whole text takes the token under its other key, too.
func TestRevokeUnderAnAlias(t *testing.T) {
	w := importing(t)
	w.must(entry("action: create, user: u, name: n, digest: '" + wholeDigest(numbered[0]).String() + "'"))
	if got := w.must(entry("action: revoke, token: " + numbered[0])); got != "revoked" || w.index.Len() != 0 {
		t.Errorf("%s, %d tokens are left", got, w.index.Len())
	}
}
