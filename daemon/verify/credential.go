package verify

import (
	"encoding/base64"
	"strings"
)

// Source is where a gate takes tokens from. The zero Source is none.
type Source struct {
	kind sourceKind
	name string // of the parameter, of a query
}

type sourceKind uint8

const (
	authorization sourceKind = iota + 1
	apiKey
	basic
	query
)

// The sources that need nothing more to be said.
var (
	// FromAuthorization takes "Authorization: APIToken T" and "Bearer T".
	FromAuthorization = Source{kind: authorization}
	// FromAPIKey takes "X-API-Key: T".
	FromAPIKey = Source{kind: apiKey}
	// FromBasic takes the password of HTTP Basic; its user has to be the
	// token's.
	FromBasic = Source{kind: basic}
)

// FromQuery takes a parameter of the original URI.
func FromQuery(name string) Source { return Source{query, name} }

// String is the source as the configuration names it.
func (s Source) String() string {
	switch s.kind {
	case authorization:
		return "authorization"
	case apiKey:
		return "x-api-key"
	case basic:
		return "basic"
	}
	return "query:" + s.name
}

// NeedsURI tells whether the source is in the original URI, which not every
// proxy tells.
func (s Source) NeedsURI() bool { return s.kind == query }

// notToken is a text that is no token.
const notToken = "-"

// credential takes the text of the token, and the user that it has to belong to
// if it comes with one, out of a request. It does not look at what the text is.
// Of what the gate takes no tokens from, nothing is read.
func (g *Gate) credential(s *said, req *Request) (text, user string, reason Reason) {
	if s.encoded {
		return "", "", MalformedRequest
	}
	count, readsHeader, readsBasic := 0, false, false
	reason = MissingToken
	for _, source := range g.TokenFrom {
		var values []string
		ok := true
		switch source.kind {
		case authorization:
			readsHeader = true
		case basic:
			readsBasic = true
		case apiKey:
			values = s.fields[fieldAPIKey]
		case query:
			values, ok = parameter(req.query(), source.name)
		}
		if !ok {
			return "", "", MalformedRequest
		}
		if count += len(values); len(values) == 1 {
			text, reason = values[0], Yes
		}
	}
	if readsHeader || readsBasic {
		values := s.fields[fieldAuthorization]
		if count += len(values); len(values) == 1 {
			text, user, reason = fromAuthorization(values[0], readsHeader, readsBasic)
		}
	}
	switch {
	case count > 1:
		return "", "", MalformedRequest
	case text == "" && reason == Yes:
		return "", "", MissingToken
	}
	return text, user, reason
}

// fromAuthorization reads "SCHEME TOKEN" (RFC 9110, section 11.4). A scheme
// that is none of ours says nothing to us.
func fromAuthorization(value string, readsToken, readsBasic bool) (text, user string, reason Reason) {
	scheme, rest, _ := strings.Cut(value, " ")
	rest = strings.TrimLeft(rest, " ")
	switch {
	case strings.EqualFold(scheme, "basic"):
		if !readsBasic {
			return "", "", PasswordRefused
		}
		text, user = fromBasic(rest)
		return text, user, Yes
	case !readsToken:
	case strings.EqualFold(scheme, "bearer"), strings.EqualFold(scheme, "apitoken"):
		return rest, "", Yes
	}
	return "", "", MissingToken
}

// fromBasic reads the credentials of HTTP Basic (RFC 7617, section 2).
func fromBasic(encoded string) (password, user string) {
	decoded, err := base64.StdEncoding.Strict().DecodeString(encoded)
	user, password, ok := strings.Cut(string(decoded), ":")
	if err != nil || !ok || user == "" {
		return notToken, ""
	}
	return password, user
}
