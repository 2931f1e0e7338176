package admin

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"time"
)

// The paths of the socket.
const (
	tokensPath  = "/tokens"
	tokenPath   = "/token"
	revealPath  = "/reveal"
	historyPath = "/history"
	verifyPath  = "/verify"
	planPath    = "/plan"
	applyPath   = "/apply"
	lookPath    = "/look"
	aheadPath   = "/progress"
	prunePath   = "/prune"
	statusPath  = "/status"

	// calledQuery says which token is meant.
	calledQuery = "called"

	// maxQuestion bounds what is read as a question, as JSON.
	maxQuestion = 256 << 10
	// maxManifests bounds what is read as manifests, as JSON.
	maxManifests = 256 << 20
)

// Timeouts of the socket's server. Who can open the socket is trusted, so they
// only keep a forgotten connection from staying for ever. What is waited for
// takes as long as it takes.
const (
	requestTimeout = 10 * time.Second
	idleTimeout    = time.Minute
	// writeTimeout bounds how long a client takes to read a part of an answer.
	writeTimeout = time.Minute
)

// Content types of answers.
const (
	jsonType   = "application/json"
	ndjsonType = "application/x-ndjson" // one JSON text a line
)

// NewServer serves a Service to Clients. What it restores is received into files of
// the spool.
func NewServer(s Service, spool Spool) *http.Server {
	return &http.Server{
		Handler:           handler(s, spool),
		ReadTimeout:       requestTimeout,
		ReadHeaderTimeout: requestTimeout,
		IdleTimeout:       idleTimeout,
		ConnContext:       withPeer,
	}
}

func handler(s Service, spool Spool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+tokensPath, func(w http.ResponseWriter, r *http.Request) {
		f, err := tokenFilter(r.URL.Query())
		stream(w, s.Tokens(r.Context(), f), err)
	})
	mux.HandleFunc("GET "+historyPath, func(w http.ResponseWriter, r *http.Request) {
		f, err := entryFilter(r.URL.Query())
		stream(w, s.History(r.Context(), f), err)
	})
	mux.HandleFunc("GET "+tokenPath, func(w http.ResponseWriter, r *http.Request) {
		t, err := s.Token(r.Context(), r.URL.Query().Get(calledQuery))
		answer(w, t, err)
	})
	mux.HandleFunc("GET "+revealPath, func(w http.ResponseWriter, r *http.Request) {
		revealed, err := s.Reveal(r.Context(), r.URL.Query().Get(calledQuery))
		answer(w, revealed, err)
	})
	mux.HandleFunc("GET "+statusPath, func(w http.ResponseWriter, r *http.Request) {
		status, err := s.Status(r.Context())
		answer(w, status, err)
	})
	mux.HandleFunc("GET "+aheadPath, func(w http.ResponseWriter, r *http.Request) {
		progress, err := s.Progress(r.Context())
		answer(w, progress, err)
	})
	handleJSON(mux, verifyPath, maxQuestion, func(r *http.Request, q Question) (any, error) { return s.Verify(r.Context(), q) })
	handleJSON(mux, planPath, maxManifests, func(r *http.Request, m []Manifest) (any, error) { return s.Plan(r.Context(), m) })
	handleJSON(mux, applyPath, maxManifests, func(r *http.Request, m []Manifest) (any, error) { return s.Apply(r.Context(), m) })
	handleJSON(mux, lookPath, maxManifests, func(r *http.Request, w Wanted) (any, error) { return s.Look(r.Context(), w) })
	handleJSON(mux, prunePath, maxQuestion, func(r *http.Request, at Place) (any, error) { return s.Prune(r.Context(), at.Dir) })
	handleVault(mux, s, spool)
	return mux
}

// handleJSON answers a POST of one JSON text of limited size.
func handleJSON[T any](mux *http.ServeMux, path string, limit int64, do func(*http.Request, T) (any, error)) {
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		var asked T
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit))
		d.DisallowUnknownFields()
		if err := d.Decode(&asked); err != nil {
			http.Error(w, "reading the request: "+err.Error(), http.StatusBadRequest)
			return
		}
		result, err := do(r, asked)
		answer(w, result, err)
	})
}

func answer(w http.ResponseWriter, result any, err error) {
	if err != nil {
		status := http.StatusInternalServerError
		if errors.Is(err, ErrNoToken) {
			status = http.StatusNotFound
		}
		http.Error(w, err.Error(), status)
		return
	}
	text, err := json.Marshal(result)
	if err != nil {
		http.Error(w, "encoding the answer: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", jsonType)
	_ = inTime(w)
	_, _ = w.Write(text) // the client may be gone: nobody to tell
}

// inTime gives the client so long to read what is written next.
func inTime(w http.ResponseWriter) error {
	return http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
}

// streamPart is how many bytes of a list are written at once.
const streamPart = 64 << 10

// stream answers with a list, a line an element. What fails after the first of
// them cuts the answer off, so that nobody takes a part for the whole.
func stream[T any](w http.ResponseWriter, list iter.Seq2[T, error], err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out := &parts{to: w, kind: ndjsonType}
	b := bufio.NewWriterSize(out, streamPart)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	for one, err := range list {
		if err == nil {
			err = e.Encode(one)
		}
		switch {
		case err == nil:
		case out.begun:
			panic(http.ErrAbortHandler) //nolint:forbidigo // the documented way to cut an answer off
		default:
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	w.Header().Set("Content-Type", ndjsonType)
	_ = b.Flush() // the client may be gone: nobody to tell
}

// parts writes a long answer part by part.
type parts struct {
	to    http.ResponseWriter
	kind  string // the answer's content type
	begun bool
}

func (p *parts) Write(b []byte) (int, error) {
	if !p.begun {
		p.begun = true
		p.to.Header().Set("Content-Type", p.kind)
	}
	if err := inTime(p.to); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, fmt.Errorf("answering in time: %w", err)
	}
	return p.to.Write(b)
}
