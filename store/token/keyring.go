package token

import (
	"cmp"
	"fmt"
	"slices"
)

// Keyring is what it takes to recognize tokens by what a store keeps of them:
// the peppers and the salts of one configuration. The zero Keyring keeps plain
// digests, and knows no imports.
type Keyring struct {
	peppers []pepper // the first one is for new digests
	salts   []salt   // by their imports
}

// salt is the key of another product's digests.
type salt struct {
	id     string // of the import
	secret hidden
}

// hidden is the way to bytes that are secret. Package fmt prints no more of a
// pointer inside a struct than where it leads.
type hidden *[]byte

// NewKeyring takes peppers, of which the first one is for new digests, and the
// salts of imports by their IDs. Its errors show nothing of them.
func NewKeyring(peppers [][]byte, salts map[string][]byte) (Keyring, error) {
	list, err := newPeppers(peppers)
	if err != nil {
		return Keyring{}, err
	}
	k := Keyring{peppers: list}
	for id, secret := range salts {
		if !IsImportID(id) || len(secret) == 0 {
			return Keyring{}, fmt.Errorf("the salt of an import is empty, or its ID is none")
		}
		k.salts = append(k.salts, salt{id, &secret})
	}
	slices.SortFunc(k.salts, func(a, b salt) int { return cmp.Compare(a.id, b.id) })
	return k, nil
}

// Keep is a digest in the form in which it is stored: plain, or under the first
// pepper, which is then named.
func (k Keyring) Keep(plain Digest) (Digest, PepperID) { return k.Form(min(1, len(k.peppers)), plain) }

// Forms is how many forms of a digest may be in the store: plain, and under each
// pepper.
func (k Keyring) Forms() int { return 1 + len(k.peppers) }

// Form is the i-th form of a digest. The first one is the plain digest.
func (k Keyring) Form(i int, plain Digest) (Digest, PepperID) {
	if i == 0 {
		return plain, PepperID{}
	}
	p := &k.peppers[i-1]
	return plain.Pepper(*p.secret), p.id
}

// Proves tells whether what is kept, under that pepper or plain, is the digest.
// What is under an unknown pepper is no digest.
func (k Keyring) Proves(kept Digest, under PepperID, plain Digest) bool {
	for i := range k.Forms() {
		if form, id := k.Form(i, plain); id == under {
			return kept.Equal(form)
		}
	}
	return false
}

// Outdated tells whether a digest under that pepper would be kept in another
// form today.
func (k Keyring) Outdated(under PepperID) bool {
	return len(k.peppers) > 0 && k.peppers[0].id != under
}

// HasPepper tells whether digests under that pepper, or plain ones, can be
// recognized.
func (k Keyring) HasPepper(id PepperID) bool {
	return id == PepperID{} || slices.ContainsFunc(k.peppers, func(p pepper) bool { return p.id == id })
}

// Imports are the IDs of the imports whose digests can be recognized, sorted.
func (k Keyring) Imports() []string {
	ids := make([]string, len(k.salts))
	for i, s := range k.salts {
		ids[i] = s.id
	}
	return ids
}

// Imported are the digests that other products may have kept of a token's text:
// one for each import and scheme.
func (k Keyring) Imported(text string) []ImportedDigest {
	var list []ImportedDigest
	for _, s := range k.salts {
		for scheme := HMACSHA512; int(scheme) < len(schemes); scheme++ {
			list = append(list, scheme.Digest(s.id, text, *s.secret))
		}
	}
	return list
}
