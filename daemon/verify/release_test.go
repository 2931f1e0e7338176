package verify

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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

// The same while tokens are replaced, deleted and created anew, and their rows
// are moved: each answer is of one token, in one of its states.
func TestAnswersStayApartWhileTokensChange(t *testing.T) {
	const tokens, rounds = 400, 60
	state := func(i, generation int, tok token.Token) store.Record {
		rec := of(strings.Repeat("n", 100)+strconv.Itoa(i), tok)
		own := fmt.Sprintf("%d.%d", i, generation)
		rec.User, rec.Description = "u"+strconv.Itoa(i), strings.Repeat("d", 50*(generation%5))
		for j := range (i + generation) % 5 {
			rec.Scopes = append(rec.Scopes, own)
			rec.Labels = append(rec.Labels, store.Label{Key: strconv.Itoa(j), Value: own})
		}
		rec.Labels = append(rec.Labels, store.Label{Key: "state", Value: own})
		return rec
	}
	var presented []token.Token
	var records []store.Record
	for i := range tokens {
		presented = append(presented, made(t, token.Formats{}))
		records = append(records, state(i, 0, presented[i]))
	}
	index := &store.Index{}
	index.Apply(&store.Batch{Put: records})
	h := testHandler(t)
	h.Tokens = index
	var done atomic.Bool
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for !done.Load() {
				i := rand.IntN(tokens)
				res := ask(h, "/verify", http.Header{"X-Api-Key": {presented[i].Reveal()}})
				if problem := mixed(res, records[i].Name.Name, "u"+strconv.Itoa(i), presented[i].Key.String(), strconv.Itoa(i)); problem != "" {
					t.Errorf("token %d: %s in %v", i, problem, res.Header)
					return
				}
			}
		})
	}
	for round := range rounds {
		var b store.Batch
		for i := range tokens {
			switch {
			case (i+round)%7 == 0:
				b.Delete = append(b.Delete, state(i, round, presented[i]).Name)
			case (i+round)%3 != 0:
				b.Put = append(b.Put, state(i, round, presented[i]))
			}
		}
		index.Apply(&b)
	}
	done.Store(true)
	clients.Wait()
}

// mixed says what in an answer is not of the token with that name, user, key and
// number.
func mixed(res *http.Response, name, user, key, number string) string {
	body, _ := io.ReadAll(res.Body)
	if res.Header.Get("X-Token-Reason") == "invalid_token" && !strings.Contains(string(body), user) {
		return ""
	}
	header := res.Header
	if res.StatusCode != http.StatusOK || header.Get("X-Token-Name") != name || header.Get("X-Token-User") != user || header.Get("X-Token-Key") != key {
		return "another token"
	}
	var said struct {
		Key, User, Name string
		Scopes          []string
		Labels          map[string]string
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return err.Error()
	}
	own := said.Labels["state"]
	if said.Name != name || said.User != user || said.Key != key || !strings.HasPrefix(own, number+".") {
		return "another token in the body"
	}
	if header.Get("X-Token-Scopes") != strings.Join(said.Scopes, ",") || strings.Count(header.Get("X-Token-Labels"), own) != len(said.Labels) {
		return "headers and body that differ"
	}
	for _, s := range said.Scopes {
		if s != own {
			return "another state's scopes"
		}
	}
	for _, v := range said.Labels {
		if v != own {
			return "another state's labels"
		}
	}
	return ""
}
