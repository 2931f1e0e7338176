package verify

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// Invariant 10: answers that are made at the same time, and one after the
// other, have nothing of each other.
func TestAnswersStayApart(t *testing.T) {
	const tokens, rounds = 20, 50
	var records []store.Record
	var texts []string
	for i := range tokens {
		tok := made(t, token.Formats{})
		rec := of("name"+strconv.Itoa(i), tok)
		for j := range i % 4 {
			rec.Labels = append(rec.Labels, store.Label{Key: strconv.Itoa(j), Value: strconv.Itoa(i)})
			rec.Scopes = append(rec.Scopes, fmt.Sprintf("scope%d.%d", i, j))
		}
		records, texts = append(records, rec), append(texts, tok.Reveal())
	}
	h := testHandler(t, records...)
	var clients sync.WaitGroup
	for start := range 4 {
		clients.Go(func() {
			for n := range rounds * tokens {
				i := (start*7 + n) % tokens
				res := ask(h, "/verify", http.Header{"X-Api-Key": {texts[i]}})
				body, _ := io.ReadAll(res.Body)
				var labels []string
				for _, l := range records[i].Labels {
					labels = append(labels, l.Key+"="+l.Value)
				}
				if res.Header.Get("X-Token-Name") != records[i].Name.Name ||
					res.Header.Get("X-Token-Key") != records[i].Key().String() ||
					res.Header.Get("X-Token-Scopes") != strings.Join(records[i].Scopes, ",") ||
					res.Header.Get("X-Token-Labels") != strings.Join(labels, ",") {
					t.Errorf("token %d is answered with %v %s", i, res.Header, body)
					return
				}
			}
		})
	}
	clients.Wait()
}
