package verify

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

const (
	goodToken  = "kgHNm05iQV61I+GY3X5HVr13i866HAAsyou8G+eGubk="
	goodKey    = "9201cd9b-4e62-415e-b523-e198dd7e4756"
	otherToken = "Lfh/02b1SbuZX/u1JFqegMEljMZaPGbsqJf3ALY0AGo="
	// wrongSecret is goodToken with another last byte.
	wrongSecret = "kgHNm05iQV61I+GY3X5HVr13i866HAAsyou8G+eGubg="
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func parsed(t *testing.T, text string) token.Token {
	t.Helper()
	tok, err := token.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// testGate is a gate of which nothing is stated.
var testGate = DefaultGate(DefaultName)

// question asks the gate of which nothing is stated.
func question(text string) *Question { return &Question{Text: text, Gate: &testGate} }

func goodRecord(t *testing.T) store.Record {
	tok := parsed(t, goodToken)
	return store.Record{
		Name: store.Name{User: "/users/root", Name: "test"}, Type: store.FullAccess, Audience: "api", Active: true,
		ExpiresAt:   noon.Add(time.Hour),
		Credentials: []store.Credential{{Key: tok.Key, Digest: tok.Digest()}},
	}
}

// decide asks of a presented token what it proves, and decides.
func decide(rec *store.Record, rule store.Rule, presented token.Token, gate *Gate, req *Request, now time.Time) Reason {
	return Decide(rec, rule, proven(rec.Credentials, &token.Keyring{}, &presented, now), gate, req, now)
}

func TestDecide(t *testing.T) {
	for name, tt := range map[string]struct {
		change    func(*store.Record)
		presented string
		want      Reason
	}{
		"good":                    {nil, goodToken, Yes},
		"wrong secret":            {nil, wrongSecret, InvalidToken},
		"unknown key":             {nil, otherToken, InvalidToken},
		"no record":               {func(r *store.Record) { *r = store.Record{} }, goodToken, InvalidToken},
		"disabled":                {func(r *store.Record) { r.Active = false }, goodToken, Disabled},
		"disabled, wrong secret":  {func(r *store.Record) { r.Active = false }, wrongSecret, InvalidToken},
		"not yet":                 {func(r *store.Record) { r.NotBefore = noon.Add(1) }, goodToken, NotYetValid},
		"from now on":             {func(r *store.Record) { r.NotBefore = noon }, goodToken, Yes},
		"expires now":             {func(r *store.Record) { r.ExpiresAt = noon }, goodToken, Expired},
		"last instant":            {func(r *store.Record) { r.ExpiresAt = noon.Add(1) }, goodToken, Yes},
		"expired, wrong secret":   {func(r *store.Record) { r.ExpiresAt = noon }, wrongSecret, InvalidToken},
		"expired at the epoch":    {func(r *store.Record) { r.ExpiresAt = time.Unix(0, 0) }, goodToken, Expired},
		"never expires":           {func(r *store.Record) { r.ExpiresAt = time.Time{} }, goodToken, Yes},
		"disabled before expired": {func(r *store.Record) { r.Active, r.ExpiresAt = false, noon }, goodToken, Disabled},
		"not yet before expired":  {func(r *store.Record) { r.NotBefore, r.ExpiresAt = noon.Add(1), noon }, goodToken, NotYetValid},
		"grace":                   {func(r *store.Record) { r.Credentials[0].GoodUntil = noon.Add(1) }, goodToken, Yes},
		"grace is over":           {func(r *store.Record) { r.Credentials[0].GoodUntil = noon }, goodToken, InvalidToken},
		"other audience":          {func(r *store.Record) { r.Audience = "admin" }, goodToken, AudienceMismatch},
		"expired before audience": {func(r *store.Record) { r.Audience, r.ExpiresAt = "admin", noon }, goodToken, Expired},
		"addresses":               {func(r *store.Record) { r.AllowedIPs = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")} }, goodToken, ContextMissing},
		"read-only":               {func(r *store.Record) { r.Type = store.ReadOnly }, goodToken, ContextMissing},
		"custom":                  {func(r *store.Record) { r.Type = store.Custom }, goodToken, ContextMissing},
		"no type":                 {func(r *store.Record) { r.Type = 0 }, goodToken, ContextMissing},
		"audience before context": {func(r *store.Record) { r.Type, r.Audience = store.Custom, "admin" }, goodToken, AudienceMismatch},
		"second credential is as good": {func(r *store.Record) {
			r.Credentials = append([]store.Credential{{Key: token.Key{1}}}, r.Credentials...)
		}, goodToken, Yes},
	} {
		rec := goodRecord(t)
		if tt.change != nil {
			tt.change(&rec)
		}
		if got := decide(&rec, store.Rule{}, parsed(t, tt.presented), &testGate, &Request{}, noon); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// A regenerated secret keeps its key: the old one is good in its grace, too.
func TestDecideTwoSecretsUnderOneKey(t *testing.T) {
	rec := goodRecord(t)
	fresh := rec.Credentials[0]
	fresh.Digest = parsed(t, wrongSecret).Digest()
	rec.Credentials[0].GoodUntil = noon.Add(1)
	rec.Credentials = []store.Credential{fresh, rec.Credentials[0]}
	for name, text := range map[string]string{"new": wrongSecret, "old": goodToken} {
		if got := decide(&rec, store.Rule{}, parsed(t, text), &testGate, &Request{}, noon); got != Yes {
			t.Errorf("the %s secret: %v", name, got)
		}
	}
	if got := decide(&rec, store.Rule{}, parsed(t, goodToken), &testGate, &Request{}, noon.Add(1)); got != InvalidToken {
		t.Errorf("the old secret after its grace: %v", got)
	}
}

func TestDecideBlockedUser(t *testing.T) {
	rec, blocked := goodRecord(t), store.Rule{Blocked: true}
	rec.Active = false
	if got := decide(&rec, blocked, parsed(t, goodToken), &testGate, &Request{}, noon); got != UserBlocked {
		t.Errorf("a blocked user's disabled token: %v", got)
	}
	if got := decide(&rec, blocked, parsed(t, wrongSecret), &testGate, &Request{}, noon); got != InvalidToken {
		t.Errorf("a blocked user's token with a wrong secret: %v", got)
	}
}

// The key of a record that has no digest cannot be opened by anything, not
// even by who finds a secret that digests to zeros.
func TestAskTellsNothingOfATokenWithoutItsSecret(t *testing.T) {
	var index store.Index
	index.Apply(&store.Batch{Put: []store.Record{goodRecord(t)}})
	for _, text := range []string{wrongSecret, otherToken, "nonsense", ""} {
		d := (&Register{Tokens: &index}).Ask(question(text), noon)
		if d.Reason != InvalidToken || d.Record != nil || !d.Presented().IsZero() {
			t.Errorf("%q: %+v", text, d)
		}
	}
}

func testHandler(t *testing.T, records ...store.Record) *Handler {
	index := &store.Index{}
	index.Apply(&store.Batch{Put: records})
	return &Handler{
		Register: Register{Tokens: index}, Rules: rulesOf(testGate), Now: func() time.Time { return noon },
		Ready:  func() bool { return true },
		Health: func() Health { return Health{Ready: true, Degraded: []string{}} },
	}
}

// rulesOf are the rules of gates, that trust this machine.
func rulesOf(gates ...Gate) func() *Rules {
	rules := &Rules{Gates: map[string]*Gate{}, Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128")}}
	for _, g := range gates {
		rules.Gates[g.Name] = &g
	}
	return func() *Rules { return rules }
}

func ask(h http.Handler, path string, header http.Header) *http.Response {
	r := httptest.NewRequest("GET", path, nil)
	r.Header = header
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// Each way to send a token, and each way to send it wrongly.
func TestCredentials(t *testing.T) {
	h := testHandler(t, goodRecord(t))
	for name, tt := range map[string]struct {
		header http.Header
		status int
		reason string
	}{
		"APIToken":           {http.Header{"Authorization": {"APIToken " + goodToken}}, 200, ""},
		"Bearer":             {http.Header{"Authorization": {"Bearer " + goodToken}}, 200, ""},
		"scheme in any case": {http.Header{"Authorization": {"bEARER " + goodToken}}, 200, ""},
		"two spaces":         {http.Header{"Authorization": {"Bearer  " + goodToken}}, 200, ""},
		"X-API-Key":          {http.Header{"X-Api-Key": {goodToken}}, 200, ""},
		"nothing":            {http.Header{}, 401, "missing_token"},
		"empty":              {http.Header{"Authorization": {""}}, 401, "missing_token"},
		"no scheme":          {http.Header{"Authorization": {goodToken}}, 401, "missing_token"},
		"another scheme":     {http.Header{"Authorization": {"Digest " + goodToken}}, 401, "missing_token"},
		"password":           {http.Header{"Authorization": {"Basic " + goodToken}}, 401, "password_refused"},
		"no token":           {http.Header{"Authorization": {"Bearer"}}, 401, "missing_token"},
		"tab":                {http.Header{"Authorization": {"Bearer\t" + goodToken}}, 401, "missing_token"},
		"empty key":          {http.Header{"X-Api-Key": {""}}, 401, "missing_token"},
		"more behind":        {http.Header{"Authorization": {"Bearer " + goodToken + " x"}}, 401, "invalid_token"},
		"a list":             {http.Header{"Authorization": {"Bearer " + goodToken + ", Bearer " + goodToken}}, 401, "invalid_token"},
		"repeated":           {http.Header{"Authorization": {"Bearer " + goodToken, "Bearer " + goodToken}}, 401, "malformed_request"},
		"key repeated":       {http.Header{"X-Api-Key": {goodToken, goodToken}}, 401, "malformed_request"},
		"both":               {http.Header{"Authorization": {"Bearer " + goodToken}, "X-Api-Key": {goodToken}}, 401, "malformed_request"},
		"both, one empty":    {http.Header{"Authorization": {""}, "X-Api-Key": {goodToken}}, 401, "malformed_request"},
		"wrong secret":       {http.Header{"Authorization": {"Bearer " + wrongSecret}}, 401, "invalid_token"},
	} {
		resp := ask(h, "/verify", tt.header)
		if resp.StatusCode != tt.status || resp.Header.Get("X-Token-Reason") != tt.reason {
			t.Errorf("%s: %d %q, want %d %q", name, resp.StatusCode, resp.Header.Get("X-Token-Reason"), tt.status, tt.reason)
		}
	}
}

// A use is a yes, of the credential that was presented: a regenerated secret
// keeps its key.
func TestUsed(t *testing.T) {
	rec := goodRecord(t)
	rec.ID = 7
	rec.Credentials[0].Number = 3
	old := rec.Credentials[0]
	old.Digest, old.Number = parsed(t, wrongSecret).Digest(), 2
	disabled := rec
	disabled.Active = false
	rec.Credentials = []store.Credential{rec.Credentials[0], old}
	for name, tt := range map[string]struct {
		rec  store.Record
		text string
		want uint64
	}{
		"new":      {rec, goodToken, 3},
		"old":      {rec, wrongSecret, 2},
		"unknown":  {rec, otherToken, 0},
		"disabled": {disabled, goodToken, 0},
	} {
		var got []store.Used
		h := testHandler(t, tt.rec)
		h.Used = func(u store.Used) { got = append(got, u) }
		_ = ask(h, "/verify", http.Header{"X-Api-Key": {tt.text}})
		var want []store.Used
		if tt.want > 0 {
			want = []store.Used{{
				Token: 7, Name: rec.Name, Key: rec.Credentials[0].Key,
				CredentialUse: store.CredentialUse{Number: tt.want, Use: store.Use{At: noon, Count: 1}},
			}}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: used %+v, want %+v", name, got, want)
		}
	}
}

// Invariant 3: nothing in the answers tells the three apart.
func TestInvalidTokensAreAlike(t *testing.T) {
	h := testHandler(t, goodRecord(t))
	var first string
	for _, text := range []string{wrongSecret, otherToken, "not a token", strings.Repeat("x", 10000), "="} {
		resp := ask(h, "/verify", http.Header{"Authorization": {"Bearer " + text}})
		body, _ := io.ReadAll(resp.Body)
		whole := fmt.Sprint(resp.StatusCode, resp.Header, string(body))
		if first == "" {
			first = whole
		}
		if whole != first {
			t.Errorf("answers differ:\n%s\n%s", first, whole)
		}
	}
}

func TestYes(t *testing.T) {
	rec := goodRecord(t)
	rec.User = "a,b=c%d é\n"
	rec.Labels = []store.Label{{Key: "team", Value: "x=y"}}
	resp := ask(testHandler(t, rec), "/verify?session=x", http.Header{"Authorization": {"Bearer " + goodToken}})
	for name, want := range map[string]string{
		"X-Token-Key": goodKey, "X-Token-User": "a%2Cb%3Dc%25d%20%C3%A9%0A", "X-Token-Name": "test",
		"X-Token-Type": "full-access", "X-Token-Scopes": "", "X-Token-Audience": "api",
		"X-Token-Expires": "2026-06-01T13:00:00Z", "X-Token-Labels": "team=x%3Dy", "Cache-Control": "no-store",
	} {
		if got := resp.Header[http.CanonicalHeaderKey(name)]; len(got) != 1 || got[0] != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	var body map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	if body["active"] != true || body["key"] != goodKey || body["user"] != rec.User || body["expires"] != "2026-06-01T13:00:00Z" {
		t.Errorf("body = %v", body)
	}
}

func TestNo(t *testing.T) {
	disabled := goodRecord(t)
	disabled.Active = false
	for name, tt := range map[string]struct {
		h         *Handler
		header    http.Header
		challenge string
		error     string
		status    int
	}{
		"missing":  {testHandler(t), http.Header{}, `Bearer realm="tokendrop"`, "invalid_token", 401},
		"disabled": {testHandler(t, disabled), http.Header{"X-Api-Key": {goodToken}}, `Bearer realm="tokendrop", error="invalid_token", error_description="the token is disabled"`, "invalid_token", 401},
	} {
		resp := ask(tt.h, "/verify", tt.header)
		var body map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != tt.status || resp.Header.Get("WWW-Authenticate") != tt.challenge || body["error"] != tt.error || body["active"] != false || body["message"] == "" {
			t.Errorf("%s: %d %q %v", name, resp.StatusCode, resp.Header.Get("WWW-Authenticate"), body)
		}
		if resp.Header.Get("X-Token-Key") != "" {
			t.Errorf("%s: a no has identity headers", name)
		}
	}
}

// Invariant 7.
func TestNotReady(t *testing.T) {
	h := testHandler(t, goodRecord(t))
	h.Ready = func() bool { return false }
	h.Health = func() Health { return Health{} }
	resp := ask(h, "/verify", http.Header{"X-Api-Key": {goodToken}})
	if resp.StatusCode != 503 || resp.Header.Get("X-Token-Reason") != "not_ready" {
		t.Errorf("%d %s", resp.StatusCode, resp.Header.Get("X-Token-Reason"))
	}
	if resp := ask(h, "/readyz", nil); resp.StatusCode != 503 {
		t.Errorf("/readyz: %d", resp.StatusCode)
	}
	if resp := ask(h, "/healthz", nil); resp.StatusCode != 200 {
		t.Errorf("/healthz: %d", resp.StatusCode)
	}
}

func TestPaths(t *testing.T) {
	h := testHandler(t, goodRecord(t))
	for path, want := range map[string]int{
		"/verify": 200, "/verify/default": 200, "/verify?a=b": 200, "/verify/nothere": 404, "/verify/": 404,
		"/": 404, "//verify": 404, "/verify/../verify": 404, "/readyz": 200,
	} {
		if resp := ask(h, path, http.Header{"X-Api-Key": {goodToken}}); resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
}

// What only shows at the socket: what net/http itself makes of a request.
func TestRawRequests(t *testing.T) {
	address := serve(t, testHandler(t, goodRecord(t)))
	auth := "Authorization: Bearer " + goodToken + "\r\n"
	for name, tt := range map[string]struct {
		head   string
		status int
	}{
		"good":                {"GET /verify HTTP/1.1\r\nHost: x\r\n" + auth, 200},
		"any method":          {"BREW /verify HTTP/1.1\r\nHost: x\r\n" + auth, 200},
		"two lines":           {"GET /verify HTTP/1.1\r\nHost: x\r\n" + auth + auth, 401},
		"two, other case":     {"GET /verify HTTP/1.1\r\nHost: x\r\n" + auth + strings.ToLower("Authorization") + ": Bearer x\r\n", 401},
		"transfer encoding":   {"POST /verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + auth + "\r\n0\r\n", 401},
		"16 KiB of headers":   {"GET /verify HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 16<<10) + "\r\n" + auth, 200},
		"31 KiB of headers":   {"GET /verify HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 31<<10) + "\r\n" + auth, 200},
		"33 KiB of headers":   {"GET /verify HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 33<<10) + "\r\n" + auth, 431},
		"NUL in the value":    {"GET /verify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + goodToken + "\x00\r\n", 400},
		"space before colon":  {"GET /verify HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer " + goodToken + "\r\n", 400},
		"options for all":     {"OPTIONS * HTTP/1.1\r\nHost: x\r\n" + auth, 404},
		"underscore is other": {"GET /verify HTTP/1.1\r\nHost: x\r\nX_API_Key: " + goodToken + "\r\n", 401},
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, tt.head+"\r\n") // a server that has seen enough may have closed
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if resp.StatusCode != tt.status {
			t.Errorf("%s: %d, want %d", name, resp.StatusCode, tt.status)
		}
		conn.Close()
	}
}

func TestEscapeIsInjective(t *testing.T) {
	seen := map[string]string{}
	for _, s := range []string{"", "a", "a,b", "a%2Cb", "a=b", "a b", "é", "%", "\x00", "\xff"} {
		e := store.Escape(s)
		if other, ok := seen[e]; ok {
			t.Errorf("%q and %q are both %q", s, other, e)
		}
		seen[e] = s
		for i := range len(e) {
			if e[i] <= 0x20 || e[i] >= 0x7f || e[i] == ',' || e[i] == '=' {
				t.Errorf("%q holds %q", e, e[i])
			}
		}
	}
}
