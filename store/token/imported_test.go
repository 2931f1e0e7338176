package token

import "testing"

func TestImportedDigestsAreEqualByAllTheirParts(t *testing.T) {
	d := HMACSHA256.Digest("one", opaqueText, []byte("salt"))
	same := HMACSHA256.Digest("one", opaqueText, []byte("salt"))
	if !d.Equal(same) {
		t.Error("a digest is not equal to itself")
	}
	for name, other := range map[string]ImportedDigest{
		"scheme": {Scheme: HMACSHA512, ID: d.ID, sum: d.sum},
		"import": {Scheme: d.Scheme, ID: "two", sum: d.sum},
		"token":  HMACSHA256.Digest("one", opaqueText+"0", []byte("salt")),
		"salt":   HMACSHA256.Digest("one", opaqueText, []byte("salz")),
		"none":   {},
	} {
		if d.Equal(other) || other.Equal(d) {
			t.Errorf("digests that differ in their %s are equal", name)
		}
	}
}
