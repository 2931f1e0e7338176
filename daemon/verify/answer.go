package verify

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// identity is the body of a yes.
type identity struct {
	Active   bool              `json:"active"`
	Key      token.Key         `json:"key"`
	User     string            `json:"user"`
	Name     string            `json:"name"`
	Type     string            `json:"type"`
	Scopes   []string          `json:"scopes"`
	Audience string            `json:"audience"`
	Expires  *time.Time        `json:"expires"`
	Labels   map[string]string `json:"labels"`
}

// refusal is the body of a no.
type refusal struct {
	Active  bool   `json:"active"`
	Error   string `json:"error"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// accept answers yes to the token with the presented key, which has the scopes.
func accept(w http.ResponseWriter, presented token.Key, rec *store.Record, all []string) {
	body := identity{
		Active: true, Key: presented, User: rec.User, Name: rec.Name.Name, Type: rec.Type.String(),
		Scopes: all, Audience: rec.Audience, Labels: make(map[string]string, len(rec.Labels)),
	}
	if body.Scopes == nil {
		body.Scopes = []string{}
	}
	expires := ""
	if !rec.ExpiresAt.IsZero() {
		body.Expires = &rec.ExpiresAt
		expires = rec.ExpiresAt.Format(time.RFC3339Nano)
	}
	labels := make([]string, len(rec.Labels))
	for i, l := range rec.Labels {
		body.Labels[l.Key] = l.Value
		labels[i] = store.Escape(l.Key) + "=" + store.Escape(l.Value)
	}
	scopes := make([]string, len(all))
	for i, s := range all {
		scopes[i] = store.Escape(s)
	}
	header := w.Header()
	header.Set("X-Token-Key", presented.String())
	header.Set("X-Token-User", store.Escape(rec.User))
	header.Set("X-Token-Name", store.Escape(rec.Name.Name))
	header.Set("X-Token-Type", rec.Type.String())
	header.Set("X-Token-Scopes", strings.Join(scopes, ","))
	header.Set("X-Token-Audience", store.Escape(rec.Audience))
	header.Set("X-Token-Expires", expires)
	header.Set("X-Token-Labels", strings.Join(labels, ","))
	writeJSON(w, http.StatusOK, body)
}

// refuse answers no.
func refuse(w http.ResponseWriter, reason Reason) {
	a := &answers[reason]
	header := w.Header()
	header.Set("X-Token-Reason", a.reason)
	if a.status == http.StatusUnauthorized || a.status == http.StatusForbidden {
		header.Set("WWW-Authenticate", challenge(reason))
	}
	writeJSON(w, a.status, refusal{Error: a.error, Reason: a.reason, Message: a.message})
}

// challenge is the WWW-Authenticate of a refusal. It has no error code where
// the client sent no token (RFC 6750, section 3.1).
func challenge(reason Reason) string {
	const realm = `Bearer realm="tokendrop"`
	if reason == MissingToken {
		return realm
	}
	a := &answers[reason]
	return realm + `, error="` + a.error + `", error_description="` + a.message + `"`
}

func notFound(w http.ResponseWriter, message string) {
	writeJSON(w, http.StatusNotFound, refusal{Error: "not_found", Reason: "not_found", Message: message})
}

// writeJSON answers with a body that no cache may keep.
func writeJSON(w http.ResponseWriter, status int, body any) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Type", "application/json")
	text, err := json.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"active":false,"error":"internal"}`)
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client may be gone: nobody to tell
}
