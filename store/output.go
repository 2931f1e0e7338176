package store

import (
	"crypto/sha256"
	"time"

	"github.com/tokendrop/tokendrop/store/token"
)

// Output is what is known of a file that a token was written to.
type Output struct {
	// Name, CreatedAt and Keys are the token's, as they were then. A token that
	// has been renamed is still known by when it was created and a key.
	Name      Name
	CreatedAt time.Time
	Keys      []token.Key
	// Sum is the SHA-256 of what was written, Replaced that of what was there
	// before; zero if nothing was. Until the new file has taken its place, what
	// is there is the old one.
	Sum, Replaced [sha256.Size]byte
}

// Value is the output as a mark has it.
func (o *Output) Value() string {
	e := encoder{}
	e.text(1, o.Name.User)
	e.text(2, o.Name.Name)
	e.time(3, o.CreatedAt)
	for _, key := range o.Keys {
		e.element(4, key[:])
	}
	e.element(5, o.Sum[:])
	if o.Replaced != [sha256.Size]byte{} {
		e.element(6, o.Replaced[:])
	}
	return string(e.b)
}

// OutputOf reads the value of a Written; false if it cannot.
func OutputOf(value string) (o Output, ok bool) {
	err := fields(value, func(f field) error {
		switch f.number {
		case 1:
			o.Name.User = f.text
		case 2:
			o.Name.Name = f.text
		case 3:
			o.CreatedAt = f.time()
		case 4:
			var key token.Key
			err := f.fill(key[:])
			o.Keys = append(o.Keys, key)
			return err
		case 5:
			return f.fill(o.Sum[:])
		case 6:
			return f.fill(o.Replaced[:])
		default:
			return errCorrupt
		}
		return nil
	})
	return o, err == nil && o.Sum != [sha256.Size]byte{}
}
