package verify

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tokendrop/tokendrop/store"
)

// hostile are paths that different programs understand differently.
var hostile = []string{
	"", "api", "*", "http://host/public/x", "//host/public/x", "/public//x", "//", "/public/x//",
	"/public/../admin", "/public/..", "/public/.", "/./public/x", "/..", "/.", "/public/.../../x",
	"/public/%2e%2e/admin", "/public/%2E%2e", "/public/.%2e/admin", "/%2e/public/x", "/public/%2e",
	"/public/..%2fadmin", "/public/x%2Fy", "/public%2fx", "/public/..%5cadmin", "/public/x%5Cy", `/public/x\y`, `\public\x`,
	"/public/x%00", "/public/%00/x", "/public/x%0d%0aX:y", "/public/x%7f", "/public/\tx", "/public/x%0a",
	"/public/x;y=z", "/public;/x", "/public/..;/admin", "/public/x%3by", "/public/x;",
	"/public/%", "/public/%2", "/public/%zz", "/public/%u002e", "/public/%-1", "/public/x%%32f",
	"/public/%c0%ae%c0%ae/admin", "/public/%ff", "/public/\xff", "/public/%e0%80%af",
	"/public/x#y", "/public/x y", "/public/x HTTP/1.1", "/public/#/../admin",
	"/public" + strings.Repeat("/..", 5000), "/public/" + strings.Repeat("%2e%2e/", 3000),
}

// Invariant 9: no token of any type, at no gate that has routes.
func TestHostilePaths(t *testing.T) {
	gates := []*Gate{routed(t), routed(t, func(g *Gate) { g.Unmatched, g.Scopes = Allow, []string{"x.read"} })}
	for _, uri := range hostile {
		for _, typ := range []store.Type{store.FullAccess, store.ReadOnly, store.Custom} {
			for _, g := range gates {
				rec := goodRecord(t)
				rec.Type, rec.Scopes = typ, []string{"*"}
				for _, uri := range []string{uri, uri + "?a=b"} {
					got := decide(&rec, store.Rule{}, parsed(t, goodToken), g, &Request{Method: "GET", URI: uri}, noon)
					if got != ContextMissing {
						t.Errorf("%.40q as %v, unmatched %v: %v", uri, typ, g.Unmatched, got)
					}
				}
			}
		}
	}
}

// What only looks odd is a path like any other.
func TestPlainPaths(t *testing.T) {
	for raw, want := range map[string]string{
		"/": "/", "/a": "/a", "/a/": "/a/", "/a/.b": "/a/.b", "/a/b..": "/a/b..", "/a/...": "/a/...", "/a/..b/c": "/a/..b/c",
		"/a%20b": "/a b", "/%C3%A9": "/é", "/é": "/é", "/a%25b": "/a%b", "/a%252e": "/a%2e", "/a+b": "/a+b", "/a:b@c=d&e": "/a:b@c=d&e",
		"/a|b[c]^": "/a|b[c]^", "/%7Euser": "/~user", "/{x}": "/{x}", "/a%23b": "/a#b", "/a%3Fb": "/a?b",
		"/" + strings.Repeat("a", 20_000): "/" + strings.Repeat("a", 20_000),
	} {
		if got, ok := plainPath(raw); !ok || got != want {
			t.Errorf("%.40q: %.40q, %v", raw, got, ok)
		}
	}
}

// FuzzPlainPath: an accepted path means the same whether or not a program
// decodes it, cleans it or cuts it, and nothing is redirected.
func FuzzPlainPath(f *testing.F) {
	for _, uri := range hostile {
		f.Add(uri)
	}
	f.Add("/api/articles/%41%20b")
	routes, err := NewRoutes([]Route{{"/", ""}, {"GET /api/{id}", "a"}, {"/public/", "b"}}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		plain, ok := plainPath(raw)
		if !ok {
			return
		}
		if plain[0] != '/' || strings.ContainsAny(plain, "\x00\\;\r\n\x7f") || strings.Contains(plain, "//") || !utf8.ValidString(plain) {
			t.Fatalf("accepted %q", raw)
		}
		if clean := path.Clean(plain); clean != strings.TrimSuffix(plain, "/") && clean != plain {
			t.Fatalf("%q is cleaned to %q", plain, clean)
		}
		if strings.ContainsAny(raw, "?") {
			return // which ends the path before it comes here
		}
		u, err := url.ParseRequestURI(raw)
		if err != nil || u.Path != plain || u.RawQuery != "" {
			t.Fatalf("net/url reads %q as %v, %v", raw, u, err)
		}
		if _, found := routes.find("GET", plain); found != oneRoute && found != redirected {
			t.Fatalf("%q takes no route", plain)
		}
	})
}

// A query is read as it was sent.
func TestParameter(t *testing.T) {
	for query, want := range map[string]string{
		"session=x": "x", "a=b&session=x": "x", "session=x%3D": "x=", "session=x==": "x==", "session=a+b/c": "a+b/c", "s%65ssion=x": "x",
		"session": "", "session=": "", "&&session=x&": "x", "session=x;a=b": "x;a=b", "session=x?y": "x?y",
	} {
		if got, ok := parameter(query, "session"); !ok || len(got) != 1 || got[0] != want {
			t.Errorf("%q: %q, %v", query, got, ok)
		}
	}
	for _, query := range []string{"", "a=b", "Session=x", "sessions=x", "=session", "a=session=x"} {
		if got, ok := parameter(query, "session"); !ok || len(got) != 0 {
			t.Errorf("%q: %q, %v", query, got, ok)
		}
	}
	if got, ok := parameter("session=x&session=x", "session"); !ok || len(got) != 2 {
		t.Errorf("twice: %q, %v", got, ok)
	}
	for _, query := range []string{"session=%", "session=%zz", "%=a&session=x", "session=x&%zz=b"} {
		if got, ok := parameter(query, "session"); ok {
			t.Errorf("%q: %q", query, got)
		}
	}
}

// FuzzRoutes: where a gate says that a path takes a route, a ServeMux that is
// asked for what the client sent serves that route, without a redirect.
func FuzzRoutes(f *testing.F) {
	list := []Route{{"GET /api/articles/{id}", "a"}, {"/public/", "b"}, {"POST /x/{y}", "c"}, {"/exact/{$}", "d"}, {"/all/{rest...}", "e"}, {"/all", "f"}}
	gate := DefaultGate("fuzz")
	routes, err := NewRoutes(list, nil)
	if err != nil {
		f.Fatal(err)
	}
	gate.Proxy, gate.Routes = Nginx, routes
	served := ""
	mux := http.NewServeMux()
	for _, r := range list {
		mux.HandleFunc(r.Match, func(http.ResponseWriter, *http.Request) { served = r.Scope })
	}
	for _, uri := range hostile {
		f.Add("GET", uri)
	}
	for _, uri := range []string{"/api/articles/%41%20b?x#", "/public/?a=b", "/exact/", "/all/a/b/", "/all", "/all/", "/x/y"} {
		f.Add("POST", uri)
		f.Add("HEAD", uri)
	}
	f.Fuzz(func(t *testing.T, method, uri string) {
		demanded, reason := gate.demands(&Request{Method: method, URI: uri})
		if reason != Yes {
			return
		}
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + uri + " HTTP/1.1\r\nHost: x\r\n\r\n")))
		if err != nil {
			return // which no server takes
		}
		served, r.Method = "", method
		w := httptest.NewRecorder()
		if mux.ServeHTTP(w, r); len(demanded) != 1 || served != demanded[0] {
			t.Errorf("%s %q demands %q, and is served by %q with %d", method, uri, demanded, served, w.Code)
		}
	})
}
