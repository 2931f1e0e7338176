package provision

import (
	"slices"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/seal"
	"github.com/tokendrop/tokendrop/store/token"
)

// Settings are what the configuration says of manifests. The zero Settings has
// no prefixes and no sets, and every drop directory may do everything but read
// and write files.
type Settings struct {
	Formats   token.Formats
	Keys      token.Keyring       // for what is kept of tokens; it has the salts of imports
	Seal      seal.Keys           // for the texts of tokens; none: these are not kept
	ScopeSets map[string][]string // what each name in "scope_sets" stands for
	Rules     map[string]Rules    // by the names of drop directories

	// Forbidden are the configuration's own files, which hold secrets or say
	// who has rights, and directories. No manifest reads or writes them, or what
	// is in them, by whatever path.
	Forbidden []string
}

// firstIssues are patterns of the users of whose tokens the first issue has to
// be remembered, because a lifetime counts from it.
func (s *Settings) firstIssues() []string {
	var patterns []string
	for _, r := range s.Rules {
		switch p := r.Policy; {
		case p == nil || p.MaxLifetime == 0 || p.Renew:
		case p.Users == nil:
			return []string{"**"}
		default:
			patterns = append(patterns, p.Users...)
		}
	}
	return patterns
}

// Rules are what the manifests of one drop directory may do.
type Rules struct {
	Policy     *Policy  // nil: no restriction
	SecretDirs []string // below which "token_file" reads; absolute
	SecretEnv  []string // variables that "token_env" reads
	OutputDirs []string // below which "write_to" writes; absolute

	Prune      Prune      // of a directory in keep mode
	PruneLimit PruneLimit // the zero one is the least: MinPrune
}

// Block is what a policy's actions call the entries under "users".
const Block = "block"

// PolicyActions are the words that a policy's actions are chosen from.
func PolicyActions() []string { return slices.Concat(actions, []string{Block}) }

// Policy restricts one drop directory (SPEC section 4). A list that is nil
// restricts nothing; an empty one admits nothing.
type Policy struct {
	Actions     []string // of entries, and "block"
	Users       []string // patterns; see store.Match
	Types       []store.Type
	Scopes      []string // patterns
	Audiences   []string
	MaxLifetime time.Duration // zero: no bound
	Renew       bool          // MaxLifetime counts from each issue, not from the first
	MaxTokens   int           // whose source is the directory; zero: no bound
	Owners      []string      // of dropped files: users, and groups as "group:NAME"

	AllowedSigners string        // a file as ssh-keygen(1) has it; empty: no signature is needed
	SignatureWait  time.Duration // how long a patch waits for its signature
}
