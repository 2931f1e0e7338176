package verify

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// routed is a gate that knows what is asked of the protected service.
func routed(tb testing.TB, change ...func(*Gate)) *Gate {
	tb.Helper()
	g := DefaultGate("routed")
	g.Proxy = Nginx
	g.ScopeSets = map[string][]string{"writers": {"api::article.create", "api::article.delete"}, "none": nil}
	list := []Route{
		{"GET /api/articles/{id}", "api::article.findOne"},
		{"POST /api/articles", "api::article.create"},
		{"DELETE /api/articles/{id}", "api::article.delete"},
		{"GET /api/unread", "api::mail.unread"},
		{"/api/anything", "api::any.list"},
		{"/public/", ""},
		{"GET /exact/{$}", "exact/read"},
	}
	for _, c := range change {
		c(&g)
	}
	var err error
	if g.Routes, err = NewRoutes(list, g.Scopes); err != nil {
		tb.Fatal(err)
	}
	return &g
}

// scoped is a gate that demands a scope, whatever is asked.
func scoped(scopes ...string) *Gate {
	g := DefaultGate("scoped")
	g.Proxy, g.Scopes = Nginx, scopes
	return &g
}

func typed(typ store.Type, scopes ...string) func(*store.Record) {
	return func(r *store.Record) { r.Type, r.Scopes = typ, scopes }
}

func from(networks ...string) func(*store.Record) {
	return func(r *store.Record) {
		for _, n := range networks {
			r.AllowedIPs = append(r.AllowedIPs, netip.MustParsePrefix(n))
		}
	}
}

func both(changes ...func(*store.Record)) func(*store.Record) {
	return func(r *store.Record) {
		for _, c := range changes {
			c(r)
		}
	}
}

// decideCase is a row of SPEC section 6.
type decideCase struct {
	gate   *Gate
	change func(*store.Record)
	req    Request
	want   Reason
}

var (
	full     = typed(store.FullAccess)
	readOnly = typed(store.ReadOnly)
	here     = netip.MustParseAddr("192.0.2.7")
)

// Invariant 2: of the gate without a proxy, whatever it is told.
func casesUntold() map[string]decideCase {
	g := DefaultGate(DefaultName)
	told := Request{Method: "GET", URI: "/", Client: here}
	demanding := g
	demanding.Scopes = []string{"a"}
	return map[string]decideCase{
		"full-access":                  {&g, full, told, Yes},
		"addresses":                    {&g, from("0.0.0.0/0"), told, ContextMissing},
		"read-only":                    {&g, readOnly, told, ContextMissing},
		"custom":                       {&g, typed(store.Custom, "*"), told, ContextMissing},
		"custom, of a demanding gate":  {&demanding, typed(store.Custom, "a"), told, ContextMissing},
		"full-access, demanding gate":  {&demanding, full, told, Yes},
		"no type":                      {&g, typed(0), told, ContextMissing},
		"audience before all of these": {&g, both(from("192.0.2.0/24"), func(r *store.Record) { r.Audience = "other" }), told, AudienceMismatch},
	}
}

