package verify

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

const (
	bearerText  = "bearer-of-introspection"
	otherBearer = "bearer-of-introspectioN"
)

// resource is a resource server with an Introspector that it asks.
type resource struct {
	*Introspector
	address string
}

func introspector(t *testing.T, records ...store.Record) resource {
	t.Helper()
	bearer, err := NewBearer(bearerText)
	if err != nil {
		t.Fatal(err)
	}
	r := resource{Introspector: &Introspector{Handler: testHandler(t, records...), Bearer: func() Bearer { return bearer }}}
	r.address = serve(t, r.Introspector)
	return r
}

// introspect asks about a token, and returns the members of the answer.
func (r resource) introspect(t *testing.T, text string) map[string]any {
	t.Helper()
	form := url.Values{"token": {text}, "token_type_hint": {"refresh_token"}}
	req, err := http.NewRequest(http.MethodPost, "http://"+r.address+"/introspect?token="+otherToken, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	req.Header.Set("Authorization", "Bearer "+bearerText)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s with %v", resp.Status, resp.Header)
	}
	var members map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&members); err != nil {
		t.Fatal(err)
	}
	return members
}

// Each member of RFC 7662, section 2.2, that there is something to say in.
func TestIntrospectionMembers(t *testing.T) {
	second := func(seconds int) time.Time { return time.Unix(int64(seconds), 500e6).UTC() }
	full := goodRecord(t)
	full.ExpiresAt, full.Credentials[0].IssuedAt = time.Time{}, second(1_000_000_000)
	custom := goodRecord(t)
	custom.Type, custom.Audience = store.Custom, "reports"
	custom.Scopes, custom.ScopeSets = []string{"api::b", "api::c"}, []string{"gone", "set"}
	custom.NotBefore, custom.ExpiresAt = second(1_100_000_000), second(4_000_000_000)
	custom.AllowedIPs = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	custom.Labels = []store.Label{{Key: "team", Value: "a b"}}
	grace := goodRecord(t)
	grace.Credentials[0].GoodUntil = second(2_000_000_000)
	outlived := goodRecord(t)
	outlived.ExpiresAt, outlived.Credentials[0].GoodUntil = second(1_900_000_000), second(2_000_000_000)
	forever := grace
	forever.ExpiresAt = time.Time{}
	grace.ExpiresAt = second(3_000_000_000)

	type members = map[string]any
	base := members{
		"active": true, "username": "/users/root", "sub": "/users/root", "token_type": "Bearer", "aud": "api", "jti": goodKey,
		"name": "test", "type": "full-access",
	}
	with := func(more members) members {
		all := members{}
		for _, m := range []members{base, more} {
			for name, value := range m {
				all[name] = value
			}
		}
		return all
	}
	for name, tt := range map[string]struct {
		rec  store.Record
		want members
	}{
		"full access": {full, with(members{"iat": 1e9})},
		"custom": {custom, with(members{
			"scope": "api::a api::b api::c", "nbf": 1.1e9, "exp": 4e9, "aud": "reports", "type": "custom",
			"allowed_ips": []any{"192.0.2.0/24"}, "labels": members{"team": "a b"},
		})},
		"in grace":                 {grace, with(members{"exp": 2e9})},
		"grace beyond the expiry":  {outlived, with(members{"exp": 1.9e9})},
		"in grace, never expiring": {forever, with(members{"exp": 2e9})},
	} {
		r := introspector(t, tt.rec)
		rules := *r.Rules()
		rules.ScopeSets = map[string][]string{"set": {"api::a", "api::c"}}
		r.Handler.Rules = func() *Rules { return &rules }
		if got := r.introspect(t, goodToken); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s:\ngot  %v\nwant %v", name, got, tt.want)
		}
	}
}

