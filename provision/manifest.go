package provision

import (
	"fmt"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// Manifest is what a patch says, once it is known to be valid by itself. It
// holds no secret: a literal token is reduced to its key and digest while it
// is decoded.
type Manifest struct {
	OnSuccess Disposition
	Entries   []Entry
}

// Disposition is what is to become of the file when every entry has been
// applied.
type Disposition string

// The dispositions. The empty one leaves it to the drop directory.
const (
	Rename Disposition = "rename"
	Remove Disposition = "remove"
)

// Action is what an entry does.
type Action string

// The actions, by their names in manifests.
const (
	Create     Action = "create"
	Ensure     Action = "ensure"
	Update     Action = "update"
	Delete     Action = "delete"
	Enable     Action = "enable"
	Disable    Action = "disable"
	Regenerate Action = "regenerate"
)

// Entry is one operation on one token.
type Entry struct {
	Pos    Pos
	Action Action

	// The selector: a key, a user with a name, or all of them. For a create
	// Key is empty and Name is complete.
	Key  Stated[token.Key]
	User Stated[string]
	Name Stated[string]

	// The source of credentials: at most one of these two is stated.
	Generate   Stated[bool]
	Credential Stated[Credential]

	Attributes
	// Set is stated for an update, and nowhere else.
	Set Stated[Set]
}

// Named tells whether the entry states a user and a name.
func (e *Entry) Named() bool { return e.User.OK && e.Name.OK }

// TokenName is the name that the entry states.
func (e *Entry) TokenName() store.Name {
	return store.Name{User: e.User.Value, Name: e.Name.Value}
}

// Credential is a key and a digest, stated so or computed from a literal
// token. HasKey is false where a regenerate states a digest alone, for the key
// that the token has.
type Credential struct {
	Key    token.Key
	HasKey bool
	Digest token.Digest
}

// Attributes are the fields of a token that an entry may state.
type Attributes struct {
	Description Stated[string]
	Expiry      Stated[Expiry]
	NotBefore   Stated[time.Time] // zero: from the beginning
	IssuedAt    Stated[time.Time]
	Active      Stated[bool]
}

// Set is what an update changes.
type Set struct {
	User Stated[string]
	Name Stated[string]
	Attributes
}

// Expiry is a bound on a token's life: an instant, or a duration from when it
// is issued. The zero Expiry is none.
type Expiry struct {
	At time.Time
	In time.Duration
}

// Stated is a value with its place, or the absence of one.
type Stated[T any] struct {
	Value T
	Pos   Pos
	OK    bool
}

// Pos is a place in a file: line and column, both from 1, the column in
// characters.
type Pos struct{ Line, Col int }

// String writes the place as compilers do.
func (p Pos) String() string { return fmt.Sprintf("%d:%d", p.Line, p.Col) }

// Problem is one thing that is wrong with a manifest, and where. Its text says
// what to write instead, and never holds a value from the file, which may be a
// secret.
type Problem struct {
	Pos  Pos
	Text string
}

// In writes the problem with the name of its file in front.
func (p Problem) In(file string) string {
	if p.Pos.Line == 0 {
		return fmt.Sprintf("%s: %s", file, p.Text)
	}
	return fmt.Sprintf("%s:%s: %s", file, p.Pos, p.Text)
}