func casesFullAccess(tb testing.TB) map[string]decideCase {
	open := routed(tb, func(g *Gate) { g.Unmatched = Allow })
	return map[string]decideCase{
		"no routes, nothing told":             {scoped(), full, Request{}, Yes},
		"gate's scopes are not its":           {scoped("a"), full, Request{}, Yes},
		"a route":                             {routed(tb), full, Request{Method: "GET", URI: "/api/articles/7"}, Yes},
		"a route and a query":                 {routed(tb), full, Request{Method: "GET", URI: "/api/articles/7?a=//b;c"}, Yes},
		"HEAD is read by GET":                 {routed(tb), full, Request{Method: "HEAD", URI: "/api/articles/7"}, Yes},
		"any method":                          {routed(tb), full, Request{Method: "BREW", URI: "/public/x"}, Yes},
		"no method where none is asked":       {routed(tb), full, Request{URI: "/public/x"}, Yes},
		"no method where one is":              {routed(tb), full, Request{URI: "/api/articles/7"}, ContextMissing},
		"other method":                        {routed(tb), full, Request{Method: "PUT", URI: "/api/articles/7"}, ContextMissing},
		"method in another case":              {routed(tb), full, Request{Method: "get", URI: "/api/articles/7"}, ContextMissing},
		"override does not count":             {routed(tb), full, Request{Method: "GET", URI: "/public/", Override: true}, Yes},
		"no path":                             {routed(tb), full, Request{Method: "GET"}, ContextMissing},
		"no route":                            {routed(tb), full, Request{Method: "GET", URI: "/admin"}, ContextMissing},
		"a slash that is missing":             {routed(tb), full, Request{Method: "GET", URI: "/public"}, ContextMissing},
		"a slash too many":                    {routed(tb), full, Request{Method: "GET", URI: "/api/articles/7/"}, ContextMissing},
		"exact":                               {routed(tb), full, Request{Method: "GET", URI: "/exact/"}, Yes},
		"below exact":                         {routed(tb), full, Request{Method: "GET", URI: "/exact/x"}, ContextMissing},
		"an escaped letter is the letter":     {routed(tb), full, Request{Method: "GET", URI: "/%70ublic/%41"}, Yes},
		"unmatched allowed":                   {open, full, Request{Method: "GET", URI: "/admin"}, Yes},
		"unmatched allowed, no method":        {open, full, Request{URI: "/admin"}, Yes},
		"unmatched allowed, no path":          {open, full, Request{Method: "GET"}, ContextMissing},
		"unmatched allowed, hostile path":     {open, full, Request{Method: "GET", URI: "/a/../admin"}, ContextMissing},
		"unmatched allowed, slash is missing": {open, full, Request{Method: "GET", URI: "/public"}, ContextMissing},
		"to a proxy":                          {routed(tb), full, Request{Method: "GET", URI: "http://host/public/"}, ContextMissing},
		"of the whole server":                 {open, full, Request{Method: "OPTIONS", URI: "*"}, ContextMissing},
		"CONNECT":                             {routed(tb), full, Request{Method: "CONNECT", URI: "/public"}, ContextMissing},
		"disabled before path":                {routed(tb), func(r *store.Record) { r.Active = false }, Request{}, Disabled},
	}
}

func casesReadOnly(tb testing.TB) map[string]decideCase {
	get := func(uri string) Request { return Request{Method: "GET", URI: uri} }
	return map[string]decideCase{
		"GET":                          {scoped(), readOnly, Request{Method: "GET"}, Yes},
		"HEAD":                         {scoped(), readOnly, Request{Method: "HEAD"}, Yes},
		"OPTIONS":                      {scoped(), readOnly, Request{Method: "OPTIONS"}, Yes},
		"POST":                         {scoped(), readOnly, Request{Method: "POST"}, MethodNotAllowed},
		"QUERY":                        {scoped(), readOnly, Request{Method: "QUERY"}, MethodNotAllowed},
		"get":                          {scoped(), readOnly, Request{Method: "get"}, MethodNotAllowed},
		"two at once":                  {scoped(), readOnly, Request{Method: "GET, POST"}, MethodNotAllowed},
		"unknown":                      {scoped(), readOnly, Request{}, ContextMissing},
		"override":                     {scoped(), readOnly, Request{Method: "GET", Override: true}, MethodNotAllowed},
		"gate's scope reads":           {scoped("api::article.find"), readOnly, Request{Method: "GET"}, Yes},
		"gate's scope writes":          {scoped("api::article.find", "api::article.create"), readOnly, Request{Method: "GET"}, ScopeMissing},
		"scope is a verb":              {scoped("read"), readOnly, Request{Method: "GET"}, Yes},
		"verb behind a colon":          {scoped("mail:read"), readOnly, Request{Method: "GET"}, Yes},
		"verb behind a slash":          {scoped("mail/read"), readOnly, Request{Method: "GET"}, Yes},
		"verb behind another verb":     {scoped("mail.read.all"), readOnly, Request{Method: "GET"}, ScopeMissing},
		"route's scope reads":          {routed(tb), readOnly, get("/api/articles/7"), Yes},
		"scope that only ends like it": {routed(tb), readOnly, get("/api/unread"), ScopeMissing},
		"route without a scope":        {routed(tb), readOnly, get("/public/"), Yes},
		"route beside gate that reads": {routed(tb, func(g *Gate) { g.Scopes = []string{"x.get"} }), readOnly, get("/api/articles/7"), Yes},
		"and one that writes":          {routed(tb, func(g *Gate) { g.Scopes = []string{"x.put"} }), readOnly, get("/api/articles/7"), ScopeMissing},
		"no verbs":                     {routed(tb, func(g *Gate) { g.ReadVerbs = nil }), readOnly, get("/api/articles/7"), ScopeMissing},
		"method before path":           {routed(tb), readOnly, Request{Method: "POST", URI: "//"}, MethodNotAllowed},
		"no path":                      {routed(tb), readOnly, get(""), ContextMissing},
		"no route":                     {routed(tb), readOnly, get("/admin"), ContextMissing},
		"unmatched allowed":            {routed(tb, func(g *Gate) { g.Unmatched = Allow }), readOnly, get("/admin"), Yes},
		"unmatched allowed, gate's":    {routed(tb, func(g *Gate) { g.Unmatched, g.Scopes = Allow, []string{"x.put"} }), readOnly, get("/admin"), ScopeMissing},
		"its own scopes are nothing":   {scoped("mail.send"), typed(store.ReadOnly, "*"), Request{Method: "GET"}, ScopeMissing},
	}
}

