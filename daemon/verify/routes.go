package verify

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Route is a pattern of net/http.ServeMux without a host, and the scope that is
// demanded where it matches; none if it is empty.
type Route struct{ Match, Scope string }

// Routes find out which Route a request takes. They match as a ServeMux does,
// and never redirect or repair.
type Routes struct {
	list []Route
	mux  *http.ServeMux
}

// RouteError says which of the routes is wrong, counted from 0, and which Other
// one it is in conflict with, or -1.
type RouteError struct {
	Index, Other int
	Err          error
}

// Error implements error.
func (e *RouteError) Error() string { return fmt.Sprintf("route %d: %v", e.Index+1, e.Err) }

// Unwrap returns what is wrong.
func (e *RouteError) Unwrap() error { return e.Err }

var (
	errPattern  = errors.New(`want a path or a method and a path, as in "GET /api/articles/{id}" or "/static/"`)
	errMethod   = errors.New(`want the method in capitals, as clients send it: "GET" and not "get"; without one it is about all`)
	errPath     = errors.New("matches nothing: paths with //, dot segments, ;, a backslash or an encoded slash are refused whatever the routes say, and a query is not looked at")
	errHost     = errors.New("want no host before the path: the gate is not told the original one")
	errConflict = errors.New("matches some of the same requests as another route, and neither is more specific: make one of them narrower")
)

// List is what the routes were made from.
func (r *Routes) List() []Route { return slices.Clone(r.list) }

// NewRoutes makes the routes of a gate that demands these scopes of every
// request. Its error is a *RouteError.
func NewRoutes(list []Route, scopes []string) (*Routes, error) {
	r := &Routes{list: list, mux: http.NewServeMux()}
	for i, route := range list {
		demanded := slices.Clone(scopes)
		if route.Scope != "" {
			demanded = append(demanded, route.Scope)
		}
		if err := checkPattern(route.Match); err != nil {
			return nil, &RouteError{i, -1, err}
		}
		if !registers(r.mux, route.Match, taken{demanded, oneRoute}) {
			return nil, &RouteError{i, conflicting(list[:i], route), errConflict}
		}
	}
	// What nothing else matches: a ServeMux would look for other methods and
	// write an answer, which costs more than to match. Beside a route for all
	// paths there is nothing left for it.
	registers(r.mux, "/", taken{nil, noRoute})
	return r, nil
}

// checkPattern tells whether a ServeMux can use a pattern, and we can too.
func checkPattern(pattern string) error {
	method := strings.IndexAny(pattern, " \t") + 1 // none: a path alone
	path := strings.TrimLeft(pattern[method:], " \t")
	switch {
	case !registers(http.NewServeMux(), pattern, taken{}):
		return errPattern
	case !strings.HasPrefix(path, "/"):
		return errHost
	case method > 0 && (!isPlainMethod(pattern[:method-1]) || pattern[0] == '*'):
		return errMethod
	}
	if _, ok := plainPath(path); !ok || strings.Contains(path, "?") {
		return errPath
	}
	return nil
}

// conflicting finds a route that cannot be beside another one.
func conflicting(routes []Route, with Route) int {
	return slices.IndexFunc(routes, func(r Route) bool {
		mux := http.NewServeMux()
		return registers(mux, r.Match, taken{}) && !registers(mux, with.Match, taken{})
	})
}

// registers tells whether a ServeMux takes a pattern: it panics at what it cannot
// use.
func registers(mux *http.ServeMux, pattern string, t taken) (ok bool) {
	defer func() { ok = recover() == nil }()
	mux.Handle(pattern, t)
	return true
}

// taken is what the ServeMux keeps of a route. It never serves.
type taken struct {
	scopes []string
	found  found
}

// ServeHTTP makes it an http.Handler.
func (taken) ServeHTTP(http.ResponseWriter, *http.Request) {}

// found says what came of looking for a route.
type found uint8

const (
	noRoute found = iota
	oneRoute
	// redirected: the ServeMux would send the client to a path with one more
	// slash.
	redirected
)

// asked are spare requests to match: a ServeMux takes no less than that.
var asked = sync.Pool{New: func() any { return &http.Request{URL: new(url.URL)} }}

// find looks for the route of a path that is plain. An unknown method is that
// of no pattern which names one.
func (r *Routes) find(method, path string) (demanded []string, f found) {
	req, _ := asked.Get().(*http.Request) // nothing else is in there
	req.Method, req.URL.Path = method, path
	handler, _ := r.mux.Handler(req)
	req.Method, req.URL.Path = "", ""
	asked.Put(req)
	if t, ok := handler.(taken); ok {
		return t.scopes, t.found
	}
	return nil, redirected
}
