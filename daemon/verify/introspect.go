package verify

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

const (
	introspectPath = "/introspect"
	// maxForm is more than a token and a hint take, each byte escaped.
	maxForm   = 8 << 10
	maxBearer = 512
)

// Bearer is what whoever introspects has to present. It keeps a digest, so that
// none can be printed by mistake. The zero Bearer admits nobody.
type Bearer struct{ digest [sha256.Size]byte }

// NewBearer makes a Bearer of its text. The error says what is wrong without
// repeating any of it.
func NewBearer(text string) (Bearer, error) {
	if text == "" || len(text) > maxBearer || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return Bearer{}, errors.New("want 1 to 512 printable ASCII characters without spaces")
	}
	return Bearer{sha256.Sum256([]byte(text))}, nil
}

// admits compares in constant time.
func (b Bearer) admits(text string) bool {
	digest := sha256.Sum256([]byte(text))
	return subtle.ConstantTimeCompare(b.digest[:], digest[:]) == 1
}

// Introspector serves /introspect (RFC 7662) with what a Handler has: it tells
// a resource server whether a token is good by itself, and what it is good for.
// No gate is asked, so of a request the resource server is the judge.
type Introspector struct {
	*Handler
	// Bearer is asked for at each request, and has to be there at once.
	Bearer func() Bearer
}

// IntrospectGate is the name that Decided is told for an Introspector.
const IntrospectGate = "introspect"

// ServeHTTP implements http.Handler.
func (i *Introspector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, _, _ := strings.Cut(target(r), "?")
	switch {
	case path != introspectPath:
		notFound(w, "ask "+introspectPath)
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		writeError(w, http.StatusMethodNotAllowed, "invalid_request", "introspection is asked for with POST")
	case !i.Ready():
		i.tell(IntrospectGate, NotReady, token.Key{})
		refuse(w, NotReady)
	case !i.admits(w, r):
	default:
		i.introspect(w, r)
	}
}

// admits checks who asks (RFC 7662, section 2.1), and answers whom it does not
// admit.
func (i *Introspector) admits(w http.ResponseWriter, r *http.Request) bool {
	const realm = `Bearer realm="tokendrop"`
	values := r.Header["Authorization"]
	if len(values) == 0 {
		w.Header().Set("WWW-Authenticate", realm)
		writeError(w, http.StatusUnauthorized, "invalid_token", "the bearer token of introspection is missing")
		return false
	}
	scheme, text, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "bearer") || !i.Bearer().admits(strings.TrimLeft(text, " ")) {
		const message = "this is not the bearer token of introspection"
		w.Header().Set("WWW-Authenticate", realm+`, error="invalid_token", error_description="`+message+`"`)
		writeError(w, http.StatusUnauthorized, "invalid_token", message)
		return false
	}
	return true
}

// introspect answers whom it may.
func (i *Introspector) introspect(w http.ResponseWriter, r *http.Request) {
	text, status, problem := introspected(w, r)
	if problem != "" {
		writeError(w, status, "invalid_request", problem)
		return
	}
	sets, now := i.Rules().ScopeSets, i.Now()
	d := i.Ask(&Question{Text: text, Gate: &Gate{alone: true}}, now)
	defer d.Release()
	i.tell(IntrospectGate, d.Reason, d.Presented())
	if d.Reason != Yes {
		writeJSON(w, http.StatusOK, struct {
			Active bool `json:"active"`
		}{})
		return
	}
	i.count(&d, netip.Addr{}, now)
	writeJSON(w, http.StatusOK, introspection(&d, sets))
}

// introspected takes the token out of the form that a request has as its body.
// Nothing else of the form is looked at, and nothing of the URI.
func introspected(w http.ResponseWriter, r *http.Request) (text string, status int, problem string) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return "", http.StatusUnsupportedMediaType, "the body has to be application/x-www-form-urlencoded"
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return "", http.StatusRequestEntityTooLarge, "the body is too large"
	}
	form, bad := url.ParseQuery(string(body))
	if err != nil || bad != nil {
		return "", http.StatusBadRequest, "the body cannot be read as a form"
	}
	if values := form["token"]; len(values) == 1 && values[0] != "" {
		return values[0], 0, ""
	}
	return "", http.StatusBadRequest, "the body has to state one token"
}

// active is an answer about a good token. The first lines are members of RFC
// 7662, section 2.2; the others are what a resource server has to know besides,
// as gates do: what the token may be used for, and from where.
type active struct {
	Active    bool      `json:"active"`
	Scope     string    `json:"scope,omitempty"`
	Username  string    `json:"username"`
	TokenType string    `json:"token_type"`
	Exp       int64     `json:"exp,omitempty"`
	Iat       int64     `json:"iat,omitempty"`
	Nbf       int64     `json:"nbf,omitempty"`
	Sub       string    `json:"sub"`
	Aud       string    `json:"aud"`
	Jti       token.Key `json:"jti"`

	Name       string            `json:"name"`
	Type       string            `json:"type"`
	AllowedIPs []netip.Prefix    `json:"allowed_ips,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
}

// introspection is what there is to tell about the token of a yes. What is
// absent is left out.
func introspection(d *Decision, sets map[string][]string) active {
	rec := d.Record
	a := active{
		Active: true, Scope: strings.Join(store.ExpandScopes(rec, sets), " "),
		Username: rec.User, Sub: rec.User, TokenType: "Bearer", Aud: rec.Audience, Jti: d.Presented(),
		Exp: seconds(ends(rec, d.Credential)), Iat: seconds(d.Credential.IssuedAt), Nbf: seconds(rec.NotBefore),
		Name: rec.Name.Name, Type: rec.Type.String(), AllowedIPs: rec.AllowedIPs,
	}
	if len(rec.Labels) > 0 {
		a.Labels = make(map[string]string, len(rec.Labels))
		for _, l := range rec.Labels {
			a.Labels[l.Key] = l.Value
		}
	}
	return a
}

// ends is when the credential stops being good: its grace may end before its
// token expires.
func ends(rec *store.Record, c *store.Credential) time.Time {
	if !c.GoodUntil.IsZero() && (rec.ExpiresAt.IsZero() || c.GoodUntil.Before(rec.ExpiresAt)) {
		return c.GoodUntil
	}
	return rec.ExpiresAt
}

// seconds is a time as JSON Web Tokens have it (RFC 7519, section 2), 0 for none.
// Of an expiry this is never later than the truth.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// writeError answers as RFC 6749, section 5.2, has it.
func writeError(w http.ResponseWriter, status int, code, description string) {
	writeJSON(w, status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{code, description})
}