func casesCustom(tb testing.TB) map[string]decideCase {
	custom := func(scopes ...string) func(*store.Record) { return typed(store.Custom, scopes...) }
	set := func(names ...string) func(*store.Record) {
		return func(r *store.Record) { r.Type, r.ScopeSets = store.Custom, names }
	}
	article := Request{Method: "GET", URI: "/api/articles/7"}
	create := Request{Method: "POST", URI: "/api/articles"}
	demanding := func(g *Gate) { g.Scopes = []string{"api::use"} }
	open := func(g *Gate) { g.Unmatched = Allow }
	return map[string]decideCase{
		"nothing is demanded":        {scoped(), custom("*"), Request{Method: "GET"}, ContextMissing},
		"the gate's":                 {scoped("a"), custom("a"), Request{}, Yes},
		"the gate's, both":           {scoped("a", "b"), custom("a", "b"), Request{}, Yes},
		"one of two":                 {scoped("a", "b"), custom("a"), Request{}, ScopeMissing},
		"the other of two":           {scoped("a", "b"), custom("b"), Request{}, ScopeMissing},
		"another one":                {scoped("a"), custom("ab"), Request{}, ScopeMissing},
		"other case":                 {scoped("a"), custom("A"), Request{}, ScopeMissing},
		"none":                       {scoped("a"), custom(), Request{}, ScopeMissing},
		"the route's":                {routed(tb), custom("api::article.findOne"), article, Yes},
		"a star":                     {routed(tb), custom("api::article.*"), article, Yes},
		"a star in the middle":       {routed(tb), custom("api::*One"), article, Yes},
		"a star elsewhere":           {routed(tb), custom("api::mail.*"), article, ScopeMissing},
		"another route's":            {routed(tb), custom("api::article.findOne"), create, ScopeMissing},
		"a set":                      {routed(tb), set("writers"), create, Yes},
		"a second set":               {routed(tb), set("none", "writers"), create, Yes},
		"a set without it":           {routed(tb), set("writers"), article, ScopeMissing},
		"an unknown set":             {routed(tb), set("api::article.create"), create, ScopeMissing},
		"a set and scopes together":  {routed(tb, func(g *Gate) { g.Scopes = []string{"api::use"} }), both(custom("api::use"), set("writers")), create, Yes},
		"gate and route":             {routed(tb, demanding), custom("api::use", "api::article.findOne"), article, Yes},
		"gate without route":         {routed(tb, demanding), custom("api::use"), article, ScopeMissing},
		"route without gate":         {routed(tb, demanding), custom("api::article.findOne"), article, ScopeMissing},
		"route demands nothing":      {routed(tb), custom("*"), Request{Method: "GET", URI: "/public/"}, ContextMissing},
		"but the gate does":          {routed(tb, demanding), custom("api::use"), Request{Method: "GET", URI: "/public/"}, Yes},
		"no method":                  {routed(tb), custom("*"), Request{URI: "/api/anything"}, ContextMissing},
		"method in doubt":            {routed(tb), custom("*"), Request{Method: "GET", URI: "/api/anything", Override: true}, ContextMissing},
		"no path":                    {routed(tb), custom("*"), Request{Method: "GET"}, ContextMissing},
		"no route":                   {routed(tb), custom("*"), Request{Method: "GET", URI: "/admin"}, ContextMissing},
		"unmatched allowed":          {routed(tb, open), custom("*"), Request{Method: "GET", URI: "/admin"}, ContextMissing},
		"unmatched allowed, gate's":  {routed(tb, open, demanding), custom("api::use"), Request{Method: "GET", URI: "/admin"}, Yes},
		"unmatched allowed, without": {routed(tb, open, demanding), custom("x"), Request{Method: "GET", URI: "/admin"}, ScopeMissing},
		// To many services that is a POST, whose route demands more.
		"method in small letters":           {routed(tb, open, demanding), custom("api::use"), Request{Method: "post", URI: "/api/articles"}, ContextMissing},
		"method in small letters, any":      {routed(tb), custom("*"), Request{Method: "Post", URI: "/api/anything"}, ContextMissing},
		"method in small letters, no route": {scoped("a"), custom("a"), Request{Method: "post", URI: "/api/articles"}, Yes},
	}
}