// Of what is not good nothing is told, and it cannot be told apart.
func TestIntrospectionTellsNothingOfABadToken(t *testing.T) {
	for name, tt := range map[string]struct {
		text   string
		change func(*store.Record)
		rule   store.Rule
	}{
		"unknown":      {text: otherToken},
		"malformed":    {text: "nonsense"},
		"too long":     {text: strings.Repeat("x", 2000)},
		"spaces":       {text: " " + goodToken},
		"wrong secret": {text: wrongSecret},
		"blocked":      {text: goodToken, rule: store.Rule{Blocked: true}},
		"disabled":     {text: goodToken, change: func(r *store.Record) { r.Active = false }},
		"not yet":      {text: goodToken, change: func(r *store.Record) { r.NotBefore = noon.Add(time.Second) }},
		"expired":      {text: goodToken, change: func(r *store.Record) { r.ExpiresAt = noon }},
		"grace over":   {text: goodToken, change: func(r *store.Record) { r.Credentials[0].GoodUntil = noon }},
	} {
		rec := goodRecord(t)
		if tt.change != nil {
			tt.change(&rec)
		}
		r := introspector(t, rec)
		r.Tokens = ruled{r.Tokens, tt.rule}
		r.Used = func(store.Used) { t.Errorf("%s: counted as a use", name) }
		if got := r.introspect(t, tt.text); !reflect.DeepEqual(got, map[string]any{"active": false}) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// ruled is Tokens of which every user has a rule.
type ruled struct {
	Tokens
	rule store.Rule
}

func (r ruled) Lookup(key token.Key, f *store.Found) {
	r.Tokens.Lookup(key, f)
	f.Rule = r.rule
}

// What needs a request to be judged is told, and left to who has the request.
func TestIntrospectionAsksNoGate(t *testing.T) {
	for _, typ := range []store.Type{store.ReadOnly, store.Custom} {
		rec := goodRecord(t)
		rec.Type, rec.Audience, rec.AllowedIPs = typ, "elsewhere", []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
		r := introspector(t, rec)
		if got := r.introspect(t, goodToken); got["active"] != true || got["type"] != typ.String() || got["aud"] != "elsewhere" || got["allowed_ips"] == nil {
			t.Errorf("%v: %v", typ, got)
		}
	}
}

// An introspection is a use, of which nobody knows the address; the log and
// metrics are told of it.
func TestIntrospectionIsCounted(t *testing.T) {
	rec := goodRecord(t)
	rec.ID = 7
	r := introspector(t, rec)
	var used []store.Used
	var told []string
	r.Used = func(u store.Used) { used = append(used, u) }
	r.Decided = func(gate string, reason Reason, key token.Key) {
		told = append(told, fmt.Sprint(gate, " ", reason, " ", key))
	}
	r.introspect(t, goodToken)
	r.introspect(t, otherToken)
	if len(used) != 1 || used[0].Token != 7 || used[0].Count != 1 || !used[0].At.Equal(noon) || used[0].IP.IsValid() {
		t.Errorf("used %+v", used)
	}
	if want := []string{"introspect  " + goodKey, "introspect invalid_token " + token.Key{}.String()}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

// Until the daemon is ready nobody is told anything else, not even whether the
// bearer is right (invariant 8).
func TestIntrospectionNotReady(t *testing.T) {
	r := introspector(t, goodRecord(t))
	r.Handler.Ready = func() bool { return false }
	for _, bearer := range []string{bearerText, otherBearer} {
		text := "POST /introspect HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + bearer + "\r\n\r\n"
		if got := send(t, r.address, text); got != "503 not_ready" {
			t.Errorf("%s: %s", bearer, got)
		}
	}
}

// What can be written to the socket.
func TestIntrospectionRawRequests(t *testing.T) {
	r := introspector(t, goodRecord(t))
	escaped := url.QueryEscape(goodToken)
	const (
		line = "POST /introspect HTTP/1.1\r\nHost: x\r\n"
		auth = "Authorization: Bearer " + bearerText + "\r\n"
		form = "Content-Type: application/x-www-form-urlencoded\r\n"
	)
	body := func(text string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(text), text) }
	good := body("token=" + escaped)
	chunked := func(text string) string {
		return fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(text), text)
	}
	const missing, wrong = `401 Bearer realm="tokendrop"`, `401 Bearer realm="tokendrop", error="invalid_token", error_description="this is not the bearer token of introspection"`
	for name, tt := range map[string]struct{ text, want string }{
		"good":                       {line + auth + form + good, "200 yes"},
		"scheme in any case":         {line + "authorization: bEARER  " + bearerText + "\r\n" + form + good, "200 yes"},
		"chunked":                    {line + auth + form + chunked("token="+escaped), "200 yes"},
		"other fields":               {line + auth + form + body("client_id=x&token="+escaped+"&token_type_hint=nonsense"), "200 yes"},
		"absolute form":              {"POST http://x/introspect?x HTTP/1.1\r\nHost: x\r\n" + auth + form + good, "200 yes"},
		"no Authorization":           {line + form + good, missing},
		"wrong bearer, same length":  {line + "Authorization: Bearer " + otherBearer + "\r\n" + form + good, wrong},
		"shorter bearer":             {line + "Authorization: Bearer " + bearerText[:20] + "\r\n" + form + good, wrong},
		"longer bearer":              {line + "Authorization: Bearer " + bearerText + "x\r\n" + form + good, wrong},
		"empty bearer":               {line + "Authorization: Bearer\r\n" + form + good, wrong},
		"another scheme":             {line + "Authorization: Basic " + bearerText + "\r\n" + form + good, wrong},
		"no scheme":                  {line + "Authorization: " + bearerText + "\r\n" + form + good, wrong},
		"the token as the bearer":    {line + "Authorization: Bearer " + goodToken + "\r\n" + form + good, wrong},
		"bearer in another header":   {line + "X-API-Key: " + bearerText + "\r\n" + form + good, missing},
		"two Authorization lines":    {line + auth + auth + form + good, wrong},
		"bearer in the body":         {line + form + body("access_token="+bearerText+"&token="+escaped), missing},
		"GET":                        {"GET /introspect?token=" + escaped + " HTTP/1.1\r\nHost: x\r\n" + auth + "\r\n", "405 POST"},
		"HEAD":                       {"HEAD /introspect HTTP/1.1\r\nHost: x\r\n" + auth + "\r\n", "405 POST"},
		"OPTIONS":                    {"OPTIONS /introspect HTTP/1.1\r\nHost: x\r\n\r\n", "405 POST"},
		"GET without a bearer":       {"GET /introspect HTTP/1.1\r\nHost: x\r\n\r\n", "405 POST"},
		"no body":                    {line + auth + form + body(""), "400"},
		"no token":                   {line + auth + form + body("token_type_hint=x"), "400"},
		"token in the URI":           {"POST /introspect?token=" + escaped + " HTTP/1.1\r\nHost: x\r\n" + auth + form + body("x=y"), "400"},
		"empty token":                {line + auth + form + body("token="), "400"},
		"two tokens":                 {line + auth + form + body("token="+escaped+"&token="+escaped), "400"},
		"bad escape":                 {line + auth + form + body("token=%zz"), "400"},
		"bad escape elsewhere":       {line + auth + form + body("token="+escaped+"&x=%zz"), "400"},
		"semicolon":                  {line + auth + form + body("token="+escaped+";x=y"), "400"},
		"another media type":         {line + auth + "Content-Type: application/json\r\n" + body(`{"token":"x"}`), "415"},
		"no media type":              {line + auth + good, "415"},
		"body at the limit":          {line + auth + form + body("token="+escaped+"&x="+strings.Repeat("x", maxForm-len(escaped)-9)), "200 yes"},
		"body over the limit":        {line + auth + form + body("token="+escaped+"&x="+strings.Repeat("x", maxForm-len(escaped)-8)), "413"},
		"huge body, announced":       {line + auth + form + "Content-Length: 1000000000\r\n\r\n" + strings.Repeat("x", maxForm+1), "413"},
		"huge body, chunked":         {line + auth + form + chunked("token="+escaped+"&x="+strings.Repeat("x", maxForm)), "413"},
		"huge body without a bearer": {line + form + "Content-Length: 1000000000\r\n\r\n", missing},
		"chunks that are none":       {line + auth + form + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "400"},
		"other path":                 {"POST /introspect/ HTTP/1.1\r\nHost: x\r\n" + auth + form + good, "404"},
		"verify":                     {"POST /verify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + goodToken + "\r\n\r\n", "404"},
		"readyz":                     {"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", "404"},
		"escaped path":               {"POST /introspec%74 HTTP/1.1\r\nHost: x\r\n" + auth + form + good, "404"},
	} {
		if got := answered(t, r.address, tt.text); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// answered writes to a new connection and tells of the answer: its status, and
// what goes with that.
func answered(t *testing.T, address, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, text) // a server that has seen enough may have closed
	method, _, _ := strings.Cut(text, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return err.Error()
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	for _, secret := range []string{goodToken, bearerText, otherBearer} {
		if strings.Contains(string(body), secret) || strings.Contains(fmt.Sprint(resp.Header), secret) {
			t.Errorf("a secret is told: %v %s", resp.Header, body)
		}
	}
	if resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s may be cached", resp.Status)
	}
	more := resp.Header.Get("WWW-Authenticate") + resp.Header.Get("Allow")
	if strings.Contains(string(body), `"active":true`) {
		more = "yes"
	}
	return strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", more))
}

func TestNewBearer(t *testing.T) {
	for text, ok := range map[string]bool{
		"x": true, strings.Repeat("x", maxBearer): true, "!~+/=": true,
		"": false, strings.Repeat("x", maxBearer+1): false, "a b": false, "a\n": false, "\x7f": false, "ü": false,
	} {
		b, err := NewBearer(text)
		if (err == nil) != ok || b.admits(text) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
	if (Bearer{}).admits("") {
		t.Error("the zero Bearer admits somebody")
	}
	b, _ := NewBearer(bearerText)
	if shown := fmt.Sprintf("%v %+v %#v", b, b, b); strings.Contains(shown, "introspection") {
		t.Errorf("a Bearer shows %s", shown)
	}
}

// The listener for health has nothing else.
func TestHealthOnly(t *testing.T) {
	h := testHandler(t, goodRecord(t))
	h.Metrics = http.NotFoundHandler()
	ready := true
	h.Health = func() Health { return Health{Ready: ready, Degraded: []string{"x"}} }
	for path, want := range map[string]int{
		"/healthz": 200, "/readyz": 200, "/readyz?x": 200, "/verify": 404, "/metrics": 404, "/introspect": 404, "/readyz/": 404, "/": 404,
	} {
		resp := ask(h.HealthOnly(), path, http.Header{"Authorization": {"Bearer " + goodToken}})
		if resp.StatusCode != want || resp.Header.Get("X-Token-Key") != "" {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	ready = false
	if resp := ask(h.HealthOnly(), "/readyz", nil); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("not ready: %s", resp.Status)
	}
	if resp := ask(h.HealthOnly(), "/healthz", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("not ready, healthz: %s", resp.Status)
	}
}
