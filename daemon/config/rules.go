package config

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// Bounds of what is said about one drop directory.
const (
	maxDirs     = 64
	maxPatterns = 1000

	maxLifetime      = 36_500 * 24 * time.Hour
	maxMaxTokens     = 1 << 30
	maxSignatureWait = 24 * time.Hour

	defaultSignatureWait = time.Minute
)

// ruleFields describes what the manifests of a drop directory may do.
func (r *reading) ruleFields(rules *provision.Rules) []field {
	return []field{
		list("secret_dirs", &rules.SecretDirs, 0, maxDirs, parsePath),
		list("secret_env", &rules.SecretEnv, 0, maxDirs, parseVariable),
		list("output_dirs", &rules.OutputDirs, 0, maxDirs, parsePath),
		{name: "policy", header: "[drop.policy] below its [[drop]]", inner: func(key string, table map[string]any) {
			rules.Policy = r.policy(key, table)
		}},
	}
}

func policyFields(p *provision.Policy) []field {
	return []field{
		list("actions", &p.Actions, 0, maxPatterns, oneOf(provision.PolicyActions()...)),
		list("users", &p.Users, 0, maxPatterns, parseUser),
		list("types", &p.Types, 0, maxPatterns, oneOf(store.FullAccess, store.ReadOnly, store.Custom)),
		list("scopes", &p.Scopes, 0, maxPatterns, parseScope),
		list("audiences", &p.Audiences, 0, maxPatterns, parseWord),
		duration("max_lifetime", &p.MaxLifetime, time.Second, maxLifetime),
		count("max_tokens", &p.MaxTokens, 1, maxMaxTokens),
		list("owners", &p.Owners, 0, maxPatterns, parseOwner),
		boolean("renew", &p.Renew),
		text("allowed_signers", wantPath, &p.AllowedSigners, parsePath),
		duration("signature_wait", &p.SignatureWait, time.Second, maxSignatureWait),
	}
}

// policy reads a [drop.policy]. One with problems restricts as far as it could
// be read, and is never used.
func (r *reading) policy(key string, table map[string]any) *provision.Policy {
	p := &provision.Policy{}
	r.table(key, table, policyFields(p))
	if table["signature_wait"] != nil && table["allowed_signers"] == nil {
		r.problem(key+".signature_wait", "signature_wait goes with allowed_signers: nobody waits for a signature that is not needed; state that too, or leave this out")
	}
	if p.Renew && table["max_lifetime"] == nil {
		r.problem(key+".renew", "renew goes with max_lifetime: it says from when that lifetime counts; state that too, or leave this out")
	}
	if p.AllowedSigners != "" && p.SignatureWait == 0 {
		p.SignatureWait = defaultSignatureWait
	}
	return p
}

// scopeSetsKey is the table of sets of scopes, whose keys are their names.
const scopeSetsKey = "scope_sets"

const (
	maxScopeSets = 1000
	maxScopes    = 1000 // of one set
)

// scopeSets reads [scope_sets].
func (r *reading) scopeSets(at string, table map[string]any) {
	if len(table) > maxScopeSets {
		r.problem(at, fmt.Sprintf("want at most %d sets of scopes", maxScopeSets))
		return
	}
	r.config.ScopeSets = make(map[string][]string, len(table))
	for _, name := range slices.Sorted(maps.Keys(table)) {
		key := at + "." + name
		if err := provision.CheckWord(name); err != nil {
			r.problem(key, fmt.Sprintf("the name of a set of scopes %v", err))
			continue
		}
		if _, dotted := table[name].(map[string]any); dotted {
			r.problem(key, "a name with dots in it stands in quotes")
			continue
		}
		var scopes []string
		r.set(key, r.place(key), list(name, &scopes, 1, maxScopes, parseScope), table[name])
		slices.Sort(scopes)
		r.config.ScopeSets[name] = scopes
	}
}

// imports reads [tokens.import].
func (r *reading) imports(at string, table map[string]any) {
	imports := make(map[string]string, len(table))
	for _, id := range slices.Sorted(maps.Keys(table)) {
		key := at + "." + id
		if !token.IsImportID(id) {
			r.problem(key, "the ID of an import has 1 to 64 of the characters A-Z a-z 0-9 _ and -")
			continue
		}
		r.inner(key, field{name: "an import", header: "[tokens.import.ID]", inner: func(key string, table map[string]any) {
			imports[id] = r.saltFile(key, table)
		}}, table[id])
	}
	r.config.Tokens.Imports = imports
}

func (r *reading) saltFile(key string, table map[string]any) string {
	path := ""
	r.table(key, table, []field{text("salt_file", wantPath, &path, parsePath)})
	if table["salt_file"] == nil {
		r.problem(key, "salt_file is missing: say which file has the other product's salt")
	}
	return path
}

// parseUser reads a pattern of users.
func parseUser(text string) (string, error) {
	switch {
	case text == "":
		return "", errEmpty
	case !norm.NFC.IsNormalString(text):
		return "", errors.New("want Unicode's composed form (NFC), which is what users have")
	}
	return parseText(text)
}

var errEmpty = errors.New("is empty")

func parseScope(text string) (string, error) { return text, provision.CheckScope(text) }

func parseWord(text string) (string, error) { return text, provision.CheckWord(text) }

// parseOwner reads the name of a user, or of a group.
func parseOwner(text string) (string, error) {
	name := strings.TrimPrefix(text, "group:")
	if name == "" || strings.ContainsAny(name, ": ") {
		return "", errors.New(`want the name of a user, or of a group as in "group:ops"`)
	}
	return parseText(text)
}

var variableForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// parseVariable reads the name of a variable of the environment.
func parseVariable(text string) (string, error) {
	if len(text) > maxText || !variableForm.MatchString(text) {
		return "", errors.New("want the name of a variable, of A-Z a-z 0-9 and _, without a digit in front")
	}
	return text, nil
}
