package verify

import (
	"encoding/json"
	"net/http"
)

// What every answer has. net/http changes no values of headers.
var (
	noStore         = []string{"no-store"}
	applicationJSON = []string{"application/json"}
)

// accept answers yes.
func accept(w http.ResponseWriter, yes *identity) {
	yes.set(w.Header())
	write(w, http.StatusOK, yes.json(nil))
}

// refusal is the body of a no.
type refusal struct {
	Active  bool   `json:"active"`
	Error   string `json:"error"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// no is a refusal as it is sent.
type no struct {
	status            int
	reason, challenge []string // nil: that header is not there
	body              []byte
	line              string // of the status, without the protocol
	rest              []byte // the headers of this answer, and the body
}

// nos are the refusals for all reasons, and the status of a yes.
var nos = func() (all [Reasons]no) {
	all[Yes].line = statusLine(http.StatusOK)
	for reason := NotReady; reason < Reasons; reason++ {
		a := &answers[reason]
		n := no{status: a.status, reason: []string{a.reason}, line: statusLine(a.status)}
		n.rest = append(n.rest, "X-Token-Reason: "+a.reason+lineEnd...)
		if a.status == http.StatusUnauthorized || a.status == http.StatusForbidden {
			n.challenge = []string{challenge(reason)}
			n.rest = append(n.rest, "WWW-Authenticate: "+n.challenge[0]+lineEnd...)
		}
		_, n.body = marshal(a.status, refusal{Error: a.error, Reason: a.reason, Message: a.message})
		n.rest = appendBody(n.rest, n.body)
		all[reason] = n
	}
	return all
}()

// refuse answers no.
func refuse(w http.ResponseWriter, reason Reason) {
	n := &nos[reason]
	header := w.Header()
	header["X-Token-Reason"] = n.reason
	if n.challenge != nil {
		header["Www-Authenticate"] = n.challenge
	}
	write(w, n.status, n.body)
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

// writeJSON answers with a body.
func writeJSON(w http.ResponseWriter, status int, body any) {
	status, text := marshal(status, body)
	write(w, status, text)
}

// marshal is a body as it is sent with a status.
func marshal(status int, body any) (answered int, text []byte) {
	text, err := json.Marshal(body)
	if err != nil {
		return http.StatusInternalServerError, []byte(`{"active":false,"error":"internal"}` + "\n")
	}
	return status, append(text, '\n')
}

// write answers with a body that no cache may keep.
func write(w http.ResponseWriter, status int, body []byte) {
	header := w.Header()
	header["Cache-Control"], header["Content-Type"] = noStore, applicationJSON
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone: nobody to tell
}
