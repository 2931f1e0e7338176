package store

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tokendrop/tokendrop/store/token"
)

// Name is what a token is called: a name that is unique for its user. What a
// user means is the protected service's business.
type Name struct{ User, Name string }

// Revision tells one state of a token, or of a mark, from every other. The zero
// Revision is that of one that is not there.
type Revision uint64

// Type says what a token may be used for.
type Type uint8

// The types of tokens. The zero Type is no type, and grants nothing.
const (
	FullAccess Type = iota + 1
	ReadOnly
	Custom
)

var typeNames = [...]string{FullAccess: "full-access", ReadOnly: "read-only", Custom: "custom"}

// String is the type's name in manifests.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return ""
}

// DefaultAudience is the audience of a token whose manifest states none.
const DefaultAudience = "api"

// Record is a token as it is stored. It has no field that could hold a
// secret. A zero time means that the bound, or the event, is absent; a stored
// time is UTC and has no finer unit than a millisecond.
type Record struct {
	Name

	Description string
	Type        Type
	Scopes      []string       // sorted
	ScopeSets   []string       // sorted
	AllowedIPs  []netip.Prefix // empty: from anywhere
	Audience    string
	Labels      []Label // sorted by key

	Active    bool
	NotBefore time.Time // good from this instant on
	ExpiresAt time.Time // good before this instant

	IssuedAt  time.Time // when its present credentials were made, or what the manifest says
	CreatedAt time.Time
	UpdatedAt time.Time

	// Generation counts every credential that was added, from 1.
	Generation uint64
	// Source is where the patch that created the token lay; it never moves.
	Source Source
	// Credentials are one or two. The first one's key is the token's.
	Credentials []Credential

	ID       TokenID  // set by the store when the token is created, 0 until then
	Revision Revision // set by the store
}

// Key is the token's key: that of its first credential.
func (r *Record) Key() token.Key { return r.Credentials[0].Key }

// Keys are all that select the token: those of its credentials, and those that
// they had as another product's.
func (r *Record) Keys() []token.Key { return slices.Collect(r.keys) }

// keys yields Keys.
func (r *Record) keys(yield func(token.Key) bool) {
	for i := range r.Credentials {
		c := &r.Credentials[i]
		if !yield(c.Key) || !c.Former().IsZero() && !yield(c.Former()) {
			return
		}
	}
}

// Credential finds the credential with that key, nil if there is none.
func (r *Record) Credential(key token.Key) *Credential {
	i := slices.IndexFunc(r.Credentials, func(c Credential) bool { return c.Key == key })
	if i < 0 {
		return nil
	}
	return &r.Credentials[i]
}

// Label is a key and a value that verify returns.
type Label struct{ Key, Value string }

// Source names a patch: its drop directory, and its path in there.
type Source struct{ Dir, Path string }

// Credential is a key and the digest of the secret that goes with it.
type Credential struct {
	Key    token.Key
	Digest token.Digest   // zero while the credential is an imported one
	Pepper token.PepperID // that Digest was made with; zero: none
	Opaque bool           // the key follows from the token, so no other secret can have it
	// Number tells the credential from every other one that the token has or
	// had. It is the token's generation when the credential was added.
	Number    uint64
	IssuedAt  time.Time
	GoodUntil time.Time // set while a replaced credential is in its grace

	Extra *Extra // nil for most, so that a million of them are small
}

// Extra is what few credentials have.
type Extra struct {
	// Imported is what another product kept of the token, until the token is
	// used and becomes native. The zero one is none.
	Imported token.ImportedDigest
	// Former is the key that the credential had until then, which goes on
	// selecting the token and never proves anything.
	Former token.Key
	// Sealed is the token's text under authenticated encryption.
	Sealed []byte
}

// Imported is what another product kept of the token, nil for a native one.
func (c *Credential) Imported() *token.ImportedDigest {
	if c.Extra == nil || c.Extra.Imported.Scheme == 0 {
		return nil
	}
	return &c.Extra.Imported
}

// Former is the key that the credential had before it became native, zero for
// most.
func (c *Credential) Former() token.Key {
	if c.Extra == nil {
		return token.Key{}
	}
	return c.Extra.Former
}

// Sealed is the token's text under encryption, nil where it is not kept.
func (c *Credential) Sealed() []byte {
	if c.Extra == nil {
		return nil
	}
	return c.Extra.Sealed
}

// Form is how the digest of a credential is kept. The zero Form is plain.
type Form struct {
	Pepper token.PepperID
	Import string // whose digest it is, until the credential is native
}

// Form is that of the credential.
func (c *Credential) Form() Form {
	f := Form{Pepper: c.Pepper}
	if kept := c.Imported(); kept != nil {
		f.Import = kept.ID
	}
	return f
}

// Alike tells whether two credentials are the same, however long they are good.
func (c *Credential) Alike(o *Credential) bool {
	one, other := c.Imported(), o.Imported()
	if one != nil || other != nil {
		return one != nil && other != nil && one.Equal(*other)
	}
	return c.Key == o.Key && c.Pepper == o.Pepper && c.Digest.Equal(o.Digest)
}

// Compare orders by user, then by name, byte by byte.
func (n Name) Compare(o Name) int {
	return cmp.Or(strings.Compare(n.User, o.User), strings.Compare(n.Name, o.Name))
}
