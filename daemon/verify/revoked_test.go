package verify

import (
	"testing"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// What was revoked as a token of one kind is not good as one of another, which
// nobody could tell from a digest.
func TestRevokedUnderAnotherKind(t *testing.T) {
	keys := ring(t, nil, "strapi")
	standard, random := made(t, token.Formats{}), opaque("f3a1c29e5b7d4806a1f2e3d4c5b6a7988f7e6d5c")
	asOpaque := opaque(standard.Reveal())
	imported := func(tok token.Token) store.Record { return importedAs("kept", keys.Imported(tok.Reveal())[0]) }
	for name, tt := range map[string]struct {
		rec     store.Record
		text    string
		revoked store.MarkID
		want    Reason
	}{
		"nothing is revoked":                 {imported(random), random.Reveal(), store.RevokedID(token.Key{1}, ""), Yes},
		"opaque, kept by another product":    {imported(random), random.Reveal(), store.RevokedID(random.Key, ""), InvalidToken},
		"the same for its user":              {imported(random), random.Reveal(), store.RevokedID(random.Key, "user"), InvalidToken},
		"the same for another user":          {imported(random), random.Reveal(), store.RevokedID(random.Key, "other"), Yes},
		"standard, kept by another product":  {imported(standard), standard.Reveal(), store.RevokedID(standard.Key, ""), InvalidToken},
		"standard, kept as an opaque one":    {of("kept", asOpaque), standard.Reveal(), store.RevokedID(standard.Key, ""), InvalidToken},
		"kept as an opaque one, not revoked": {of("kept", asOpaque), standard.Reveal(), store.RevokedID(token.Key{1}, ""), Yes},
	} {
		var index store.Index
		index.Apply(&store.Batch{Put: []store.Record{tt.rec}, Marks: []store.Mark{{MarkID: tt.revoked}}})
		gate := DefaultGate(DefaultName)
		r := Register{Tokens: &index, Keys: keys}
		if got := r.Ask(&Question{Text: tt.text, Gate: &gate}, noon).Reason; got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
