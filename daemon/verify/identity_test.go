package verify

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// likeJSON is the body of a yes as encoding/json writes it.
func likeJSON(t *testing.T, y identity) string {
	t.Helper()
	body := struct {
		Active   bool              `json:"active"`
		Key      token.Key         `json:"key"`
		User     string            `json:"user"`
		Name     string            `json:"name"`
		Type     string            `json:"type"`
		Scopes   []string          `json:"scopes"`
		Audience string            `json:"audience"`
		Expires  *time.Time        `json:"expires"`
		Labels   map[string]string `json:"labels"`
	}{
		true, y.key, y.rec.User, y.rec.Name.Name, y.rec.Type.String(),
		append([]string{}, y.scopes...), y.rec.Audience, nil,
		map[string]string{},
	}
	if !y.rec.ExpiresAt.IsZero() {
		body.Expires = &y.rec.ExpiresAt
	}
	for _, l := range y.rec.Labels {
		body.Labels[l.Key] = l.Value
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

// likeLists are the headers of a yes, list by list.
func likeLists(y identity) http.Header {
	escaped := func(texts []string) string {
		list := make([]string, len(texts))
		for i, s := range texts {
			list[i] = store.Escape(s)
		}
		return strings.Join(list, ",")
	}
	labels := make([]string, len(y.rec.Labels))
	for i, l := range y.rec.Labels {
		labels[i] = store.Escape(l.Key) + "=" + store.Escape(l.Value)
	}
	expires := ""
	if !y.rec.ExpiresAt.IsZero() {
		expires = y.rec.ExpiresAt.Format(time.RFC3339Nano)
	}
	return http.Header{
		"X-Token-Key": {y.key.String()}, "X-Token-User": {store.Escape(y.rec.User)}, "X-Token-Name": {store.Escape(y.rec.Name.Name)},
		"X-Token-Type": {y.rec.Type.String()}, "X-Token-Scopes": {escaped(y.scopes)}, "X-Token-Audience": {store.Escape(y.rec.Audience)},
		"X-Token-Expires": {expires}, "X-Token-Labels": {strings.Join(labels, ",")},
	}
}

// FuzzIdentity: a yes tells what encoding/json and a join of lists would tell,
// whatever a token is called.
func FuzzIdentity(f *testing.F) {
	f.Add("user", "name", "", "", "", "", int64(0), uint8(1))
	f.Add("a,b=c%d é\n", "\"<\\>&\x7f", "api::article.find", "b c", "team", "x=y", int64(1790000000123), uint8(2))
	f.Add("\xff\u2028", "\x00\t", "s,t", "s%2Ct", "k=", "\xc3", int64(4102444799999), uint8(3))
	f.Fuzz(func(t *testing.T, user, name, one, other, label, value string, expires int64, kind uint8) {
		rec := store.Record{Name: store.Name{User: user, Name: name}, Type: store.Type(kind), Audience: value}
		if expires > 0 {
			rec.ExpiresAt = time.UnixMilli(expires % 1e14).UTC()
		}
		y := identity{token.Key{1, 2, 3, 255}, &rec, nil}
		if one != "" {
			y.scopes = []string{one, other}
		}
		if label != "" && strings.ToValidUTF8(label, "") == label { // as manifests have to be
			rec.Labels = []store.Label{{Key: label, Value: value}, {Key: label + "2", Value: name}}
		}
		if got, want := string(y.json(nil)), likeJSON(t, y); got != want {
			t.Errorf("body\n%s, want\n%s", got, want)
		}
		header, want := http.Header{}, likeLists(y)
		y.set(header)
		for name, values := range want {
			if !slices.Equal(header[name], values) {
				t.Errorf("%s = %q, want %q", name, header[name], values)
			}
		}
		if len(header) != len(want) {
			t.Errorf("%d headers, want %d", len(header), len(want))
		}
	})
}
