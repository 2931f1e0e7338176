package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The socket speaks HTTP with JSON bodies. It is an inner seam, not a public
// interface: the command line and the daemon are one binary.
const (
	tokensPath  = "/tokens"
	tokenPath   = "/token"
	revealPath  = "/reveal"
	historyPath = "/history"
	verifyPath  = "/verify"
	planPath    = "/plan"

	// calledQuery says which token is meant.
	calledQuery = "called"

	// maxQuestion bounds what is read as a question to a gate, as JSON.
	maxQuestion = 256 << 10
	// maxErrorText bounds what is read as the text of an error.
	maxErrorText = 4 << 10
	// maxManifests bounds what is read as manifests to plan, as JSON.
	maxManifests = 256 << 20
	// clientTimeout bounds a whole exchange; a list of a million tokens takes
	// seconds.
	clientTimeout = time.Minute
)

// Timeouts of the socket's server. Who can open the socket is trusted, so they
// only keep a forgotten connection from staying for ever.
const (
	requestTimeout = 10 * time.Second
	idleTimeout    = time.Minute
)

// NewServer serves a Service to Clients.
func NewServer(s Service) *http.Server {
	return &http.Server{
		Handler:           handler(s),
		ReadTimeout:       requestTimeout,
		ReadHeaderTimeout: requestTimeout,
		WriteTimeout:      clientTimeout,
		IdleTimeout:       idleTimeout,
	}
}

func handler(s Service) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+tokensPath, func(w http.ResponseWriter, r *http.Request) {
		answer(w, func() (any, error) { return s.Tokens(r.Context()) })
	})
	mux.HandleFunc("GET "+tokenPath, func(w http.ResponseWriter, r *http.Request) {
		answer(w, func() (any, error) { return s.Token(r.Context(), r.URL.Query().Get(calledQuery)) })
	})
	mux.HandleFunc("GET "+revealPath, func(w http.ResponseWriter, r *http.Request) {
		answer(w, func() (any, error) { return s.Reveal(r.Context(), r.URL.Query().Get(calledQuery)) })
	})
	mux.HandleFunc("GET "+historyPath, func(w http.ResponseWriter, r *http.Request) {
		answer(w, func() (any, error) { return s.History(r.Context()) })
	})
	mux.HandleFunc("POST "+verifyPath, func(w http.ResponseWriter, r *http.Request) {
		answer(w, func() (any, error) {
			var q Question
			if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion)).Decode(&q); err != nil {
				return nil, fmt.Errorf("reading the question: %w", err)
			}
			return s.Verify(r.Context(), q)
		})
	})
	mux.HandleFunc("POST "+planPath, func(w http.ResponseWriter, r *http.Request) {
		answer(w, func() (any, error) {
			var manifests []Manifest
			if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxManifests)).Decode(&manifests); err != nil {
				return nil, fmt.Errorf("reading the manifests: %w", err)
			}
			return s.Plan(r.Context(), manifests)
		})
	})
	return mux
}

func answer(w http.ResponseWriter, ask func() (any, error)) {
	result, err := ask()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	text, err := json.Marshal(result)
	if err != nil {
		http.Error(w, "encoding the answer: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // the client may be gone: nobody to tell
}

// Client asks a running daemon.
type Client struct{ http *http.Client }

// NewClient makes a Client for the socket at that path.
func NewClient(socket string) *Client {
	return &Client{&http.Client{
		Timeout: clientTimeout,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "unix", socket)
			},
		},
	}}
}

// Tokens implements Service.
func (c *Client) Tokens(ctx context.Context) (tokens []Token, err error) {
	err = c.do(ctx, http.MethodGet, tokensPath, nil, &tokens)
	return tokens, err
}

// Token implements Service.
func (c *Client) Token(ctx context.Context, called string) (t Token, err error) {
	err = c.do(ctx, http.MethodGet, tokenPath+query(called), nil, &t)
	return t, err
}

// Reveal implements Service.
func (c *Client) Reveal(ctx context.Context, called string) (r Revealed, err error) {
	err = c.do(ctx, http.MethodGet, revealPath+query(called), nil, &r)
	return r, err
}

func query(called string) string { return "?" + url.Values{calledQuery: {called}}.Encode() }

// History implements Service.
func (c *Client) History(ctx context.Context) (entries []Entry, err error) {
	err = c.do(ctx, http.MethodGet, historyPath, nil, &entries)
	return entries, err
}

// Verify implements Service.
func (c *Client) Verify(ctx context.Context, q Question) (v Verdict, err error) {
	body, err := json.Marshal(q)
	if err != nil {
		return v, fmt.Errorf("asking the daemon: %w", err)
	}
	err = c.do(ctx, http.MethodPost, verifyPath, bytes.NewReader(body), &v)
	return v, err
}

// Plan implements Service.
func (c *Client) Plan(ctx context.Context, manifests []Manifest) (plans []Plan, err error) {
	body, err := json.Marshal(manifests)
	if err != nil {
		return nil, fmt.Errorf("asking the daemon: %w", err)
	}
	err = c.do(ctx, http.MethodPost, planPath, bytes.NewReader(body), &plans)
	return plans, err
}

func (c *Client) do(ctx context.Context, method, path string, body io.Reader, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://tokendrop"+path, body)
	if err != nil {
		return fmt.Errorf("asking the daemon: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("asking the daemon: %w", err)
	}
	defer resp.Body.Close() // nothing was written
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorText))
		return fmt.Errorf("asking the daemon: %w", errors.New(strings.TrimSpace(string(text))))
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("reading the daemon's answer: %w", err)
	}
	return nil
}
