package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// The tokens that go with the keys and digests in the tokens.yaml of each
// proxy's example.
const (
	tokenOps       = "AdHcx8cwSHiYDRZMZgHKLXrVPQ61UjlNVIAFbCiIhhk="
	tokenDashboard = "/Qt+ARdOTt2ZIhczIiLdxjNvm8zM8jULo4+BtQ7uIKk="
	tokenPublish   = "M/ATCedtRaGO3T8suLud68COmjDiLXJ9IhFG8M9b/Qc="
	tokenOffice    = "cjvkYFzKS+Odzkoe8gJMhSACPJ2XX8N0tpl3NxmB1Ro="
)

const (
	anArticle   = "/api/articles/7"
	allArticles = "/api/articles"
)

func TestNginx(t *testing.T) {
	requireTool(t, "nginx")
	s := newSite(t, "nginx")
	s.runNginx(s.example("nginx/api.conf", "listen 8080", "listen "+s.front))
	s.check(proxyChecks)
}

// What the README shows of nginx lets nobody in, and no name through, that it
// should not.
func TestReadmeNginx(t *testing.T) {
	requireTool(t, "nginx")
	s := newSite(t, "nginx")
	shown := blocks(t, "nginx")
	if len(shown) != 1 {
		t.Fatalf("the README shows %q", shown)
	}
	locations := strings.Replace(shown[0], "127.0.0.1:7575", s.gate, 1)
	s.runNginx(fmt.Sprintf("upstream app { server %s; }\nserver {\n listen %s;\n%s}\n", s.app, s.front, locations))
	statuses := slices.Clone(decided) // it does not tell clients the reason
	for i := range statuses {
		statuses[i].want, _, _ = strings.Cut(statuses[i].want, " ")
	}
	s.expect(statuses, forgedRequest()...)
	got := s.call(call{token: tokenOps, method: "GET", uri: anArticle, header: forgedIdentity()})
	if got.seen == nil {
		t.Fatalf("got %s", got)
	}
	for _, name := range identityNames {
		want := ""
		if name == "X-Token-User" {
			want = "ops"
		}
		if value := strings.Join(got.seen.Header.Values(name), ","); value != want {
			t.Errorf("the service gets %s: %q", name, value)
		}
	}
}

func (s *site) runNginx(site string) {
	s.t.Helper()
	path := s.write("api.conf", site)
	config := s.write("nginx.conf", fmt.Sprintf(`daemon off;
pid %[1]s/nginx.pid;
%[2]s
events {}
http {
    access_log off;
    client_body_temp_path %[1]s/body;
    proxy_temp_path %[1]s/proxy;
    fastcgi_temp_path %[1]s/fastcgi;
    uwsgi_temp_path %[1]s/uwsgi;
    scgi_temp_path %[1]s/scgi;
    include %[3]s;
}
`, s.root, nginxUser(), path))
	s.runProxy("nginx", "-p", s.root, "-e", "stderr", "-c", config)
}

// nginxUser lets the workers of root's nginx use directories of root's.
func nginxUser() string {
	if os.Geteuid() == 0 {
		return "user root;"
	}
	return ""
}

func TestCaddy(t *testing.T) {
	requireTool(t, "caddy")
	s := newSite(t, "caddy")
	_, port, _ := strings.Cut(s.front, ":")
	config := s.write("Caddyfile", "{\n\tadmin off\n\tdefault_bind 127.0.0.1\n}\n"+s.example("caddy/Caddyfile", "\n:8080 {", "\n:"+port+" {"))
	s.runProxy("caddy", "run", "--adapter", "caddyfile", "--config", config)
	s.check(proxyChecks)
}

func TestHAProxy(t *testing.T) {
	requireTool(t, "haproxy")
	s := newSite(t, "haproxy")
	s.runHAProxy(s.example("haproxy/tokendrop.lua"))
	s.check(proxyChecks)
}

