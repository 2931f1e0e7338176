package store

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/tokendrop/tokendrop/store/token"
)

// PatchID names one dropped file, or one order given over the admin socket,
// from its claim to the end of time. Its first bytes are a time, so that
// entries lie together as they are written.
type PatchID [16]byte

// String is the identifier in hex.
func (id PatchID) String() string { return hex.EncodeToString(id[:]) }

// Outcome is what became of a patch.
type Outcome uint8

// The outcomes. The zero Outcome is none.
const (
	Installed Outcome = iota + 1
	Failed
	Skipped
)

var outcomeNames = [...]string{Installed: "installed", Failed: "failed", Skipped: "skipped"}

// String is the outcome as file names and history show it.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return ""
}

// Entry is the record of one patch in the ledger.
type Entry struct {
	Patch   PatchID
	ID      uint64 // set by the store
	Time    time.Time
	Dir     string // the drop directory's name
	Path    string // relative to the directory
	Outcome Outcome
	Reasons []string // one line an error, none unless Failed
	SHA256  [sha256.Size]byte
	Changed bool   // whether any token is different now
	Author  string // who dropped it, as far as it is known
	Changes []Change
}

// Head is the end of a ledger. That of an empty one is zero.
type Head struct {
	ID    uint64            // of the last entry
	Chain [sha256.Size]byte // over all entries; see Next
}

// Next is the head of the ledger with one entry more, which has its number:
// Chain is SHA-256 over the Chain before, the entry's patch and its stored form.
func (h Head) Next(n *Entry) Head {
	row := append(append(make([]byte, 0, usualRow), h.Chain[:]...), n.Patch[:]...)
	return Head{n.ID, sha256.Sum256(AppendEntry(row, n))}
}

// Change is what became of one entry of a manifest.
type Change struct {
	Action string
	Key    token.Key // zero where there is no token
	Name   Name
	Result Result
}

// Result says what an entry did to its token.
type Result uint8

// The results. The zero Result is none.
const (
	Created Result = iota + 1
	Updated
	Deleted
	Unchanged
	KeysRevoked
)

var resultNames = [...]string{Created: "created", Updated: "updated", Deleted: "deleted", Unchanged: "unchanged", KeysRevoked: "revoked"}

// String is the result as history shows it.
func (r Result) String() string {
	if int(r) < len(resultNames) {
		return resultNames[r]
	}
	return ""
}
