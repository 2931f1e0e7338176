package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/tokendrop/tokendrop/daemon/verify"
	"github.com/tokendrop/tokendrop/provision"
)

// Bounds of what is said about gates.
const (
	maxGates   = 100
	maxRoutes  = 10_000 // of one gate
	maxDemands = 64     // of scopes, and of verbs
	maxSources = 16
	maxProxies = 1000
)

// Gates is what the configuration says of gates, all of them.
func (c *Config) Gates() *verify.Rules {
	rules := &verify.Rules{
		Gates: make(map[string]*verify.Gate, len(c.Verify.Gates)), Trusted: c.Verify.TrustedProxies, ScopeSets: c.ScopeSets,
	}
	for _, g := range c.Verify.Gates {
		g.ScopeSets = c.ScopeSets
		rules.Gates[g.Name] = &g
	}
	return rules
}

// gates takes over the gates, which replace the default one.
func (r *reading) gates(at string, tables []map[string]any) {
	if len(tables) == 0 || len(tables) > maxGates {
		r.problem(at, fmt.Sprintf("want 1 to %d gates, or leave it out for the default one", maxGates))
		return
	}
	r.config.Verify.Gates = make([]verify.Gate, len(tables))
	first := map[string]string{}
	for i, table := range tables {
		key := fmt.Sprintf("%s[%d]", at, i)
		g := r.gate(key, table)
		r.config.Verify.Gates[i] = g
		if other, twice := first[g.Name]; twice && g.Name != "" {
			r.problem(key+".name", "two gates have this name: give one another"+seeAlso(r.place(other+".name")))
		} else {
			first[g.Name] = key
		}
	}
}

// gate reads one [[verify.gates]]. One with problems is never used.
func (r *reading) gate(key string, table map[string]any) verify.Gate {
	g := verify.DefaultGate("")
	var routes []verify.Route
	r.table(key, table, append(gateFields(&g), field{
		name: "routes", header: "[[verify.gates.routes]] below its [[verify.gates]]",
		tables: func(at string, tables []map[string]any) { routes = r.routes(at, tables) },
	}))
	if table["name"] == nil {
		r.problem(key, `name is missing: the gate "default" answers at /verify, any other at /verify/NAME`)
	}
	r.checkGate(key, table, &g)
	if len(routes) > 0 {
		g.Routes = r.compile(key+".routes", routes, g.Scopes)
	}
	return g
}

// gateFields describes a gate, without its routes.
func gateFields(g *verify.Gate) []field {
	return []field{
		text("name", wantText, &g.Name, parseGateName),
		choice("proxy", &g.Proxy, verify.Proxies...),
		text("audience", wantText, &g.Audience, parseWord),
		list("scopes", &g.Scopes, 0, maxDemands, parseDemanded),
		list("read_verbs", &g.ReadVerbs, 0, maxDemands, parseVerb),
		list("token_from", &g.TokenFrom, 1, maxSources, parseSource),
		choice("unmatched", &g.Unmatched, verify.Refuse, verify.Allow),
	}
}

// routeFields describes a route.
func routeFields(route *verify.Route) []field {
	return []field{
		text("match", wantText, &route.Match, parseText),
		text("scope", wantText, &route.Scope, parseDemanded),
	}
}

// checkGate finds what is stated of a gate and can have no effect.
func (r *reading) checkGate(key string, table map[string]any, g *verify.Gate) {
	if table["unmatched"] != nil && table["routes"] == nil {
		r.problem(key+".unmatched", "unmatched goes with routes: without any, every path is accepted; state some, or leave this out")
	}
	if g.Proxy != verify.None || table["proxy"] != nil && table["proxy"] != verify.None.String() {
		return
	}
	const why = `which no gate is told without a proxy in front of it: say which one it is, as in proxy = "nginx"`
	if table["routes"] != nil {
		r.problem(key+".routes", "routes need the original path, "+why)
	}
	for _, s := range g.TokenFrom {
		if s.NeedsURI() {
			r.problem(key+".token_from", "token_from: a query is a part of the original URI, "+why)
		}
	}
}

// routes reads the [[verify.gates.routes]] of a gate. There are none if one of
// them has a problem.
func (r *reading) routes(at string, tables []map[string]any) []verify.Route {
	if len(tables) > maxRoutes {
		r.problem(at, fmt.Sprintf("want at most %d routes", maxRoutes))
		return nil
	}
	before := len(r.problems)
	routes := make([]verify.Route, len(tables))
	for i, table := range tables {
		key := routeKey(at, i)
		r.table(key, table, routeFields(&routes[i]))
		if table["match"] == nil {
			r.problem(key, `match is missing: say which requests this route is about, as in match = "GET /api/articles/{id}"`)
		}
	}
	if len(r.problems) > before {
		return nil
	}
	return routes
}

func routeKey(at string, i int) string { return fmt.Sprintf("%s[%d]", at, i) }

// compile makes the routes of a gate, and says which of them is wrong.
func (r *reading) compile(at string, routes []verify.Route, scopes []string) *verify.Routes {
	compiled, err := verify.NewRoutes(routes, scopes)
	if wrong, ok := errors.AsType[*verify.RouteError](err); ok {
		text := "match: " + wrong.Err.Error()
		if wrong.Other >= 0 {
			text += seeAlso(r.place(routeKey(at, wrong.Other) + ".match"))
		}
		r.problem(routeKey(at, wrong.Index)+".match", text)
	}
	return compiled
}

var gateName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$`)

// parseGateName reads what is a part of the gate's path.
func parseGateName(text string) (string, error) {
	if !gateName.MatchString(text) {
		return "", errors.New("want 1 to 64 of the characters A-Z a-z 0-9 . _ and -, and no . in front")
	}
	return text, nil
}

// parseDemanded reads a scope that a token has to have.
func parseDemanded(text string) (string, error) {
	if err := provision.CheckScope(text); err != nil {
		return "", err
	}
	if strings.Contains(text, "*") {
		return "", errors.New("want a scope without *: what is demanded is one scope, and those of tokens may have stars")
	}
	return text, nil
}

// parseVerb reads the last part of scopes.
func parseVerb(text string) (string, error) {
	if err := provision.CheckWord(text); err != nil {
		return "", err
	}
	if strings.ContainsAny(text, ".:/") {
		return "", errors.New(`want the last part of scopes alone, what follows their last ".", ":" or "/"`)
	}
	return text, nil
}

var parameterName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// parseSource reads where tokens are taken from.
func parseSource(text string) (verify.Source, error) {
	for _, s := range []verify.Source{verify.FromAuthorization, verify.FromAPIKey, verify.FromBasic} {
		if text == s.String() {
			return s, nil
		}
	}
	if name, ok := strings.CutPrefix(text, "query:"); ok && parameterName.MatchString(name) {
		return verify.FromQuery(name), nil
	}
	return verify.Source{}, errors.New(`want one of "authorization", "x-api-key", "basic", or "query:NAME" for a parameter of the original URI`)
}
