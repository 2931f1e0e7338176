package provision

import (
	"testing"
)

// However its credentials are replaced, no two that a token ever has are of one
// number, and one that stays keeps its own: by it uses are told apart.
func TestNumbersOfCredentials(t *testing.T) {
	w := newWorld(t)
	seen := map[uint64]string{} // what the credential of a number digests to
	steps := []string{
		"action: create, " + anna + ", generate: true",
		"action: regenerate, " + anna + ", grace: 1h",
		"action: regenerate, " + anna + ", grace: 1h, generation: 9",
		"action: regenerate, " + anna,
		"action: ensure, " + anna + ", " + creds(0, 1),
		"action: ensure, " + anna + ", " + creds(1),
		"action: ensure, " + anna + ", " + creds(1, 0), // back again is another one
		"action: ensure, " + anna + ", " + creds(1),
		"action: regenerate, " + anna + ", grace: 1h, " + tok(2),
	}
	for i, step := range steps {
		w.must(entry(step))
		rec := w.token("anna", "a")
		for _, c := range rec.Credentials {
			digest := c.Digest.String()
			if before, known := seen[c.Number]; known && before != digest || c.Number == 0 || c.Number > rec.Generation {
				t.Errorf("step %d: credential %s at generation %d has number %d, which was that of %q", i, digest, rec.Generation, c.Number, before)
			}
			seen[c.Number] = digest
		}
	}
	if len(seen) != 8 {
		t.Errorf("%d numbers for 8 credentials: %v", len(seen), seen)
	}
}
