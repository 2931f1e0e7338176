package verify

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Request is what a gate was told about the original request. What it was not
// told is zero.
type Request struct {
	Method string
	// URI is path and query as the client has sent them.
	URI string
	// Override: the client asks the protected service to take the request for
	// one of another method.
	Override bool
	Client   netip.Addr
}

// path is the path of the URI, as it was sent.
func (r *Request) path() string {
	raw, _, _ := strings.Cut(r.URI, "?")
	return raw
}

func (r *Request) query() string {
	_, query, _ := strings.Cut(r.URI, "?")
	return query
}

// overrides are the headers that frameworks take a method from.
var overrides = [...]string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"}

// told reads what the proxy of a gate says about the original request. Behind is
// what follows the gate's path in the request line. It returns false if a
// header that is read stands there twice.
func (g *Gate) told(r *http.Request, behind string, trusted []netip.Prefix) (req Request, ok bool) {
	if g.Proxy == None || !fromProxy(r, trusted) {
		return Request{}, true
	}
	for _, name := range overrides {
		req.Override = req.Override || len(r.Header[name]) > 0
	}
	req.Client = client(r.Header["X-Forwarded-For"], trusted)
	if g.Proxy == Envoy {
		req.Method, req.URI = r.Method, behind
		return req, true
	}
	method, uri := r.Header[proxies[g.Proxy].method], r.Header[proxies[g.Proxy].uri]
	if len(method) == 1 {
		req.Method = method[0]
	}
	if len(uri) == 1 {
		req.URI = uri[0]
	}
	return req, len(method) <= 1 && len(uri) <= 1
}

// fromProxy tells whether who asks is believed.
func fromProxy(r *http.Request, trusted []netip.Prefix) bool {
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && local.Network() == "unix" {
		return true
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && within(peer.Addr(), trusted)
}

// within tells whether an address lies in one of the networks, whichever way an
// IPv4 address is written.
func within(address netip.Addr, networks []netip.Prefix) bool {
	address = address.Unmap()
	for _, n := range networks {
		if n.Contains(address) {
			return true
		}
	}
	return false
}

// client is the address that the right-most of our own proxies was asked from:
// what stands further left is what that client says. It is the zero Addr if it
// cannot be read.
func client(forwarded []string, trusted []netip.Prefix) netip.Addr {
	for i := len(forwarded) - 1; i >= 0; i-- {
		for line, more := forwarded[i], true; more; {
			var text string
			comma := strings.LastIndexByte(line, ',')
			more = comma >= 0
			text, line = line[comma+1:], line[:max(comma, 0)]
			address, err := netip.ParseAddr(strings.Trim(text, " \t"))
			if err != nil || address.Zone() != "" {
				return netip.Addr{}
			}
			if !within(address, trusted) {
				return address.Unmap()
			}
		}
	}
	return netip.Addr{}
}
