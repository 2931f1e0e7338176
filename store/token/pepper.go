package token

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// minPepper is the length in bytes of the shortest pepper: whoever guesses it
// needs no pepper any more.
const minPepper = 16

// pepperLabel keeps the ID of a pepper apart from whatever else is hashed of it.
const pepperLabel = "tokendrop pepper\x00"

// PepperID names a pepper, so that a stored digest can say which one it was
// made with. It follows from the pepper, and tells nothing of a random one. The
// zero PepperID is that of a plain digest.
type PepperID [4]byte

// PepperIDOf is the name of a pepper: the first 4 bytes of SHA-256 of a label
// and the pepper.
func PepperIDOf(pepper []byte) PepperID {
	sum := sha256.Sum256(append([]byte(pepperLabel), pepper...))
	return PepperID(sum[:])
}

// String is the ID in hex.
func (id PepperID) String() string { return hex.EncodeToString(id[:]) }

// pepper is a secret that digests are kept under.
type pepper struct {
	id     PepperID
	secret hidden
}

// newPeppers checks peppers, and gives them their names.
func newPeppers(secrets [][]byte) ([]pepper, error) {
	var list []pepper
	for i, secret := range secrets {
		if len(secret) < minPepper {
			return nil, fmt.Errorf("the pepper at place %d has %d bytes: want at least %d, and better 32 random ones", i+1, len(secret), minPepper)
		}
		p := pepper{PepperIDOf(secret), &secret}
		for j, other := range list {
			if other.id == p.id {
				return nil, fmt.Errorf("the peppers at places %d and %d are the same: leave one out", j+1, i+1)
			}
		}
		list = append(list, p)
	}
	return list, nil
}
