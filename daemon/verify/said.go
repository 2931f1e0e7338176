package verify

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// said is all that is read of a request to a gate, whoever read it: net/http, or
// head. The decision knows of nothing else.
type said struct {
	method string
	// rest is the request target after "/verify".
	rest string
	// encoded: the request has a Transfer-Encoding.
	encoded bool
	// fields are the values of the headers that gates read, in their order.
	fields [spoken][]string
	from   peer
}

// spoken counts the headers that gates read.
const spoken = 11

// What gates read, as a place in said.fields.
const (
	fieldAuthorization = iota
	fieldAPIKey
	fieldForwardedFor
	fieldOriginalMethod
	fieldOriginalURI
	fieldForwardedMethod
	fieldForwardedURI
	fieldOverride // and the two after it

	// fieldUnderscored is there, and empty, if one of overrideSpellings is.
	fieldUnderscored = spoken - 1
)

// spokenNames are their names, as net/http spells them. Those from fieldOverride on
// are those that frameworks take a method from.
var spokenNames = [spoken]string{
	"Authorization", "X-Api-Key", "X-Forwarded-For", "X-Original-Method", "X-Original-Uri", "X-Forwarded-Method", "X-Forwarded-Uri",
	"X-Http-Method-Override", "X-Http-Method", "X-Method-Override",
}

// overrideSpellings are those three with underscores, which a service behind a
// gateway interface (RFC 3875, section 4.1.18) cannot tell from dashes.
var overrideSpellings = func() (all []string) {
	for _, name := range spokenNames[fieldOverride:fieldUnderscored] {
		for which := 1; which < 1<<strings.Count(name, "-"); which++ {
			spelling, dash := []byte(name), 0
			for i, c := range spelling {
				if c != '-' {
					continue
				}
				if which>>dash&1 == 1 {
					spelling[i] = '_'
				}
				dash++
			}
			all = append(all, http.CanonicalHeaderKey(string(spelling)))
		}
	}
	return all
}()

// saidBy is what a request says that net/http has read.
func saidBy(r *http.Request, rest string) *said {
	s := &said{method: r.Method, rest: rest, encoded: len(r.TransferEncoding) > 0}
	for i, name := range spokenNames {
		s.fields[i] = r.Header[name]
	}
	for _, name := range overrideSpellings {
		if r.Header[name] != nil {
			s.fields[fieldUnderscored] = []string{""}
		}
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	s.from = peerOf(local, r.RemoteAddr)
	return s
}

// peer is who asks.
type peer struct {
	local   bool       // over a Unix socket
	address netip.Addr // the zero Addr if it is none
}

func peerOf(local net.Addr, remote string) peer {
	if local != nil && local.Network() == "unix" {
		return peer{local: true}
	}
	at, _ := netip.ParseAddrPort(remote) // the zero one is in no network
	return peer{address: at.Addr()}
}

// believed tells whether it is a proxy of ours.
func (p peer) believed(trusted []netip.Prefix) bool {
	return p.local || p.address.IsValid() && within(p.address, trusted)
}

// told is what the proxy of a gate says about the original request. Behind is
// what follows the gate's path in the request line. It returns false if a header
// that is read stands there twice.
func (g *Gate) told(s *said, behind string, trusted []netip.Prefix) (req Request, ok bool) {
	if g.Proxy == None || !s.from.believed(trusted) {
		return Request{}, true
	}
	for _, values := range s.fields[fieldOverride:] {
		req.Override = req.Override || len(values) > 0
	}
	req.Client = client(s.fields[fieldForwardedFor], trusted)
	if g.Proxy == Envoy {
		req.Method, req.URI = s.method, behind
		return req, true
	}
	method, uri := s.fields[proxies[g.Proxy].method], s.fields[proxies[g.Proxy].uri]
	if len(method) == 1 {
		req.Method = method[0]
	}
	if len(uri) == 1 {
		req.URI = uri[0]
	}
	return req, len(method) <= 1 && len(uri) <= 1
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
