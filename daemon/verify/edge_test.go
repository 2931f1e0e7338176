package verify

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

const (
	proxyPeer = "127.0.0.1:40000"
	otherPeer = "198.51.100.9:40000"
)

// wire is a request as it comes to the edge.
type wire struct {
	peer   string
	target string // of the request line
	method string
	header http.Header
}

// says is what a handler answers: "yes", or its reason.
func (a wire) says(tb testing.TB, h http.Handler) string {
	tb.Helper()
	if a.method == "" {
		a.method = http.MethodGet
	}
	if a.peer == "" {
		a.peer = proxyPeer
	}
	r := httptest.NewRequest(a.method, "/", nil)
	r.RequestURI, r.RemoteAddr, r.Header = a.target, a.peer, a.header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	if r.Header["Authorization"] == nil && r.Header["X-Api-Key"] == nil {
		r.Header.Set("Authorization", "Bearer "+goodToken)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return outcome(tb, w.Result())
}

// outcome is what an answer says, once it is one that SPEC section 6 has.
func outcome(tb testing.TB, resp *http.Response) string {
	tb.Helper()
	if resp.StatusCode == http.StatusNotFound {
		return "404"
	}
	var body struct {
		Active bool
		Error  string
		Reason string
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		tb.Fatal(err)
	}
	if body.Active {
		if resp.StatusCode != http.StatusOK || resp.Header.Get("X-Token-Key") == "" {
			tb.Errorf("a yes with %d", resp.StatusCode)
		}
		return "yes"
	}
	for _, a := range answers[1:] {
		if a.reason == body.Reason {
			if resp.StatusCode != a.status || body.Error != a.error || resp.Header.Get("X-Token-Reason") != a.reason {
				tb.Errorf("%s with %d, %s", a.reason, resp.StatusCode, body.Error)
			}
			return body.Reason
		}
	}
	tb.Fatalf("the reason is %q", body.Reason)
	return ""
}

func gateHandler(t *testing.T, rec store.Record, gates ...*Gate) *Handler {
	t.Helper()
	h := testHandler(t, rec)
	var all []Gate
	for _, g := range gates {
		all = append(all, *g)
	}
	h.Rules = rulesOf(all...)
	return h
}

// Every row of the pure decision, again over HTTP.
func TestGateDecidesOverHTTP(t *testing.T) {
	for group, cases := range map[string]map[string]decideCase{
		"untold": casesUntold(), "full-access": casesFullAccess(t), "read-only": casesReadOnly(t),
		"custom": casesCustom(t), "addresses": casesAddresses(t),
	} {
		for name, tt := range cases {
			rec := goodRecord(t)
			tt.change(&rec)
			header := http.Header{}
			for name, value := range map[string]string{"X-Original-Method": tt.req.Method, "X-Original-URI": tt.req.URI} {
				if value != "" {
					header.Set(name, value)
				}
			}
			if tt.req.Client.IsValid() {
				header.Set("X-Forwarded-For", "203.0.113.5, "+tt.req.Client.String())
			}
			if tt.req.Override {
				header.Set("X-HTTP-Method-Override", "GET")
			}
			want := tt.want.String()
			if tt.want == Yes {
				want = "yes"
			}
			a := wire{target: "/verify/" + tt.gate.Name + "?x=y", header: header, method: "BREW"}
			if got := a.says(t, gateHandler(t, rec, tt.gate)); got != want {
				t.Errorf("%s: %s: %s, want %s", group, name, got, want)
			}
		}
	}
}

// saidIn are the names of the table of SPEC section 6.
var saidIn = map[Proxy]struct{ method, uri string }{
	Nginx: {"X-Original-Method", "X-Original-URI"}, HAProxy: {"X-Original-Method", "X-Original-URI"},
	Caddy: {"X-Forwarded-Method", "X-Forwarded-Uri"}, Traefik: {"X-Forwarded-Method", "X-Forwarded-Uri"},
}

// proxied is a gate behind a proxy, and what that sends of a request for
// GET /api/articles/7 from 192.0.2.7.
func proxied(t *testing.T, p Proxy) (*Gate, wire) {
	t.Helper()
	g := routed(t, func(g *Gate) { g.Name, g.Proxy = p.String(), p })
	a := wire{target: "/verify/" + p.String(), header: http.Header{"X-Forwarded-For": {"192.0.2.7"}}}
	if p == Envoy {
		a.target += "/api/articles/7?a=b"
	} else if names, ok := saidIn[p]; ok {
		a.header.Set(names.method, "GET")
		a.header.Set(names.uri, "/api/articles/7?a=b")
		a.method = "POST" // the one of the question says nothing
	}
	return g, a
}

// demanding is a token that needs all there is to be told.
func demanding(t *testing.T) store.Record {
	rec := goodRecord(t)
	both(typed(store.Custom, "api::article.findOne"), from("192.0.2.0/24"))(&rec)
	return rec
}

// Each proxy is believed in its own names, and only from its own address.
func TestEachProxy(t *testing.T) {
	for _, p := range Proxies[1:] {
		g, a := proxied(t, p)
		h := gateHandler(t, demanding(t), g)
		if got := a.says(t, h); got != "yes" {
			t.Errorf("%v: %s", p, got)
		}
		for _, peer := range []string{otherPeer, "[2001:db8::1]:1", "", "@", "127.0.0.1"} {
			untrusted := a
			if untrusted.peer = peer; peer == "" {
				untrusted.peer = "nonsense"
			}
			if got := untrusted.says(t, h); got != "context_missing" {
				t.Errorf("%v, asked by %s: %s", p, peer, got)
			}
		}
		for _, peer := range []string{"[::1]:40000", "[::ffff:127.0.0.1]:40000"} {
			trusted := a
			trusted.peer = peer
			if got := trusted.says(t, h); got != "yes" {
				t.Errorf("%v, asked by %s: %s", p, peer, got)
			}
		}
		for _, typ := range []store.Type{store.ReadOnly, store.FullAccess} {
			rec := demanding(t)
			rec.Type = typ
			if got := a.says(t, gateHandler(t, rec, g)); got != "yes" {
				t.Errorf("%v, %v: %s", p, typ, got)
			}
		}
	}
}

// Who asks over a Unix socket is the proxy.
func TestUnixSocketIsTrusted(t *testing.T) {
	g, a := proxied(t, Nginx)
	h := gateHandler(t, demanding(t), g)
	for name, tt := range map[string]struct {
		local net.Addr
		want  string
	}{
		"unix": {&net.UnixAddr{Name: "/run/x", Net: "unix"}, "yes"},
		"tcp":  {&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, "context_missing"},
	} {
		a.peer = "@"
		overSocket := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, tt.local)))
		})
		if got := a.says(t, overSocket); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// forged are headers that say other things about the request, in every name that