// HAProxy itself goes on after an action in Lua that failed.
func TestHAProxyBrokenScript(t *testing.T) {
	requireTool(t, "haproxy")
	s := newSite(t, "haproxy")
	s.runHAProxy(`core.register_action("tokendrop", { "http-req" }, function(txn) error("broken") end, 1)`)
	got := s.call(call{token: tokenOps, method: "GET", uri: anArticle, header: []string{"txn.tokendrop: yes"}})
	if got.status != http.StatusServiceUnavailable || got.seen != nil {
		t.Errorf("with a broken script: %s", got)
	}
}

func (s *site) runHAProxy(script string) {
	s.t.Helper()
	path := s.write("tokendrop.lua", script)
	config := s.write("haproxy.cfg", s.example("haproxy/haproxy.cfg", "bind :8080", "bind "+s.front, "/etc/haproxy/tokendrop.lua", path))
	s.runProxy("haproxy", "-db", "-f", config)
}

// spokenChecks are what a site has to stand whatever its proxy is made of, and
// proxyChecks what is also up to a real one.
var (
	spokenChecks = []siteCheck{
		{"answers", (*site).checkAnswers},
		{"identity", (*site).checkIdentity},
		{"forged", (*site).checkForged},
		{"tokens", (*site).checkTokens},
		{"one connection", (*site).checkConnection},
		{"bodies", (*site).checkBodies},
		{"paths", (*site).checkPaths},
		{"daemon down", (*site).checkDown}, // the last one
	}
	proxyChecks = append([]siteCheck{
		{"hop by hop", (*site).checkHopByHop},
		{"upgrades", (*site).checkUpgrades},
		{"headers without an end", (*site).checkLong},
		{"daemon stands still", (*site).checkStill},
		{"judged", (*site).checkJudged},
	}, spokenChecks...)
)

type siteCheck struct {
	name string
	run  func(*site)
}

func (s *site) check(checks []siteCheck) {
	for _, c := range checks {
		parent := s.t
		parent.Run(c.name, func(t *testing.T) {
			s.t = t
			defer func() { s.t = parent }()
			c.run(s)
		})
	}
}

// wants are calls, and the answers to them. A yes has the status of the service.
type wants []struct {
	name string
	call call
	want string
}

func (s *site) expect(list wants, header ...string) {
	s.t.Helper()
	for _, tt := range list {
		tt.call.header = append(tt.call.header, header...)
		got := s.call(tt.call)
		if got.String() != tt.want || (got.seen != nil) != (tt.want == "200") {
			s.t.Errorf("%s: %s, want %s; the service was asked %+v", tt.name, got, tt.want, got.seen)
		}
		challenge := got.header.Get("WWW-Authenticate")
		if got.status == http.StatusUnauthorized && !strings.HasPrefix(challenge, `Bearer realm="tokendrop"`) {
			s.t.Errorf("%s: WWW-Authenticate is %q", tt.name, challenge)
		}
	}
}

// decided are calls that differ in what the gate has to be told.
var decided = wants{
	{"full access", call{token: tokenOps, method: "GET", uri: anArticle}, "200"},
	{"full access writes", call{token: tokenOps, method: "POST", uri: allArticles}, "200"},
	{"no token", call{method: "GET", uri: anArticle}, "401 missing_token"},
	{"unknown token", call{token: tokenA, method: "GET", uri: anArticle}, "401 invalid_token"},
	{"malformed token", call{token: "x", method: "GET", uri: anArticle}, "401 invalid_token"},
	{"read-only reads", call{token: tokenDashboard, method: "GET", uri: anArticle}, "200"},
	{"read-only writes", call{token: tokenDashboard, method: "POST", uri: allArticles}, "403 method_not_allowed"},
	{"read-only deletes", call{token: tokenDashboard, method: "DELETE", uri: anArticle}, "403 method_not_allowed"},
	{"custom in its scope", call{token: tokenPublish, method: "POST", uri: allArticles}, "200"},
	{"custom on another path", call{token: tokenPublish, method: "GET", uri: anArticle}, "403 scope_missing"},
	{"custom with another method", call{token: tokenPublish, method: "PUT", uri: allArticles}, "403 context_missing"},
	{"no route", call{token: tokenOps, method: "GET", uri: "/admin"}, "403 context_missing"},
	{"the place of the gate", call{token: tokenOps, method: "GET", uri: "/verify"}, "403 context_missing"},
	{"from the office", call{token: tokenOffice, method: "GET", uri: anArticle, from: officeAddress}, "200"},
	{"from elsewhere", call{token: tokenOffice, method: "GET", uri: anArticle, from: elsewhereAddress}, "403 ip_not_allowed"},
}