func casesAddresses(tb testing.TB) map[string]decideCase {
	at := func(address string) Request {
		return Request{Method: "POST", URI: "/public/", Client: netip.MustParseAddr(address)}
	}
	readHere := both(readOnly, from("192.0.2.0/24"))
	return map[string]decideCase{
		"within":                  {scoped(), from("192.0.2.0/24"), at("192.0.2.7"), Yes},
		"within the second":       {scoped(), from("198.51.100.1/32", "192.0.2.7/32"), at("192.0.2.7"), Yes},
		"outside":                 {scoped(), from("192.0.2.0/25"), at("192.0.2.200"), IPNotAllowed},
		"version 6":               {scoped(), from("2001:db8::/32"), at("2001:db8::7"), Yes},
		"version 6 outside":       {scoped(), from("2001:db8::/32"), at("2001:db9::7"), IPNotAllowed},
		"4 in 6":                  {scoped(), from("192.0.2.0/24"), at("::ffff:192.0.2.7"), Yes},
		"4 is not in all of 6":    {scoped(), from("::/0"), at("192.0.2.7"), IPNotAllowed},
		"unknown":                 {scoped(), from("0.0.0.0/0", "::/0"), Request{Method: "GET"}, ContextMissing},
		"unknown before method":   {scoped(), readHere, Request{Method: "POST"}, ContextMissing},
		"outside before method":   {scoped(), readHere, at("198.51.100.1"), IPNotAllowed},
		"outside before path":     {routed(tb), from("192.0.2.0/24"), Request{Client: netip.MustParseAddr("198.51.100.1")}, IPNotAllowed},
		"audience before unknown": {scoped(), both(from("::/0"), func(r *store.Record) { r.Audience = "x" }), Request{}, AudienceMismatch},
		"expired before outside":  {scoped(), both(from("::/0"), func(r *store.Record) { r.ExpiresAt = noon }), at("192.0.2.7"), Expired},
	}
}

