package verify

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store"
)

// serve serves as the daemon does, on this machine.
func serve(t *testing.T, h http.Handler) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, h, l)
	return l.Addr().String()
}

// serveOn serves until the test ends.
func serveOn(t *testing.T, h http.Handler, l net.Listener) *Server {
	t.Helper()
	s, done := NewServer(h, quiet()), make(chan error)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("the server has ended: %v", err)
		}
	})
	return s
}

// send writes to a new connection and reads one answer: its status, and its
// reason if it has one.
func send(t *testing.T, address, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, text) // a server that has seen enough may have closed
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("X-Token-Reason")))
}

// What a proxy, or a client through it, can write: a read-only token at a gate
// behind nginx.
func TestRawRequestsOfAProxy(t *testing.T) {
	rec := goodRecord(t)
	rec.Type = store.ReadOnly
	address := serve(t, gateHandler(t, rec, routed(t, func(g *Gate) { g.Name = DefaultName })))
	const (
		line   = "GET /verify HTTP/1.1\r\nHost: x\r\n"
		auth   = "Authorization: Bearer " + goodToken + "\r\n"
		method = "X-Original-Method: GET\r\n"
		uri    = "X-Original-URI: /api/articles/7\r\n"
		good   = line + auth + method + uri
		end    = "\r\n"
	)
	for name, tt := range map[string]struct{ text, want string }{
		"good":                             {good + end, "200"},
		"names in any case":                {line + auth + "x-original-method: GET\r\nX-ORIGINAL-URI: /public/\r\n" + end, "200"},
		"spaces around":                    {line + auth + method + "X-Original-URI: \t /public/ \t\r\n" + end, "200"},
		"two Authorization lines":          {good + auth + end, "401 malformed_request"},
		"two, one empty":                   {good + "authorization:\r\n" + end, "401 malformed_request"},
		"two methods":                      {good + "X-ORIGINAL-METHOD: GET\r\n" + end, "401 malformed_request"},
		"two URIs":                         {good + "x-original-uri: /public/\r\n" + end, "401 malformed_request"},
		"a list of methods":                {line + auth + uri + "X-Original-Method: GET, DELETE\r\n" + end, "403 method_not_allowed"},
		"underscores":                      {line + auth + method + "X_Original_URI: /public/\r\n" + end, "403 context_missing"},
		"underscores beside":               {good + "X_Original_URI: /admin\r\nX_Original_Method: DELETE\r\n" + end, "200"},
		"space before the colon":           {line + auth + method + "X-Original-URI : /public/\r\n" + end, "400"},
		"name behind a space":              {line + auth + method + " X-Original-URI: /public/\r\n" + end, "403 method_not_allowed"},
		"folded into the line above":       {line + auth + "X: y\r\n " + method + uri + end, "403 context_missing"},
		"a token folded into another line": {line + "X: y\r\n\t" + auth + method + uri + end, "401 missing_token"},
		"folded URI":                       {line + auth + method + "X-Original-URI: /public/\r\n x\r\n" + end, "403 context_missing"},
		"folded token":                     {line + method + uri + "Authorization: Bearer " + goodToken[:20] + "\r\n " + goodToken[20:] + "\r\n" + end, "401 invalid_token"},
		"folded first line":                {"GET /verify HTTP/1.1\r\n " + auth + method + uri + end, "400"},
		"bare LF ends a line":              {strings.ReplaceAll(good+end, "\r\n", "\n"), "200"},
		"bare LF smuggles no second one":   {good + "X: y\nX-Original-Method: DELETE\r\n" + end, "401 malformed_request"},
		"bare CR":                          {line + auth + method + "X-Original-URI: /public/\rX: y\r\n" + end, "400"},
		"NUL in a value":                   {line + auth + method + "X-Original-URI: /public/\x00\r\n" + end, "400"},
		"NUL in a name":                    {good + "X\x00: y\r\n" + end, "400"},
		"escape in a value":                {line + auth + method + "X-Original-URI: /public/\x1b[0m\r\n" + end, "400"},
		"bytes beyond ASCII":               {line + auth + method + "X-Original-URI: /public/\xff\r\n" + end, "403 context_missing"},
		"transfer encoding":                {good + "Transfer-Encoding: chunked\r\n" + end + "0\r\n\r\n", "401 malformed_request"},
		"length and transfer encoding":     {good + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" + end + "0\r\n\r\n", "401 malformed_request"},
		"unknown transfer encoding":        {good + "Transfer-Encoding: gzip\r\n" + end, "401 malformed_request"},
		"two transfer encodings":           {good + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n" + end, "401 malformed_request"},
		"two lengths":                      {good + "Content-Length: 5\r\nContent-Length: 6\r\n" + end + "hello", "400"},
		"length that is none":              {good + "Content-Length: +5\r\n" + end + "hello", "400"},
		"two hosts":                        {good + "Host: y\r\n" + end, "400"},
		"no host":                          {"GET /verify HTTP/1.1\r\n" + auth + method + uri + end, "400"},
		"HTTP/1.0 without a host":          {"GET /verify HTTP/1.0\r\n" + auth + method + uri + end, "200"},
		"HTTP/0.9":                         {"GET /verify\r\n", "400"},
		"no HTTP":                          {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"},
		"a body that nobody reads":         {good + "Content-Length: 1000000\r\n" + end, "200"},
		"16 KiB of headers":                {good + "X: " + strings.Repeat("a", 16<<10) + "\r\n" + end, "200"},
		"16 KiB of URI":                    {line + auth + method + "X-Original-URI: /public/" + strings.Repeat("a", 16<<10) + "\r\n" + end, "200"},
		"16 KiB of addresses":              {good + strings.Repeat("X-Forwarded-For: "+strings.Repeat("127.0.0.1,", 50)+"127.0.0.1\r\n", 32) + end, "200"},
		"33 KiB of headers":                {good + "X: " + strings.Repeat("a", 33<<10) + "\r\n" + end, "431"},
		"absolute form":                    {"GET http://x/verify HTTP/1.1\r\nHost: x\r\n" + auth + method + uri + end, "200"},
		"absolute form, other path":        {"GET http://verify/x HTTP/1.1\r\nHost: x\r\n" + auth + method + uri + end, "404"},
		"CONNECT":                          {"CONNECT /verify HTTP/1.1\r\nHost: x\r\n" + auth + method + uri + end, "200"},
	} {
		if got := send(t, address, tt.text); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// A server takes the encoding of HTTP/1.0 for none, so that what follows could
// be a request that its proxy took for a body (RFC 9112, section 6.1).
func TestOneRequestAConnectionOfHTTP10(t *testing.T) {
	address := serve(t, testHandler(t, goodRecord(t)))
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const second = "GET /verify HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + goodToken + "\r\n\r\n"
	_, _ = io.WriteString(conn, "GET /verify HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"+second)
	if answers, _ := io.ReadAll(conn); strings.Count(string(answers), "HTTP/1.") != 1 {
		t.Errorf("answered with %q", answers)
	}
}

// Clients that never finish their headers hold a connection each, and nobody
// up.
func TestSlowHeadersHoldNobodyUp(t *testing.T) {
	const slow = 500
	address := serve(t, testHandler(t, goodRecord(t)))
	for i := range slow {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "GET /verify HTTP/1.1\r\nHost: x\r\nX-Slow-%d: ", i); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan string, 1)
	go func() {
		client := &http.Client{Transport: &http.Transport{}}
		defer client.CloseIdleConnections()
		for range 100 {
			req, err := http.NewRequest(http.MethodGet, "http://"+address+"/verify", nil)
			if err != nil {
				done <- err.Error()
				return
			}
			req.Header.Set("X-API-Key", goodToken)
			resp, err := client.Do(req)
			if err != nil {
				done <- err.Error()
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			if resp.Body.Close(); resp.StatusCode != http.StatusOK {
				done <- resp.Status
				return
			}
		}
		done <- ""
	}()
	select {
	case problem := <-done:
		if problem != "" {
			t.Error(problem)
		}
	case <-time.After(time.Minute):
		t.Error("good clients wait for slow ones")
	}
}