func (s *site) checkAnswers() {
	s.expect(decided)
	// The query of the client, which some proxies append to the verify URI.
	queried := slices.Clone(decided)
	for i := range queried {
		queried[i].call.uri += "?session=" + url.QueryEscape(tokenOps) + "&a=%2f..//;/verify/other&x=/verify/other"
	}
	s.expect(queried)
}

// identities are what the service is told of those who call.
var identities = map[string]map[string]string{
	tokenOps: {
		"X-Token-Key": "01d1dcc7-c730-4878-980d-164c6601ca2d", "X-Token-User": "ops", "X-Token-Name": "everything",
		"X-Token-Type": "full-access", "X-Token-Audience": "api",
	},
	tokenPublish: {
		"X-Token-Key": "33f01309-e76d-45a1-8edd-3f2cb8bb9deb", "X-Token-User": "blog", "X-Token-Name": "publish",
		"X-Token-Type": "custom", "X-Token-Audience": "api", "X-Token-Scopes": "api::article.create",
		"X-Token-Expires": "2100-01-01T00:00:00Z", "X-Token-Labels": "team=web%2C%20docs",
	},
}

// identityOf is what a request says about its token, or in its words.
func identityOf(header http.Header) map[string]string {
	found := map[string]string{}
	for name, values := range header {
		as := http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
		if value := strings.Join(values, "|"); strings.HasPrefix(as, "X-Token-") && value != "" {
			found[name] = value
		}
	}
	return found
}

func (s *site) checkIdentity() { s.expectIdentities() }

// expectIdentities makes calls with these header lines, which change nothing.
func (s *site) expectIdentities(header ...string) {
	s.t.Helper()
	for token, want := range identities {
		got := s.call(call{token: token, method: "POST", uri: allArticles, header: header})
		if got.seen == nil {
			s.t.Errorf("%s is refused: %s", want["X-Token-User"], got)
			continue
		}
		if found := identityOf(got.seen.Header); !maps.Equal(found, want) {
			s.t.Errorf("the service is told\n%q, want\n%q", found, want)
		}
		for name, values := range got.seen.Header {
			if strings.Contains(strings.Join(values, " "), "forged") {
				s.t.Errorf("the service gets %s: %s", name, values)
			}
		}
	}
}

var identityNames = []string{
	"X-Token-Key", "X-Token-User", "X-Token-Name", "X-Token-Type", "X-Token-Scopes", "X-Token-Audience", "X-Token-Expires",
	"X-Token-Labels", "X-Token-Reason",
}

// forgedIdentity is in each spelling that services take for the same.
func forgedIdentity() (lines []string) {
	for _, name := range identityNames {
		lines = append(lines, name+": forged", strings.ToLower(name)+": forged")
		for _, under := range withUnderscores(name) {
			lines = append(lines, under+": forged", strings.ToUpper(under)+": forged")
		}
	}
	return lines
}

// withUnderscores are the names that to many services are the same: with one or
// more underscores in the place of hyphens.
func withUnderscores(name string) (names []string) {
	parts := strings.Split(name, "-")
	for bits := 1; bits < 1<<(len(parts)-1); bits++ {
		under := parts[0]
		for i, part := range parts[1:] {
			under += string("-_"[bits>>i&1]) + part
		}
		names = append(names, under)
	}
	return names
}

