package verify

import (
	"encoding/json"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// identity is what a yes tells. It is written by hand, because the general ways
// take longer than all of the decision.
type identity struct {
	key    token.Key // the presented one
	rec    *store.Record
	scopes []string // sets expanded
}

// identityHeaders are the names of all headers of an identity, as net/http
// spells them.
var identityHeaders = [...]string{
	"X-Token-Key", "X-Token-User", "X-Token-Name", "X-Token-Type",
	"X-Token-Scopes", "X-Token-Audience", "X-Token-Expires", "X-Token-Labels",
}

// span is where the value of a header begins and ends.
type span struct{ begin, end int }

// set sets all of the headers. Their values are cut from one text.
func (y *identity) set(header http.Header) {
	lines, spans := y.lines(nil)
	text := string(lines)
	values := new([len(identityHeaders)]string)
	for i, s := range spans {
		values[i] = text[s.begin:s.end]
		header[identityHeaders[i]] = values[i : i+1 : i+1]
	}
}

// lines appends all of the headers, and tells where their values are.
func (y *identity) lines(text []byte) (all []byte, spans [len(identityHeaders)]span) {
	for i, name := range identityHeaders {
		text = append(append(text, name...), ": "...)
		spans[i].begin = len(text)
		text = y.value(text, i)
		spans[i].end = len(text)
		text = append(text, lineEnd...)
	}
	return text, spans
}

// value appends the value of a header. There is nothing in it that could end it.
func (y *identity) value(text []byte, header int) []byte {
	switch identityHeaders[header] {
	case "X-Token-Key":
		return y.key.Append(text)
	case "X-Token-User":
		return append(text, store.Escape(y.rec.User)...)
	case "X-Token-Name":
		return append(text, store.Escape(y.rec.Name.Name)...)
	case "X-Token-Type":
		return append(text, y.rec.Type.String()...)
	case "X-Token-Scopes":
		for i, s := range y.scopes {
			text = append(comma(text, i), store.Escape(s)...)
		}
	case "X-Token-Audience":
		return append(text, store.Escape(y.rec.Audience)...)
	case "X-Token-Expires":
		if !y.rec.ExpiresAt.IsZero() {
			return y.rec.ExpiresAt.AppendFormat(text, time.RFC3339Nano)
		}
	case "X-Token-Labels":
		for i, l := range y.rec.Labels {
			text = append(comma(text, i), store.Escape(l.Key)...)
			text = append(append(text, '='), store.Escape(l.Value)...)
		}
	}
	return text
}

// json appends the body of a yes.
func (y *identity) json(text []byte) []byte {
	text = y.key.Append(append(text, `{"active":true,"key":"`...))
	text = appendJSON(append(text, `","user":`...), y.rec.User)
	text = appendJSON(append(text, `,"name":`...), y.rec.Name.Name)
	text = appendJSON(append(text, `,"type":`...), y.rec.Type.String())
	text = append(text, `,"scopes":[`...)
	for i, s := range y.scopes {
		text = appendJSON(comma(text, i), s)
	}
	text = appendJSON(append(text, `],"audience":`...), y.rec.Audience)
	text = append(text, `,"expires":`...)
	if y.rec.ExpiresAt.IsZero() {
		text = append(text, `null`...)
	} else {
		text = append(y.rec.ExpiresAt.AppendFormat(append(text, '"'), time.RFC3339Nano), '"')
	}
	text = append(text, `,"labels":{`...)
	for i, l := range y.rec.Labels {
		text = append(appendJSON(comma(text, i), l.Key), ':')
		text = appendJSON(text, l.Value)
	}
	return append(text, "}}\n"...)
}

// comma goes before all but the first of a list.
func comma(text []byte, i int) []byte {
	if i == 0 {
		return text
	}
	return append(text, ',')
}

// appendJSON appends a string as encoding/json writes it.
func appendJSON(text []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // a string cannot fail
			return append(text, quoted...)
		}
	}
	return append(append(append(text, '"'), s...), '"')
}