// Every row of SPEC section 6 that is about a token with its secret.
func TestGateDecides(t *testing.T) {
	for group, cases := range map[string]map[string]decideCase{
		"untold": casesUntold(), "full-access": casesFullAccess(t), "read-only": casesReadOnly(t),
		"custom": casesCustom(t), "addresses": casesAddresses(t),
	} {
		for name, tt := range cases {
			rec := goodRecord(t)
			tt.change(&rec)
			if got := decide(&rec, store.Rule{}, parsed(t, goodToken), tt.gate, &tt.req, noon); got != tt.want {
				t.Errorf("%s: %s: %v, want %v", group, name, got, tt.want)
			}
			if got := decide(&rec, store.Rule{}, parsed(t, wrongSecret), tt.gate, &tt.req, noon); got != InvalidToken {
				t.Errorf("%s: %s, with a wrong secret: %v", group, name, got)
			}
		}
	}
}

// A token that needs nothing of the request costs no allocation, whatever the
// gate is told. One whose route has to be found costs those of a ServeMux.
func TestGateAllocations(t *testing.T) {
	index := &store.Index{}
	rec := goodRecord(t)
	index.Apply(&store.Batch{Put: []store.Record{rec}})
	register := &Register{Tokens: index}
	told := Request{Method: "GET", URI: "/api/articles/7", Client: here}
	for name, tt := range map[string]struct {
		gate *Gate
		most float64
	}{"scopes": {scoped("a"), 0}, "routes": {routed(t), 1}} {
		q := &Question{Text: goodToken, Gate: tt.gate, Request: told}
		if d := register.Ask(q, noon); d.Reason != Yes {
			t.Errorf("%s: %v", name, d.Reason)
		}
		if n := testing.AllocsPerRun(100, func() { released(register.Ask(q, noon)) }); n > tt.most+spared {
			t.Errorf("%s: %v allocations, want at most %v", name, n, tt.most)
		}
	}
}

// BenchmarkGate is the decision on a token in memory, by what the gate has to
// find out.
func BenchmarkGate(b *testing.B) {
	index := &store.Index{}
	tok, err := token.Parse(goodToken)
	if err != nil {
		b.Fatal(err)
	}
	rec := of("test", tok)
	both(typed(store.Custom, "api::article.*"), from("192.0.2.0/24"))(&rec)
	index.Apply(&store.Batch{Put: []store.Record{rec}})
	register := &Register{Tokens: index}
	for _, tt := range []struct {
		name string
		gate *Gate
		uri  string
		want Reason
	}{
		{"scope", scoped("api::article.find"), "/api/articles/7", Yes},
		{"route", routed(b), "/api/articles/7", Yes},
		{"no route", routed(b), "/admin", ContextMissing},
		{"other method", routed(b), "/api/articles", ContextMissing},
		{"hostile path", routed(b), "/api/../admin", ContextMissing},
	} {
		b.Run(tt.name, func(b *testing.B) {
			q := &Question{Text: goodToken, Gate: tt.gate, Request: Request{Method: "GET", URI: tt.uri, Client: here}}
			if d := register.Ask(q, noon); d.Reason != tt.want {
				b.Fatal(d.Reason)
			}
			b.ReportAllocs()
			for b.Loop() {
				released(register.Ask(q, noon))
			}
		})
	}
}

// BenchmarkTold is what it takes to read what a proxy says.
func BenchmarkTold(b *testing.B) {
	g := routed(b)
	r := httptest.NewRequest(http.MethodGet, "/verify", nil)
	r.RemoteAddr = proxyPeer
	for name, value := range map[string]string{
		"X-Original-Method": "GET", "X-Original-URI": "/api/articles/7", "X-Forwarded-For": "203.0.113.5, 192.0.2.7", "Authorization": "Bearer " + goodToken,
	} {
		r.Header.Set(name, value)
	}
	rules := rulesOf(*g)()
	b.ReportAllocs()
	for b.Loop() {
		s := saidBy(r, "")
		req, _ := g.told(s, "", rules.Trusted)
		if _, _, reason := g.credential(s, &req); reason != Yes {
			b.Fatal(reason)
		}
	}
}