// forgedRequest says of each request that it is one which every token is good
// for: in the headers of every proxy, and with underscores.
func forgedRequest() (lines []string) {
	for name, value := range map[string]string{
		"X-Original-Method": "GET", "X-Original-URI": anArticle, "X-Forwarded-Method": "GET", "X-Forwarded-Uri": anArticle,
		"X-Forwarded-For": officeAddress, "Forwarded": "for=" + officeAddress, "X-Real-IP": officeAddress,
		"X-Rewrite-URL": anArticle, "X-Original-URL": anArticle, "X-Forwarded-Prefix": "/forged",
	} {
		lines = append(lines, name+": "+value, strings.ReplaceAll(name, "-", "_")+": "+value)
	}
	slices.Sort(lines)
	return lines
}

func (s *site) checkForged() {
	s.expectIdentities(forgedIdentity()...)
	s.expect(decided, forgedRequest()...)
	s.expect(decided, append(forgedRequest(), "X-Forwarded-For: 127.0.0.1, "+officeAddress+", 127.0.0.1")...)
	for _, name := range []string{"X-Original-Method", "X-Original-URI", "X-Forwarded-Method", "X-Forwarded-Uri", "X-Real-IP", "Forwarded"} {
		got := s.call(call{token: tokenOps, method: "POST", uri: allArticles, header: []string{name + ": forged"}})
		if got.seen == nil || got.seen.Header.Get(name) == "forged" {
			s.t.Errorf("%s: %s, the service is asked %+v", name, got, got.seen)
		}
	}
	for _, name := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		for _, line := range []string{name + ": DELETE", strings.ToLower(name) + ": delete"} {
			got := s.call(call{token: tokenDashboard, method: "GET", uri: anArticle, header: []string{line}})
			if got.String() != "403 method_not_allowed" || got.seen != nil {
				s.t.Errorf("%s: %s", line, got)
			}
		}
		for _, under := range withUnderscores(name) {
			got := s.call(call{token: tokenDashboard, method: "GET", uri: anArticle, header: []string{under + ": DELETE"}})
			if got.seen != nil && got.seen.Header.Get(under) != "" {
				s.t.Errorf("the service gets %s, which was not judged", under)
			}
		}
	}
}

// What the header Connection names goes no further than to the next program,
// which is the proxy: neither what the proxy says instead, nor what it judges.
func (s *site) checkHopByHop() {
	names := append([]string{"Connection: keep-alive"}, identityNames...)
	names = append(names, "X-Forwarded-For", "X-Original-URI", "X-Original-Method", "X-Forwarded-Uri", "X-Forwarded-Method")
	line := strings.Join(names, ", ")
	s.expectIdentities(append(forgedIdentity(), line)...)
	s.expect(decided, append(forgedRequest(), line)...)
	got := s.call(call{token: tokenOps, method: "GET", uri: anArticle, header: []string{line}})
	if got.seen == nil || strings.Contains(strings.Join(got.seen.Header["Connection"], " "), "X-Token") {
		s.t.Errorf("the service is told to drop who it is: %+v", got.seen)
	}
	override := []string{"Connection: X-HTTP-Method-Override", "X-HTTP-Method-Override: DELETE"}
	got = s.call(call{token: tokenDashboard, method: "GET", uri: anArticle, header: override})
	if got.seen != nil && got.seen.Header.Get("X-Http-Method-Override") != "" {
		s.t.Errorf("the service gets a method that was not judged: %+v", got.seen)
	}
}

