package store

import (
	"cmp"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"github.com/tokendrop/tokendrop/store/token"
)

// Mark is a fact that a patch has stated and that outlives tokens and files: a
// key that was revoked, a user who is blocked, a name that was used once. A
// mark is written over and never goes, but for those of kind Kept.
type Mark struct {
	MarkID

	Value    string
	Revision Revision // set by the store
}

// MarkID names a mark. Key is made by the constructors below and by nobody
// else.
type MarkID struct {
	Kind MarkKind
	Key  string
}

// compare orders by kind, then by key.
func (id MarkID) compare(o MarkID) int {
	return cmp.Or(cmp.Compare(id.Kind, o.Kind), strings.Compare(id.Key, o.Key))
}

// MarkKind says what a mark means.
type MarkKind uint8

// The kinds of marks. Numbers are stored, and never used again.
const (
	Revoked    MarkKind = iota + 1 // Value is empty
	UserRule                       // Value is that of Rule
	OnceUsed                       // Value is the SHA-256 of the manifest
	Serial                         // Value is that of a number
	Written                        // Value is that of Output
	FirstIssue                     // Value is a TimeValue
	Kept                           // Value is that of a KeptFile
)

// Known tells whether there is such a kind. What a kind that is not known
// forbids would go unnoticed, so none is ever stored or read.
func (k MarkKind) Known() bool { return k >= Revoked && k <= Kept }

// RevokedID is for a key that may never be made again: by nobody if user is
// empty, otherwise by that user.
func RevokedID(key token.Key, user string) MarkID {
	return MarkID{Revoked, string(key[:]) + user}
}

// RevokedKey is the key that a RevokedID is for, and the user, who is empty if it
// is revoked for everybody; false for every other mark.
func RevokedKey(id MarkID) (key token.Key, user string, ok bool) {
	if id.Kind != Revoked || len(id.Key) < len(key) {
		return key, "", false
	}
	return token.Key([]byte(id.Key)[:len(key)]), id.Key[len(key):], true
}

// UserRuleID is for what is said about a user, or about the users that a
// pattern matches.
func UserRuleID(pattern string) MarkID { return MarkID{UserRule, pattern} }

// OnceID is for a name that a manifest of a drop directory may use once.
func OnceID(dir, name string) MarkID { return MarkID{OnceUsed, pair(dir, name)} }

// SerialID is for the highest serial number that was installed from a place, as
// manifests name it: a drop directory, a slash, and a path in it.
func SerialID(place string) MarkID { return MarkID{Serial, place} }

// WrittenID is for a file that was written for a token.
func WrittenID(path string) MarkID { return MarkID{Written, path} }

// FirstIssueID is for when the first token of that user and name was issued,
// which a token that is gone no longer tells.
func FirstIssueID(name Name) MarkID { return MarkID{FirstIssue, pair(name.User, name.Name)} }

// KeptID is for a file that stays where it lies: its drop directory, and its
// path in there.
func KeptID(at Source) MarkID { return MarkID{Kept, pair(at.Dir, at.Path)} }

// KeptSource is the place that a mark of kind Kept is for; false for every other
// mark.
func KeptSource(id MarkID) (at Source, ok bool) {
	size, n := binary.Uvarint([]byte(id.Key))
	if id.Kind != Kept || n <= 0 || size > uint64(len(id.Key)-n) {
		return Source{}, false
	}
	text := id.Key[n:]
	return Source{Dir: text[:size], Path: text[size:]}, true
}

// TimeValue is a time as a mark has it, in milliseconds.
func TimeValue(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// TimeOf reads the value of a mark that is a time. What it cannot read is long
// ago, from where no lifetime lasts until today.
func TimeOf(value string) time.Time {
	ms, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// pair joins two texts so that different pairs stay different.
func pair(a, b string) string {
	return string(binary.AppendUvarint(nil, uint64(len(a)))) + a + b
}

// Rule is what is said about the users that a pattern matches.
type Rule struct {
	Blocked bool
	Reason  string
}

// Value is the rule as a mark has it.
func (r Rule) Value() string {
	if r.Blocked {
		return "b" + r.Reason
	}
	return "a" + r.Reason
}

// RuleOf reads the value of a UserRule. What it cannot read blocks.
func RuleOf(value string) Rule {
	if value == "" {
		return Rule{Blocked: true}
	}
	return Rule{Blocked: value[0] != 'a', Reason: value[1:]}
}
