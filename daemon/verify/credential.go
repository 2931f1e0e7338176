package verify

import (
	"net/http"
	"strings"
)

// credential takes the text of the token out of a request. It does not look
// at what the text is.
func credential(r *http.Request) (text string, reason Reason) {
	authorization, apiKey := r.Header["Authorization"], r.Header["X-Api-Key"]
	if len(authorization)+len(apiKey) > 1 || len(r.TransferEncoding) > 0 {
		return "", MalformedRequest
	}
	reason = MissingToken
	switch {
	case len(apiKey) == 1:
		text, reason = apiKey[0], Yes
	case len(authorization) == 1:
		text, reason = fromAuthorization(authorization[0])
	}
	if text == "" && reason == Yes {
		reason = MissingToken
	}
	return text, reason
}

// fromAuthorization reads "SCHEME TOKEN" (RFC 9110, section 11.4). A scheme
// that is none of ours says nothing to us.
func fromAuthorization(value string) (string, Reason) {
	scheme, rest, _ := strings.Cut(value, " ")
	switch {
	case strings.EqualFold(scheme, "bearer"), strings.EqualFold(scheme, "apitoken"):
		return strings.TrimLeft(rest, " "), Yes
	case strings.EqualFold(scheme, "basic"):
		return "", PasswordRefused
	}
	return "", MissingToken
}
