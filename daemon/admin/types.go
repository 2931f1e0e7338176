package admin

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// Token is a token as "list -o json" shows it (SPEC section 7). Absent times
// are null.
type Token struct {
	Key         token.Key         `json:"key"`
	User        string            `json:"user"`
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Type        string            `json:"type"`
	Scopes      []string          `json:"scopes"`
	ScopeSets   []string          `json:"scope_sets"`
	AllowedIPs  []string          `json:"allowed_ips"`
	Audience    string            `json:"audience"`
	Labels      map[string]string `json:"labels"`
	Active      bool              `json:"active"`
	State       State             `json:"state"`
	NotBefore   *time.Time        `json:"not_before"`
	ExpiresAt   *time.Time        `json:"expires_at"`
	CreatedAt   *time.Time        `json:"created_at"`
	UpdatedAt   *time.Time        `json:"updated_at"`
	IssuedAt    *time.Time        `json:"issued_at"`
	Generation  uint64            `json:"generation"`
	LastUsedAt  *time.Time        `json:"last_used_at"`
	LastUsedIP  *netip.Addr       `json:"last_used_ip"` // null where no gate was told
	UseCount    uint64            `json:"use_count"`    // credentials that are gone included
	Source      string            `json:"source"`
	Credentials []Credential      `json:"credentials"`
	// BlockReason is why its user is blocked, where that was said. Service.Token
	// tells it, and no list.
	BlockReason string `json:"block_reason,omitempty"`
}

// Credential is one of a token's credentials.
type Credential struct {
	Key        token.Key  `json:"key"`
	IssuedAt   *time.Time `json:"issued_at"`
	GoodUntil  *time.Time `json:"good_until"`
	LastUsedAt *time.Time `json:"last_used_at"`
	UseCount   uint64     `json:"use_count"`
}

// State is the first of these that holds.
type State string

// The states.
const (
	Blocked  State = "blocked" // its user is
	Disabled State = "disabled"
	Expired  State = "expired"
	Active   State = "active"
)

// States are all of them, for help texts and checks.
var States = []State{Active, Disabled, Expired, Blocked}

func stateOf(rec *store.Record, rule store.Rule, now time.Time) State {
	switch {
	case rule.Blocked:
		return Blocked
	case !rec.Active:
		return Disabled
	case !rec.ExpiresAt.IsZero() && !now.Before(rec.ExpiresAt):
		return Expired
	}
	return Active
}

func newToken(rec *store.Record, rule store.Rule, uses store.Uses, now time.Time) Token {
	total := uses.Total()
	t := Token{
		Key: rec.Key(), User: rec.User, Name: rec.Name.Name, Description: rec.Description,
		Type: rec.Type.String(), Scopes: orNone(rec.Scopes), ScopeSets: orNone(rec.ScopeSets),
		AllowedIPs: make([]string, len(rec.AllowedIPs)), Audience: rec.Audience,
		Labels: make(map[string]string, len(rec.Labels)), Active: rec.Active, State: stateOf(rec, rule, now),
		NotBefore: instant(rec.NotBefore), ExpiresAt: instant(rec.ExpiresAt), CreatedAt: instant(rec.CreatedAt),
		UpdatedAt: instant(rec.UpdatedAt), IssuedAt: instant(rec.IssuedAt), Generation: rec.Generation,
		LastUsedAt: instant(total.At), UseCount: total.Count,
		Source:      strings.TrimSuffix(rec.Source.Dir, "/") + "/" + strings.TrimPrefix(rec.Source.Path, "/"),
		Credentials: make([]Credential, len(rec.Credentials)),
	}
	for i, p := range rec.AllowedIPs {
		t.AllowedIPs[i] = p.String()
	}
	for _, l := range rec.Labels {
		t.Labels[l.Key] = l.Value
	}
	for i, c := range rec.Credentials {
		use := uses.Of(c.Number)
		t.Credentials[i] = Credential{
			Key: c.Key, IssuedAt: instant(c.IssuedAt), GoodUntil: instant(c.GoodUntil),
			LastUsedAt: instant(use.At), UseCount: use.Count,
		}
	}
	if total.IP.IsValid() {
		t.LastUsedIP = &total.IP
	}
	return t
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Entry is a ledger entry as "history -o json" shows it (SPEC section 7).
type Entry struct {
	ID      uint64    `json:"id"`
	Time    time.Time `json:"time"`
	Dir     string    `json:"dir"`
	Path    string    `json:"path"`
	Outcome string    `json:"outcome"`
	Reason  string    `json:"reason"` // a line an error
	SHA256  string    `json:"sha256"`
	Changed bool      `json:"changed"`
	Author  string    `json:"author"`
	Entries []Change  `json:"entries"`
}

// Change is what became of one entry of a manifest.
type Change struct {
	Action string     `json:"action"`
	Key    *token.Key `json:"key"`
	User   string     `json:"user"`
	Name   string     `json:"name"`
	Result string     `json:"result"`
}

func newEntry(e *store.Entry) Entry {
	out := Entry{
		ID: e.ID, Time: e.Time, Dir: e.Dir, Path: e.Path, Outcome: e.Outcome.String(),
		Reason: strings.Join(e.Reasons, "\n"), SHA256: hashText(e.SHA256),
		Changed: e.Changed, Author: e.Author, Entries: make([]Change, len(e.Changes)),
	}
	for i := range e.Changes {
		out.Entries[i] = newChange(&e.Changes[i])
	}
	return out
}

func newChange(c *store.Change) Change {
	out := Change{Action: c.Action, User: c.Name.User, Name: c.Name.Name, Result: c.Result.String()}
	if !c.Key.IsZero() {
		out.Key = &c.Key
	}
	return out
}

// hashText is empty for a file that was never read.
func hashText(sum [32]byte) string {
	if sum == [32]byte{} {
		return ""
	}
	return hex.EncodeToString(sum[:])
}

// Question is what a gate is asked. What it is not to know of the original
// request is empty, or zero.
type Question struct {
	Token  string     `json:"token"`
	Gate   string     `json:"gate"`
	Method string     `json:"method"`
	URI    string     `json:"uri"`
	IP     netip.Addr `json:"ip"`
}

// Verdict is what a gate would say.
type Verdict struct {
	Active  bool       `json:"active"`
	Key     *token.Key `json:"key,omitempty"`
	User    string     `json:"user,omitempty"`
	Name    string     `json:"name,omitempty"`
	Reason  string     `json:"reason,omitempty"`
	Message string     `json:"message,omitempty"`
}

// Pruned is what became of a prune that was let go.
type Pruned struct {
	Count int `json:"count"` // of tokens
	// Withheld is why nothing was pruned, empty where that is not so.
	Withheld string `json:"withheld"`
}
