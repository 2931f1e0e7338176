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
// spells them, in the order of values.
var identityHeaders = [...]string{
	"X-Token-Key", "X-Token-User", "X-Token-Name", "X-Token-Type",
	"X-Token-Scopes", "X-Token-Audience", "X-Token-Expires", "X-Token-Labels",
}

// headers sets all of them, and returns the memory that it has used. The values
// are cut from one text.
func (y *identity) headers(header http.Header, memory []byte) []byte {
	memory, ends := y.values(memory)
	text := string(memory)
	values := new([len(identityHeaders)]string)
	begin := 0
	for i, end := range ends {
		values[i] = text[begin:end]
		header[identityHeaders[i]] = values[i : i+1 : i+1]
		begin = end
	}
	return memory
}

// values appends the values of identityHeaders, and tells where each ends.
func (y *identity) values(text []byte) (all []byte, ends [len(identityHeaders)]int) {
	text = y.key.Append(text)
	ends[0] = len(text)
	text = append(text, store.Escape(y.rec.User)...)
	ends[1] = len(text)
	text = append(text, store.Escape(y.rec.Name.Name)...)
	ends[2] = len(text)
	text = append(text, y.rec.Type.String()...)
	ends[3] = len(text)
	for i, s := range y.scopes {
		text = append(comma(text, i), store.Escape(s)...)
	}
	ends[4] = len(text)
	text = append(text, store.Escape(y.rec.Audience)...)
	ends[5] = len(text)
	if !y.rec.ExpiresAt.IsZero() {
		text = y.rec.ExpiresAt.AppendFormat(text, time.RFC3339Nano)
	}
	ends[6] = len(text)
	for i, l := range y.rec.Labels {
		text = append(comma(text, i), store.Escape(l.Key)...)
		text = append(append(text, '='), store.Escape(l.Value)...)
	}
	ends[7] = len(text)
	return text, ends
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
	return append(text, `}}`...)
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
