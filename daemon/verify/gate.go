package verify

import (
	"net/netip"

	"github.com/tokendrop/tokendrop/store"
)

// Proxy is what stands in front of a gate, and so how the gate is told about
// the original request.
type Proxy uint8

// The proxies. Of None nothing is believed.
const (
	None Proxy = iota
	Nginx
	HAProxy
	Caddy
	Traefik
	Envoy
)

// Proxies are all of them, for configurations.
var Proxies = []Proxy{None, Nginx, HAProxy, Caddy, Traefik, Envoy}

// proxies says which header has the method and which the URI. Envoy has none: it
// repeats the original request line, with the gate's path in front.
var proxies = [...]struct {
	name        string
	method, uri int // in said.fields
}{
	None:    {"none", 0, 0},
	Nginx:   {"nginx", fieldOriginalMethod, fieldOriginalURI},
	HAProxy: {"haproxy", fieldOriginalMethod, fieldOriginalURI},
	Caddy:   {"caddy", fieldForwardedMethod, fieldForwardedURI},
	Traefik: {"traefik", fieldForwardedMethod, fieldForwardedURI},
	Envoy:   {"envoy", 0, 0},
}

// String is the proxy's name in the configuration.
func (p Proxy) String() string { return proxies[p].name }

// Unmatched says what becomes of a path that no route of a gate matches.
type Unmatched uint8

// What can become of it.
const (
	Refuse Unmatched = iota
	Allow
)

// String is what the configuration says.
func (u Unmatched) String() string {
	if u == Allow {
		return "allow"
	}
	return "refuse"
}

// Gate is a verify endpoint with its rules. The zero Gate says yes to nobody.
type Gate struct {
	Name     string
	Proxy    Proxy
	Audience string
	// Scopes are demanded of custom tokens, and have to be readable for
	// read-only ones, beside that of the route.
	Scopes []string
	// ReadVerbs are the last parts of scopes that a read-only token has.
	ReadVerbs []string
	TokenFrom []Source
	// Routes, unless nil, are the paths that can be asked for.
	Routes    *Routes
	Unmatched Unmatched
	// ScopeSets is what the names in a token's scope sets stand for.
	ScopeSets map[string][]string
	// alone: there is no request, and a token has to be good by itself.
	alone bool
}

// DefaultName is the name of the gate that answers at /verify.
const DefaultName = "default"

// DefaultGate is the gate of a name of which nothing else is stated. It is told
// nothing about the original request.
func DefaultGate(name string) Gate {
	return Gate{
		Name: name, Audience: store.DefaultAudience,
		ReadVerbs: []string{"find", "findOne", "get", "list", "read"},
		TokenFrom: []Source{FromAuthorization, FromAPIKey},
	}
}

// Rules are what a Handler goes by. They can be replaced while it answers, and
// are never changed.
type Rules struct {
	Gates map[string]*Gate // by their names
	// Trusted are the networks of the proxies that are believed. One that asks
	// over a Unix socket always is.
	Trusted []netip.Prefix
	// ScopeSets is what the names in a token's scope sets stand for where no
	// gate is asked.
	ScopeSets map[string][]string
}