// After another upgrade than that to a websocket the client would talk to the
// service alone.
func (s *site) checkUpgrades() {
	for _, header := range [][]string{
		{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"},
		{"Connection: Upgrade", "Upgrade: websocket, h2c"},
		{"Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c"},
		{"Connection: Upgrade", "Upgrade: h2c", "Upgrade: WebSocket"},
	} {
		got := s.call(call{token: tokenOps, method: "GET", uri: anArticle, header: header})
		if got.seen == nil && got.status < 400 || got.seen != nil && strings.Contains(strings.Join(got.seen.Header["Upgrade"], " "), "h2c") {
			s.t.Errorf("%q: %s, the service is asked %+v", header, got, got.seen)
		}
	}
}

func (s *site) checkTokens() {
	bearer := "Authorization: Bearer "
	for name, tt := range map[string]struct {
		header []string
		good   bool
	}{
		"APIToken":            {[]string{"authorization: apitoken " + tokenOps}, true},
		"X-API-Key":           {[]string{"X-API-Key: " + tokenOps}, true},
		"both":                {[]string{bearer + tokenOps, "X-API-Key: " + tokenOps}, false},
		"two keys":            {[]string{"X-API-Key: " + tokenOps, "X-API-Key: " + tokenOps}, false},
		"two authorizations":  {[]string{bearer + tokenOps, bearer + tokenDashboard}, false},
		"the good one second": {[]string{bearer + tokenA, bearer + tokenOps}, false},
		"a password":          {[]string{"Authorization: Basic b3BzOnB3"}, false},
		"with an underscore":  {[]string{"X_API_Key: " + tokenOps}, false},
	} {
		got := s.call(call{method: "GET", uri: anArticle, header: tt.header})
		if (got.seen != nil) != tt.good || !tt.good && got.status < 400 {
			s.t.Errorf("%s: %s", name, got)
		}
	}
}

func (s *site) checkBodies() {
	text := strings.Repeat("0123456789abcdef", 16<<10)
	for name, c := range map[string]call{
		"with its length": {body: text},
		"in chunks":       {body: fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(text), text), header: []string{"Transfer-Encoding: chunked"}},
	} {
		c.token, c.method, c.uri = tokenPublish, "POST", allArticles
		if got := s.call(c); got.seen == nil || got.seen.Body != text || got.seen.Method != "POST" {
			s.t.Errorf("%s: %s", name, got)
		}
	}
}

// hostilePaths are understood in different ways by different programs, or are
// none that the gate has a route for.
var hostilePaths = []string{
	"/api/articles/..%2f7", "/api/articles/a%2Fb", "/api//articles/7", "//api/articles/7", "/api/articles//7", "/api/articles/7;x=1",
	"/api/;x/articles/7", "/api/x/../articles/7", "/api/articles/./7", "/api/articles/7/..", "/api/articles/..", "/api/articles/%2e%2e",
	"/admin/..%2fapi/articles/7", "/api/articles/..;/7", "/api/articles/7%00", "/api/articles/7%0d%0aX-Token-User:%20forged",
	`/api/articles\7`, "/api/articles/%5c7", "/api/articles/%zz", "/api/articles/%c0%af", "/api/articles/7%3bx", "*", "admin", "",
	"/api/articles/7 /admin", "/api/articles/7\t/admin", "http://api.example/admin", "http://api.example", "/api/articles/7#/../../admin",
}

// oddPaths are understood alike.
var oddPaths = []string{
	anArticle, "/api/articles/a%20b", "/api/articles/%37", "/api/articles/caf%C3%A9", "/api/articles/caf\u00e9", `/api/articles/"x"`,
	"/api/articles/a%25b", "/api/articles/7?", "/api/articles/7?a=/../%2f//;b&c=%zz", "/api/articles/a+b", "/api/articles/$1{uri}",
	"/api/articles/a%3Fb", "http://api.example/api/articles/7?x", "http://other.example/api/articles/7",
}

// What the gate accepts is what the service gets, and hostile paths are not
// among it.
func (s *site) checkPaths() {
	for _, uri := range hostilePaths {
		got := s.call(call{token: tokenOps, method: "GET", uri: uri})
		if got.seen != nil || got.status < 400 {
			s.t.Errorf("%s: %s, the service was asked for %+v", uri, got, got.seen)
		}
	}
	for _, uri := range oddPaths {
		got := s.call(call{token: tokenOps, method: "GET", uri: uri})
		switch {
		case got.seen == nil && got.status < 400:
			s.t.Errorf("%s: %s", uri, got)
		case got.seen != nil && requestTarget(s.t, got.seen.URI) != requestTarget(s.t, uri):
			s.t.Errorf("%s: the service is asked for %s", uri, got.seen.URI)
		}
	}
}

// requestTarget writes what is one and the same target in one way.
func requestTarget(t *testing.T, uri string) string {
	t.Helper()
	u, err := url.ParseRequestURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	return u.EscapedPath() + "?" + u.RawQuery
}

