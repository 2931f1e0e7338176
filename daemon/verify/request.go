package verify

import (
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
