package verify

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tokendrop/tokendrop/store"
)

// permits tells whether a good token of the gate's audience may make the
// request. A check that was not told what it needs says ContextMissing.
func (g *Gate) permits(rec *store.Record, req *Request) Reason {
	var untold Request
	if g.Proxy == None {
		req = &untold
	}
	if reason := permitsClient(rec, req); reason != Yes {
		return reason
	}
	switch rec.Type {
	case store.FullAccess:
		_, reason := g.demands(req)
		return reason
	case store.ReadOnly:
		return g.permitsReading(req)
	case store.Custom:
		return g.permitsScopes(rec, req)
	}
	return ContextMissing
}

// permitsClient checks where the request comes from.
func permitsClient(rec *store.Record, req *Request) Reason {
	switch {
	case len(rec.AllowedIPs) == 0:
		return Yes
	case !req.Client.IsValid():
		return ContextMissing
	case !within(req.Client, rec.AllowedIPs):
		return IPNotAllowed
	}
	return Yes
}

// demands finds the scopes that the path demands, if it is one that the routes
// accept.
func (g *Gate) demands(req *Request) (scopes []string, reason Reason) {
	if g.Routes == nil {
		return g.Scopes, Yes
	}
	path, ok := plainPath(req.path())
	if !ok {
		return nil, ContextMissing
	}
	scopes, found := g.Routes.find(req.Method, path)
	switch {
	case found == oneRoute:
		return scopes, Yes
	case found == noRoute && g.Unmatched == Allow:
		return g.Scopes, Yes
	}
	return nil, ContextMissing
}

// permitsReading checks the request of a read-only token.
func (g *Gate) permitsReading(req *Request) Reason {
	switch {
	case req.Override:
		return MethodNotAllowed
	case req.Method == "":
		return ContextMissing
	case req.Method != http.MethodGet && req.Method != http.MethodHead && req.Method != http.MethodOptions:
		return MethodNotAllowed
	}
	demanded, reason := g.demands(req)
	if reason != Yes {
		return reason
	}
	for _, scope := range demanded {
		if !slices.Contains(g.ReadVerbs, verb(scope)) {
			return ScopeMissing
		}
	}
	return Yes
}

// verb is the last part of a scope.
func verb(scope string) string { return scope[strings.LastIndexAny(scope, ".:/")+1:] }

// permitsScopes checks the request of a custom token. Which scope a route
// demands can hang on the method, so that has to be certain.
func (g *Gate) permitsScopes(rec *store.Record, req *Request) Reason {
	if g.Proxy == None || g.Routes != nil && (!isPlainMethod(req.Method) || req.Override) {
		return ContextMissing
	}
	demanded, reason := g.demands(req)
	switch {
	case reason != Yes:
		return reason
	case len(demanded) == 0:
		return ContextMissing
	}
	for _, scope := range demanded {
		if !g.grants(rec, scope) {
			return ScopeMissing
		}
	}
	return Yes
}

// isPlainMethod tells whether every program takes a method for the same one.
// Their case counts (RFC 9110, section 9.1), and to many services it does not.
func isPlainMethod(method string) bool {
	return method != "" && !strings.ContainsFunc(method, func(c rune) bool { return 'a' <= c && c <= 'z' || c > '~' })
}

// grants tells whether one of the token's scopes, or of its sets, matches.
func (g *Gate) grants(rec *store.Record, scope string) bool {
	if matches(rec.Scopes, scope) {
		return true
	}
	for _, set := range rec.ScopeSets {
		if matches(g.ScopeSets[set], scope) {
			return true
		}
	}
	return false
}

func matches(patterns []string, scope string) bool {
	for _, p := range patterns {
		if store.MatchScope(p, scope) {
			return true
		}
	}
	return false
}