// A gate that says yes to everything, and tells the service as the type what it
// was told of the method, and as the name of the URI: what would be judged is
// what the service gets, whatever it is. Of "*" HAProxy tells nothing.
func (s *site) checkJudged() {
	s.kill()
	defer s.start()
	l, err := net.Listen("tcp", s.gate)
	if err != nil {
		s.t.Fatal(err)
	}
	gate := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told := r.Header.Get("X-Original-Uri") + r.Header.Get("X-Forwarded-Uri")
		w.Header().Set("X-Token-Name", url.QueryEscape(told))
		w.Header().Set("X-Token-Type", r.Header.Get("X-Original-Method")+r.Header.Get("X-Forwarded-Method"))
	}))
	gate.Listener.Close()
	gate.Listener = l
	gate.Start()
	defer gate.Close()

	passed := 0
	for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS", "PATCH", "get", "OTHER"} {
		for _, uri := range slices.Concat(hostilePaths, oddPaths) {
			got := s.call(call{method: method, uri: uri, header: forgedRequest()})
			if got.seen == nil {
				continue
			}
			told, err := url.QueryUnescape(got.seen.Header.Get("X-Token-Name"))
			if told != "" {
				passed++
			}
			right := told == "" || told == originForm(got.seen.URI)
			if method := got.seen.Header.Get("X-Token-Type"); err != nil || !right || method != got.seen.Method {
				s.t.Errorf("the gate is told %s %q (%v), the service is asked for %s %q", method, told, err, got.seen.Method, got.seen.URI)
			}
		}
	}
	if passed < 5*len(oddPaths)/2 {
		s.t.Errorf("the service was asked %d times", passed)
	}
}

// originForm is a target without the scheme and the host that it may begin with.
func originForm(uri string) string {
	if _, rest, absolute := strings.Cut(uri, "://"); absolute && !strings.HasPrefix(uri, "/") {
		_, path, _ := strings.Cut(rest, "/")
		return "/" + path
	}
	return uri
}

// What was said for one request is not said for the next.
func (s *site) checkConnection() {
	conn, err := net.Dial("tcp", s.front)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	answers := bufio.NewReader(conn)
	for i, c := range []call{{token: tokenOps}, {}, {token: tokenDashboard}, {token: tokenA}, {token: tokenOps}} {
		c.method, c.uri = "GET", anArticle
		if _, err := io.WriteString(conn, c.text()); err != nil {
			s.t.Fatal(err)
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		want, user := []int{200, 401, 200, 401, 200}[i], []string{"ops", "", "dashboard", "", "ops"}[i]
		if resp.StatusCode != want || err != nil || user != "" && !strings.Contains(string(body), `"X-Token-User":["`+user+`"]`) {
			s.t.Errorf("request %d on a connection: %s, %v\n%s", i, resp.Status, err, body)
		}
	}
}

func (s *site) checkLong() {
	long := "X-Long: " + strings.Repeat("x", 40<<10)
	got := s.call(call{token: tokenOps, method: "GET", uri: anArticle, header: []string{long}})
	if got.seen != nil || got.status < 400 {
		s.t.Errorf("with 40 KiB of headers: %s", got)
	}
}

// Who waits for an answer in vain gets no yes.
func (s *site) checkStill() {
	goOn := standStill(s.t, s.cmd.Process.Pid)
	defer goOn()
	if got := s.call(call{token: tokenOps, method: "GET", uri: anArticle}); got.seen != nil || got.status < 400 {
		s.t.Errorf("with a daemon that stands still: %s", got)
	}
}

// Without an answer there is no yes.
func (s *site) checkDown() {
	good := call{token: tokenOps, method: "GET", uri: anArticle}
	s.kill()
	if got := s.call(good); got.seen != nil || got.status < 400 {
		s.t.Errorf("without the daemon: %s", got)
	}
	s.start()
	if got := s.call(good); got.String() != "200" {
		s.t.Errorf("with the daemon again: %s", got)
	}
}
