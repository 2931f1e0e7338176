package provision

import (
	"slices"
	"strings"

	"github.com/tokendrop/tokendrop/store"
)

// judge says what the policy of a drop directory permits. Of scope sets it
// knows what they stand for.
type judge struct {
	*Policy // nil: everything is permitted

	sets map[string][]string
}

// rule is a rule of a policy, by its name in the configuration.
type rule string

const (
	ruleActions     rule = "actions"
	ruleUsers       rule = "users"
	ruleTypes       rule = "types"
	ruleScopes      rule = "scopes"
	ruleAudiences   rule = "audiences"
	ruleMaxLifetime rule = "max_lifetime"
	ruleMaxTokens   rule = "max_tokens"
	ruleOwners      rule = "owners"
)

// breaks tells which rule a record breaks by what it is, none if it lies
// within the policy.
func (j *judge) breaks(rec *store.Record) rule {
	switch {
	case j.Policy == nil:
		return ""
	case !j.permitsUser(rec.User):
		return ruleUsers
	case j.Types != nil && !slices.Contains(j.Types, rec.Type):
		return ruleTypes
	case j.Scopes != nil && !j.permitsScopes(rec):
		return ruleScopes
	case j.Audiences != nil && !slices.Contains(j.Audiences, rec.Audience):
		return ruleAudiences
	}
	return ""
}

func (j *judge) restrictsUsers() bool { return j.Policy != nil && j.Users != nil }

func (j *judge) permitsUser(user string) bool {
	return !j.restrictsUsers() ||
		slices.ContainsFunc(j.Users, func(pattern string) bool { return store.Match(pattern, user) })
}

// permitsUsers tells whether all users that a pattern matches are permitted.
func (j *judge) permitsUsers(pattern string) bool {
	return !j.restrictsUsers() ||
		slices.ContainsFunc(j.Users, func(outer string) bool { return store.CoversUser(outer, pattern) })
}

// permitsScopes judges what a record may do. Of a set that is not configured
// nobody knows what it will stand for. Who lists scopes means custom tokens, and
// others only by naming their types.
func (j *judge) permitsScopes(rec *store.Record) bool {
	if j.Types == nil && rec.Type != store.Custom {
		return false
	}
	for _, name := range rec.ScopeSets {
		content, known := j.sets[name]
		if !known || !j.coversScopes(content) {
			return false
		}
	}
	return j.coversScopes(rec.Scopes)
}

func (j *judge) coversScopes(scopes []string) bool {
	for _, scope := range scopes {
		if !slices.ContainsFunc(j.Scopes, func(outer string) bool { return store.CoversScope(outer, scope) }) {
			return false
		}
	}
	return true
}

func (j *judge) permitsAction(action string) bool {
	return j.Policy == nil || j.Actions == nil || slices.Contains(j.Actions, action)
}

// mostTokens is how many tokens the drop directory may have made, zero for any
// number.
func (j *judge) mostTokens() int {
	if j.Policy == nil {
		return 0
	}
	return j.MaxTokens
}

// permitsOwner judges who dropped a file. groups lists the groups of a user; it
// is asked only if that matters.
func (j *judge) permitsOwner(owner string, groups func(user string) []string) bool {
	switch {
	case j.Policy == nil || j.Owners == nil:
		return true
	case isGroup(owner):
		return false // no user is called so
	case slices.Contains(j.Owners, owner):
		return true
	case groups == nil || !slices.ContainsFunc(j.Owners, isGroup):
		return false
	}
	return slices.ContainsFunc(groups(owner), func(group string) bool { return slices.Contains(j.Owners, groupPrefix+group) })
}

// groupPrefix tells groups from users among owners.
const groupPrefix = "group:"

func isGroup(owner string) bool { return strings.HasPrefix(owner, groupPrefix) }