// some program reads.
func forged() http.Header {
	return http.Header{
		"X-Original-Method": {"DELETE", "PUT"}, "X-Original-Uri": {"/admin", "/public/"}, "X-Forwarded-Method": {"DELETE"}, "X-Forwarded-Uri": {"/admin"},
		"X-Original-Url": {"/admin"}, "X-Rewrite-Url": {"/admin"}, "X-Forwarded-Path": {"/admin"}, "X-Envoy-Original-Path": {"/admin"},
		"Forwarded": {"for=203.0.113.66"}, "X-Real-Ip": {"203.0.113.66"}, "X-Client-Ip": {"203.0.113.66"}, "True-Client-Ip": {"203.0.113.66"},
		"X-Envoy-External-Address": {"203.0.113.66"}, "X_Forwarded_For": {"203.0.113.66"}, "X_original_uri": {"/admin"}, "X_forwarded_method": {"DELETE"},
		"X-Token-Key": {"forged"}, "X-Token-User": {"root"}, "X-Token-Reason": {"none"}, "X-Forwarded-Host": {"evil"}, "X-Forwarded-Proto": {"http"},
	}
}

// What a client sends through a trusted proxy under names that are not this
// proxy's changes nothing, neither to yes nor to no.
func TestForgedHeadersChangeNothing(t *testing.T) {
	for _, p := range Proxies {
		g, a := proxied(t, p)
		for name, rec := range map[string]store.Record{"good": demanding(t), "refused": goodRecord(t)} {
			if name == "refused" {
				both(typed(store.Custom, "api::article.delete"), from("192.0.2.0/24"))(&rec)
			}
			h := gateHandler(t, rec, g)
			want := a.says(t, h)
			with := a
			with.header = forged()
			for name, values := range a.header {
				with.header[name] = values
			}
			if p == Envoy || p == None {
				for _, name := range []string{"X-Original-Method", "X-Original-Uri", "X-Forwarded-Method", "X-Forwarded-Uri"} {
					with.header[name] = []string{"forged"}
				}
			}
			if got := with.says(t, h); got != want {
				t.Errorf("%v, %s: %s, and without forged headers %s", p, name, got, want)
			}
			with.peer = otherPeer
			if got := with.says(t, h); got == "yes" {
				t.Errorf("%v, %s: yes to who is no proxy", p, name)
			}
		}
	}
}

