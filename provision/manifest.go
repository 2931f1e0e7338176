package provision

import (
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// Manifest is what a patch says, once it is known to be valid by itself. It
// holds no secret: a literal token is reduced to its Credential while it is
// decoded. What it names, files and variables, has not been looked at.
type Manifest struct {
	OnSuccess Disposition
	// Once is the name under which the manifest is applied a single time in
	// its drop directory.
	Once Stated[string]
	// For is where the manifest has to lie to be applied, as DROPNAME/PATH.
	For Stated[string]
	// Serial has to be higher than any that was installed from that place.
	Serial  Stated[uint64]
	Entries []Entry
	Users   []UserEntry
	// Literals are the places of the secrets that the file holds.
	Literals []Pos
}

// empty tells whether there is nothing to do.
func (m *Manifest) empty() bool { return len(m.Entries)+len(m.Users) == 0 }

// usersOfAll are those of whom an entry means all tokens.
func (m *Manifest) usersOfAll() map[string]bool {
	users := make(map[string]bool)
	for i := range m.Entries {
		if e := &m.Entries[i]; e.All.OK {
			users[e.User.Value] = true
		}
	}
	return users
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
	Revoke     Action = "revoke"
	Enable     Action = "enable"
	Disable    Action = "disable"
	Regenerate Action = "regenerate"
	Copy       Action = "copy"
)

// Entry is one operation on one token or, where Keys or All is stated, on
// several.
type Entry struct {
	Pos    Pos
	Action Action

	// The selector: a key, a user with a name, or all of them. For a create
	// or a copy Key is empty and Name is complete.
	Selector
	// Keys and All select several tokens: those of a list of keys, or all that
	// User has. They are alternatives, for update, delete, revoke, enable and
	// disable.
	Keys Stated[[]token.Key]
	All  Stated[bool]
	// Expect is how many tokens Keys or All has to find.
	Expect Stated[int]

	// Aliases are those of the credential that a revoke states.
	Aliases []token.Key

	// Sources are the credentials: none, one or two. Of two the first one's
	// key is the token's.
	Sources []Source

	// From is the token that a copy is made from.
	From Stated[Selector]

	Attributes
	// Set is stated for an update, and nowhere else.
	Set Stated[Set]

	// WriteTo is where the one secret goes that is generated.
	WriteTo Stated[Output]

	// For what replaces credentials: how long the old ones stay good, the
	// generation at which nothing is done any more, and the age below which
	// nothing is done.
	Grace      Stated[time.Duration]
	Generation Stated[uint64]
	OlderThan  Stated[time.Duration]
}

// statesKeyOfSource tells whether the entry's key is that of a credential it
// states, and selects nothing.
func (e *Entry) statesKeyOfSource() bool {
	return slices.ContainsFunc(e.Sources, func(s Source) bool { return s.HasKey && s.Key == e.Key.Value })
}

// Selector names a token: by a key, by user and name, or by all three.
type Selector struct {
	Key  Stated[token.Key]
	User Stated[string]
	Name Stated[string]
}

// Named tells whether the selector states a user and a name.
func (s *Selector) Named() bool { return s.User.OK && s.Name.OK }

// TokenName is the name that the selector states.
func (s *Selector) TokenName() store.Name {
	return store.Name{User: s.User.Value, Name: s.Name.Value}
}

// Source is where one credential comes from: it is to be generated, it is
// stated, or it is the text of a file or of a variable of the environment. In
// the last two cases Credential has no more than a key, if one is stated.
type Source struct {
	Pos      Pos
	Generate bool
	File     string // absolute and clean; empty for none
	Env      string // a name; empty for none
	Credential

	kept *store.Credential // one that the token has, in the place of all that
}

// outside tells whether the credential is yet to be read.
func (s *Source) outside() bool { return s.File != "" || s.Env != "" }

// Credential is a key and a digest, stated so or computed from a literal
// token. HasKey is false where a digest is stated alone: that of a credential
// which the token has, or of an opaque token, whose key is the one here, or in
// a regenerate that of a token under the key that there is.
type Credential struct {
	Key    token.Key
	HasKey bool
	Digest token.Digest
	// Imported is another product's digest, which is stated in the place of
	// Digest. The zero one is none.
	Imported token.ImportedDigest
	// Aliases are further keys that the text of a literal token may be known by:
	// that of an opaque token, and those of digests that were imported.
	Aliases []token.Key
	// Sealed is the text of a literal token, encrypted; nil where that is not
	// configured.
	Sealed []byte
}

// imported tells whether the credential is stated by another product's digest.
func (c *Credential) imported() bool { return c.Imported.Scheme != 0 }

// opaque tells whether the credential is an opaque token's.
func (c *Credential) opaque() bool { return c.imported() || c.Key == c.Digest.OpaqueKey() }

// Attributes are the fields of a token that an entry may state.
type Attributes struct {
	Description Stated[string]
	Expiry      Stated[Expiry]
	NotBefore   Stated[time.Time] // zero: from the beginning
	IssuedAt    Stated[time.Time]
	Active      Stated[bool]
	Type        Stated[store.Type]
	Scopes      Stated[[]string] // sorted, without repetitions; empty: none
	ScopeSets   Stated[[]string] // the same
	AllowedIPs  Stated[[]netip.Prefix]
	Audience    Stated[string]
	Labels      Stated[[]store.Label] // sorted by key
}

// Set is what an update changes.
type Set struct {
	User Stated[string]
	Name Stated[string]
	Attributes
}

// Output is a file that a generated token is written to.
type Output struct {
	Path         string      // absolute and clean
	Mode         fs.FileMode // permissions
	Owner, Group Stated[string]
	Format       OutputFormat
}

// OutputFormat is how a token is written.
type OutputFormat string

// The formats, by their names in manifests. All end in a line break.
const (
	RawOutput  OutputFormat = "raw"  // the token
	JSONOutput OutputFormat = "json" // an object with "token" and "key"
	EnvOutput  OutputFormat = "env"  // lines TOKENDROP_TOKEN=… and TOKENDROP_KEY=…
)

// UserEntry says whether users may use tokens at all.
type UserEntry struct {
	Pos     Pos
	User    string // a pattern; see store.Match
	Blocked bool
	Reason  string
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
