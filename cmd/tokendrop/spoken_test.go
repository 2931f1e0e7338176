package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// spoken stands in for a proxy: it says to the gate what that proxy says, and
// does with the answer what the proxy does, with the example's configuration.
type spoken struct {
	question func(*http.Request) string // in bytes
	yes      func(status int) bool
	claims   func(name string) bool // headers of the client that go no further
	identity []string               // headers of the answer that the service gets
}

// speak starts the stand-in.
func (s *site) speak(p spoken) {
	s.t.Helper()
	l, err := net.Listen("tcp", s.front)
	if err != nil {
		s.t.Fatal(err)
	}
	app := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: s.app})
		r.Out.URL.RawQuery = r.In.URL.RawQuery
	}}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		maps.DeleteFunc(r.Header, func(name string, _ []string) bool { return p.claims(name) })
		answer, err := s.askGate(p.question(r))
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		defer answer.Body.Close()
		if !p.yes(answer.StatusCode) {
			maps.Copy(w.Header(), answer.Header)
			w.WriteHeader(answer.StatusCode)
			_, _ = io.Copy(w, answer.Body)
			return
		}
		for _, name := range p.identity {
			r.Header[http.CanonicalHeaderKey(name)] = answer.Header.Values(name)
		}
		app.ServeHTTP(w, r)
	}))
	server.Listener.Close()
	server.Listener = l
	server.Start()
	s.t.Cleanup(server.Close)
}

// askGate sends a request as it stands there.
func (s *site) askGate(text string) (*http.Response, error) {
	dialer := net.Dialer{Timeout: patience}
	conn, err := dialer.Dial("tcp", s.gate)
	if err != nil {
		return nil, err
	}
	s.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, text); err != nil {
		return nil, err
	}
	return http.ReadResponse(bufio.NewReader(conn), nil)
}

// Traefik copies the request's headers, but for those of the connection, to a
// GET of the address, and adds what it knows itself. Every 2xx is a yes; the
// listed headers of the answer replace the client's.
// https://doc.traefik.io/traefik/reference/routing-configuration/http/middlewares/forwardauth/
func TestTraefik(t *testing.T) {
	s := newSite(t, "traefik")
	text := s.example("traefik/tokendrop.yaml")
	claims := underKey(t, text, "customRequestHeaders")
	address, err := url.Parse(valueOf(t, text, "address"))
	if err != nil {
		t.Fatal(err)
	}
	s.speak(spoken{
		question: func(r *http.Request) string {
			header := r.Header.Clone()
			for _, name := range []string{"Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length"} {
				header.Del(name)
			}
			ip, _, _ := net.SplitHostPort(r.RemoteAddr)
			header.Set("X-Forwarded-For", ip)
			header.Set("X-Forwarded-Method", r.Method)
			header.Set("X-Forwarded-Proto", "http")
			header.Set("X-Forwarded-Host", r.Host)
			header.Set("X-Forwarded-Uri", r.URL.RequestURI())
			header.Set("Accept-Encoding", "gzip")
			var text strings.Builder
			fmt.Fprintf(&text, "GET %s HTTP/1.1\r\nHost: %s\r\n", address.Path, address.Host)
			_ = header.Write(&text)
			return text.String() + "\r\n"
		},
		yes: func(status int) bool { return status/100 == 2 },
		claims: func(name string) bool {
			return slices.ContainsFunc(claims, func(c string) bool { return strings.EqualFold(c, name) })
		},
		identity: underKey(t, text, "authResponseHeaders"),
	})
	s.check(spokenChecks)
}

// Envoy repeats the request line with the prefix in front of the path, Host,
// Authorization, and what else is listed; a header that comes twice is joined by
// a comma. Until 1.27 its own address is added to X-Forwarded-For. Only 200 is a
// yes.
// https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/ext_authz/v3/ext_authz.proto
func TestEnvoy(t *testing.T) {
	for version, own := range map[string]string{"1.27": ",127.0.0.1", "1.28": ""} {
		t.Run(version, func(t *testing.T) {
			s := newSite(t, "envoy")
			text := s.example("envoy/envoy.yaml")
			prefix, removed := valueOf(t, text, "path_prefix"), underKey(t, text, "request_headers_to_remove")
			passed := append(underKey(t, text, "allowed_headers"), "authorization")
			s.speak(spoken{
				question: func(r *http.Request) string {
					ip, _, _ := net.SplitHostPort(r.RemoteAddr)
					r.Header.Add("X-Forwarded-For", ip) // use_remote_address
					told := http.Header{}
					for _, name := range passed {
						if values := r.Header.Values(name); len(values) > 0 {
							told.Set(name, strings.Join(values, ","))
						}
					}
					if forwarded := strings.TrimPrefix(told.Get("X-Forwarded-For")+own, ","); forwarded != "" {
						told.Set("X-Forwarded-For", forwarded)
					}
					lines := []string{r.Method + " " + prefix + r.URL.RequestURI() + " HTTP/1.1", "host: " + r.Host, "content-length: 0"}
					for name := range told {
						lines = append(lines, strings.ToLower(name)+": "+told.Get(name))
					}
					lines = append(lines, "x-envoy-internal: true", "x-envoy-expected-rq-timeout-ms: 2000")
					return strings.Join(lines, "\r\n") + "\r\n\r\n"
				},
				yes: func(status int) bool { return status == http.StatusOK },
				claims: func(name string) bool {
					return strings.Contains(name, "_") || slices.Contains(removed, strings.ToLower(name))
				},
				identity: underKey(t, text, "allowed_upstream_headers"),
			})
			s.check(spokenChecks)
		})
	}
}

// underKey are the names of headers that YAML has under a key: in a list, in one
// of patterns, or as keys.
func underKey(t *testing.T, text, key string) (names []string) {
	t.Helper()
	block := regexp.MustCompile(`(?m)^( *)` + key + `:\n((?:\n?.)*)`).FindStringSubmatch(text)
	if block == nil {
		t.Fatalf("there is no %s", key)
	}
	name := regexp.MustCompile(`^ +(?:- (?:exact: )?([\w-]+)|([\w-]+): "")$`)
	for line := range strings.Lines(block[2]) {
		line = strings.TrimSuffix(line, "\n")
		if !strings.HasPrefix(line, block[1]+" ") {
			break
		}
		if m := name.FindStringSubmatch(line); m != nil {
			names = append(names, m[1]+m[2])
		}
	}
	return names
}

// valueOf is the value of a key in YAML.
func valueOf(t *testing.T, text, key string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^ *` + key + `: (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("there is no %s", key)
	}
	return m[1]
}