// What the gate reads stands there once.
func TestRepeatedHeaders(t *testing.T) {
	for _, p := range []Proxy{Nginx, HAProxy, Caddy, Traefik} {
		g, a := proxied(t, p)
		rec := goodRecord(t)
		h := gateHandler(t, rec, g)
		for _, name := range []string{http.CanonicalHeaderKey(saidIn[p].method), http.CanonicalHeaderKey(saidIn[p].uri)} {
			twice := a
			twice.header = a.header.Clone()
			twice.header[name] = append(twice.header[name], twice.header[name][0])
			if got := twice.says(t, h); got != "malformed_request" {
				t.Errorf("%v, %s twice: %s", p, name, got)
			}
			twice.peer = otherPeer
			if got := twice.says(t, h); got != "context_missing" {
				t.Errorf("%v, %s twice from somebody else: %s", p, name, got)
			}
			empty := a
			empty.header = a.header.Clone()
			empty.header[name] = []string{""}
			if got := empty.says(t, h); got != "context_missing" {
				t.Errorf("%v, %s empty: %s", p, name, got)
			}
		}
	}
}

// Envoy asks for what its client asked for, with the gate in front.
func TestEnvoy(t *testing.T) {
	g := routed(t, func(g *Gate) { g.Name, g.Proxy = "default", Envoy })
	other := routed(t, func(g *Gate) { g.Name, g.Proxy = "nginx", Nginx })
	h := gateHandler(t, goodRecord(t), g, other)
	for target, want := range map[string]string{
		"/verify/default/public/x": "yes", "/verify/default/api/articles/7?a=b": "yes", "/verify/default/public/?//": "yes",
		"/verify/default": "context_missing", "/verify": "context_missing", "/verify/default?/public/x": "context_missing", "/verify?/public/": "context_missing",
		"/verify/default/": "context_missing", "/verify/default/admin": "context_missing", "/verify/default//public/x": "context_missing",
		"/verify/default/public/../admin": "context_missing", "/verify/default/%2e%2e/default/public/x": "context_missing",
		"/verify/default/public/%2e%2e/x": "context_missing", "/verify/default/..": "context_missing",
		"/verify/./default/public/x": "404", "/verify/nginx/public/x": "404", "/verify/none/public/x": "404", "/verify/public/x": "404",
		"/verify//default/public/x": "404", "/verify/%64efault/public/x": "404", "/Verify/default/public/x": "404",
	} {
		if got := (wire{target: target}).says(t, h); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
	address := serve(t, h)
	for path, want := range map[string]string{"public/x": "200", "public/%zz": "403 context_missing", "public/%": "403 context_missing", "%7": "403 context_missing"} {
		text := "GET /verify/default/" + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + goodToken + "\r\n\r\n"
		if got := send(t, address, text); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	for method, want := range map[string]string{"GET": "yes", "HEAD": "yes", "POST": "context_missing", "DELETE": "yes"} {
		if got := (wire{target: "/verify/default/api/articles/7", method: method}).says(t, h); got != want {
			t.Errorf("%s: %s, want %s", method, got, want)
		}
	}
}

// The header that asks for another method, by all its names.
func TestMethodOverrides(t *testing.T) {
	g, a := proxied(t, Nginx)
	rec := goodRecord(t)
	rec.Type = store.ReadOnly
	h := gateHandler(t, rec, g)
	for _, name := range []string{
		"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override",
		"X_HTTP_METHOD_OVERRIDE", "x-http_method-override", "X_Http-Method", "X_Method_Override",
	} {
		for _, value := range []string{"DELETE", "GET", ""} {
			with := a
			with.header = a.header.Clone()
			with.header.Set(name, value)
			if got := with.says(t, h); got != "method_not_allowed" {
				t.Errorf("%s: %q: %s", name, value, got)
			}
		}
	}
}

// The client is whom the right-most of our own proxies was asked by.
func TestClient(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, tt := range map[string]struct {
		lines []string
		want  string
	}{
		"none":                       {nil, ""},
		"empty":                      {[]string{""}, ""},
		"one":                        {[]string{"192.0.2.7"}, "192.0.2.7"},
		"what the client says":       {[]string{"203.0.113.66, 192.0.2.7"}, "192.0.2.7"},
		"behind two of ours":         {[]string{"203.0.113.66,192.0.2.7 ,\t10.1.1.1,127.0.0.1"}, "192.0.2.7"},
		"in two lines":               {[]string{"203.0.113.66", "192.0.2.7, 10.1.1.1"}, "192.0.2.7"},
		"before a line of ours":      {[]string{"203.0.113.66, 192.0.2.7", "10.1.1.1", "fd00::1"}, "192.0.2.7"},
		"version 6":                  {[]string{"2001:db8::7"}, "2001:db8::7"},
		"4 in 6":                     {[]string{"::ffff:192.0.2.7"}, "192.0.2.7"},
		"ours as 4 in 6":             {[]string{"192.0.2.7, ::ffff:10.1.1.1"}, "192.0.2.7"},
		"only ours":                  {[]string{"10.1.1.1, 127.0.0.1"}, ""},
		"nonsense at the right":      {[]string{"192.0.2.7, unknown"}, ""},
		"nonsense behind ours":       {[]string{"192.0.2.7, x, 10.1.1.1"}, ""},
		"nonsense further left":      {[]string{"unknown, , x, 192.0.2.7"}, "192.0.2.7"},
		"an empty one":               {[]string{"192.0.2.7,"}, ""},
		"an empty line":              {[]string{"192.0.2.7", ""}, ""},
		"a port":                     {[]string{"192.0.2.7:1234"}, ""},
		"brackets":                   {[]string{"[2001:db8::7]"}, ""},
		"a zone":                     {[]string{"fe80::1%eth0"}, ""},
		"quotes":                     {[]string{`"192.0.2.7"`}, ""},
		"zeros":                      {[]string{"192.0.02.7"}, ""},
		"a network":                  {[]string{"192.0.2.0/24"}, ""},
		"our own network, pretended": {[]string{"10.0.0.1, 192.0.2.7, 10.0.0.1"}, "192.0.2.7"},
	} {
		want := netip.Addr{}
		if tt.want != "" {
			want = netip.MustParseAddr(tt.want)
		}
		if got := client(tt.lines, trusted); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func basicAuth(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// A gate takes tokens from where it is told to, and does not look elsewhere.
func TestSources(t *testing.T) {
	const owner = "/users/root"
	bearer, key := "Bearer "+goodToken, goodToken
	for name, tt := range map[string]struct {
		from          []Source
		authorization []string
		apiKey        []string
		uri           string
		want          string
	}{
		"header":                       {[]Source{FromAuthorization}, []string{bearer}, nil, "", "yes"},
		"header, and a key unread":     {[]Source{FromAuthorization}, []string{bearer}, []string{"x"}, "", "yes"},
		"key unread":                   {[]Source{FromAuthorization}, nil, []string{key}, "", "missing_token"},
		"key":                          {[]Source{FromAPIKey}, nil, []string{key}, "", "yes"},
		"key, and the app's password":  {[]Source{FromAPIKey}, []string{basicAuth("a", "b")}, []string{key}, "", "yes"},
		"header unread":                {[]Source{FromAPIKey}, []string{bearer}, nil, "", "missing_token"},
		"password not taken":           {[]Source{FromAuthorization}, []string{basicAuth(owner, goodToken)}, nil, "", "password_refused"},
		"password":                     {[]Source{FromBasic}, []string{basicAuth(owner, goodToken)}, nil, "", "yes"},
		"password, scheme in any case": {[]Source{FromBasic}, []string{"bASIC" + basicAuth(owner, goodToken)[5:]}, nil, "", "yes"},
		"password or header":           {[]Source{FromAuthorization, FromBasic}, []string{basicAuth(owner, goodToken)}, nil, "", "yes"},
		"header or password":           {[]Source{FromBasic, FromAuthorization}, []string{bearer}, nil, "", "yes"},
		"only passwords":               {[]Source{FromBasic}, []string{bearer}, nil, "", "missing_token"},
		"password of another user":     {[]Source{FromBasic}, []string{basicAuth("/users/other", goodToken)}, nil, "", "invalid_token"},
		"password of nobody":           {[]Source{FromBasic}, []string{basicAuth("", goodToken)}, nil, "", "invalid_token"},
		"password, wrong secret":       {[]Source{FromBasic}, []string{basicAuth(owner, wrongSecret)}, nil, "", "invalid_token"},
		"empty password":               {[]Source{FromBasic}, []string{basicAuth(owner, "")}, nil, "", "missing_token"},
		"password without colon":       {[]Source{FromBasic}, []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(goodToken))}, nil, "", "invalid_token"},
		"password not base64":          {[]Source{FromBasic}, []string{"Basic " + owner + ":" + goodToken}, nil, "", "invalid_token"},
		"password that is the token":   {[]Source{FromBasic}, []string{"Basic " + goodToken}, nil, "", "invalid_token"},
		"two passwords":                {[]Source{FromBasic}, []string{basicAuth(owner, goodToken), basicAuth(owner, goodToken)}, nil, "", "malformed_request"},
		"query":                        {[]Source{FromQuery("session")}, nil, []string{"x"}, "/?a=b&session=" + goodToken, "yes"},
		"query, escaped":               {[]Source{FromQuery("session")}, nil, []string{"x"}, "/?session=" + strings.ReplaceAll(goodToken, "+", "%2B"), "yes"},
		"query unread":                 {[]Source{FromAuthorization}, []string{""}, nil, "/?session=" + goodToken, "missing_token"},
		"query without it":             {[]Source{FromQuery("session")}, []string{bearer}, nil, "/?sessions=" + goodToken, "missing_token"},
		"query, empty":                 {[]Source{FromQuery("session")}, nil, []string{"x"}, "/?session=", "missing_token"},
		"query twice":                  {[]Source{FromQuery("session")}, nil, []string{"x"}, "/?session=" + goodToken + "&session=x", "malformed_request"},
		"query broken":                 {[]Source{FromQuery("session")}, nil, []string{"x"}, "/?session=%zz", "malformed_request"},
		"query and header":             {[]Source{FromQuery("session"), FromAuthorization}, []string{bearer}, nil, "/?session=" + goodToken, "malformed_request"},
		"query or header":              {[]Source{FromQuery("session"), FromAuthorization}, []string{bearer}, nil, "/?a=b", "yes"},
		"two parameters":               {[]Source{FromQuery("a"), FromQuery("b")}, nil, []string{"x"}, "/?a=x&b=" + goodToken, "malformed_request"},
		"second parameter":             {[]Source{FromQuery("a"), FromQuery("b")}, nil, []string{"x"}, "/?b=" + goodToken, "yes"},
		"header and key":               {[]Source{FromAuthorization, FromAPIKey}, []string{"Digest x"}, []string{key}, "", "malformed_request"},
	} {
		g := scoped()
		g.TokenFrom = tt.from
		a := wire{target: "/verify/scoped?session=" + goodToken, header: http.Header{"Authorization": tt.authorization, "X-Api-Key": tt.apiKey}}
		for name, values := range a.header {
			if values == nil {
				delete(a.header, name)
			}
		}
		if tt.uri != "" {
			a.header.Set("X-Original-URI", tt.uri)
		}
		if got := a.says(t, gateHandler(t, goodRecord(t), g)); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// A disabled token is told as such to its own user only.
func TestPasswordTellsNothingToOthers(t *testing.T) {
	rec := goodRecord(t)
	rec.Active = false
	g := scoped()
	g.TokenFrom = []Source{FromBasic}
	h := gateHandler(t, rec, g)
	for user, want := range map[string]string{rec.User: "disabled", "x": "invalid_token"} {
		a := wire{target: "/verify/scoped", header: http.Header{"Authorization": {basicAuth(user, goodToken)}}}
		if got := a.says(t, h); got != want {
			t.Errorf("%s: %s, want %s", user, got, want)
		}
	}
}

// The gates that are configured, and no others; what was decided is told.
func TestGatesByName(t *testing.T) {
	rec := goodRecord(t)
	rec.Audience = "admin"
	admin := DefaultGate("admin.v1")
	admin.Audience = "admin"
	plain := DefaultGate(DefaultName)
	h := gateHandler(t, rec, &admin, &plain)
	var told []string
	h.Decided = func(gate string, reason Reason, _ token.Key) {
		told = append(told, gate+" "+reason.String())
	}
	for target, want := range map[string]string{
		"/verify/admin.v1": "yes", "/verify/admin.v1?gate=default": "yes", "/verify": "audience_mismatch", "/verify/default": "audience_mismatch",
		"/verify/": "404", "/verify/other": "404", "/verify/admin.v1/": "404", "/verify/admin.v1/x": "404", "/verifyx": "404", "/": "404", "": "404", "*": "404",
		"http://host/verify/admin.v1": "404", "/verify;x": "404", "/verify%2Fadmin.v1": "404",
	} {
		told = nil
		if got := (wire{target: target}).says(t, h); got != want {
			t.Errorf("%q: %s, want %s", target, got, want)
		}
		if (want == "404") != (len(told) == 0) {
			t.Errorf("%q: told %q", target, told)
		}
	}
	h.Rules = rulesOf(admin)
	if got := (wire{target: "/verify"}).says(t, h); got != "404" {
		t.Errorf("no default gate: %s", got)
	}
}

// Invariant 4, for the log: the key is told where the secret was right.
func TestDecidedIsToldTheKeyOfAProvenToken(t *testing.T) {
	rec := goodRecord(t)
	rec.Active = false
	h := gateHandler(t, rec, &testGate)
	var told token.Key
	h.Decided = func(_ string, _ Reason, key token.Key) { told = key }
	for text, want := range map[string]string{goodToken: goodKey, wrongSecret: token.Key{}.String(), otherToken: token.Key{}.String(), "": token.Key{}.String()} {
		(wire{target: "/verify", header: http.Header{"X-Api-Key": {text}}}).says(t, h)
		if told.String() != want {
			t.Errorf("told %s, want %s", told, want)
		}
	}
}

// Rules are replaced from one request to the next.
func TestRulesAreReplaced(t *testing.T) {
	rec := goodRecord(t)
	h := gateHandler(t, rec, &testGate)
	if got := (wire{target: "/verify"}).says(t, h); got != "yes" {
		t.Error(got)
	}
	other := testGate
	other.Audience = "other"
	h.Rules = rulesOf(other)
	if got := (wire{target: "/verify"}).says(t, h); got != "audience_mismatch" {
		t.Error(got)
	}
}
