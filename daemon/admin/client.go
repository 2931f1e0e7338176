package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/tokendrop/tokendrop/store"
)

// maxErrorText bounds what is read as the text of an error.
const maxErrorText = 4 << 10

// Client asks a running daemon. Where the connection breaks while that changes
// something, the error is store.ErrUnknown.
type Client struct{ http *http.Client }

// NewClient makes a Client for the socket at that path. It waits for answers as
// long as the contexts last: what is asked for may have to wait itself.
func NewClient(socket string) *Client {
	return &Client{&http.Client{
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
func (c *Client) Tokens(ctx context.Context, f TokenFilter) iter.Seq2[Token, error] {
	return lines[Token](ctx, c, tokensPath+f.query())
}

// Token implements Service.
func (c *Client) Token(ctx context.Context, called string) (t Token, err error) {
	err = c.get(ctx, tokenPath+query(map[string]string{calledQuery: called}), &t)
	return t, err
}

// Reveal implements Service.
func (c *Client) Reveal(ctx context.Context, called string) (r Revealed, err error) {
	err = c.get(ctx, revealPath+query(map[string]string{calledQuery: called}), &r)
	return r, err
}

// History implements Service.
func (c *Client) History(ctx context.Context, f EntryFilter) iter.Seq2[Entry, error] {
	return lines[Entry](ctx, c, historyPath+f.query())
}

// Status implements Service.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	err = c.get(ctx, statusPath, &s)
	return s, err
}

// Verify implements Service.
func (c *Client) Verify(ctx context.Context, q Question) (v Verdict, err error) {
	err = c.post(ctx, verifyPath, q, &v)
	return v, err
}

// Plan implements Service.
func (c *Client) Plan(ctx context.Context, manifests []Manifest) (plans []Plan, err error) {
	err = c.post(ctx, planPath, manifests, &plans)
	return plans, err
}

// Apply implements Service.
func (c *Client) Apply(ctx context.Context, manifests []Manifest) (applied []Applied, err error) {
	err = c.change(ctx, applyPath, manifests, &applied)
	return applied, err
}

// Look implements Service.
func (c *Client) Look(ctx context.Context, w Wanted) (looked Looked, err error) {
	err = c.change(ctx, lookPath, w, &looked)
	return looked, err
}

// Progress implements Service.
func (c *Client) Progress(ctx context.Context) (p Progress, err error) {
	err = c.get(ctx, aheadPath, &p)
	return p, err
}

// Prune implements Service.
func (c *Client) Prune(ctx context.Context, dir string) (p Pruned, err error) {
	err = c.change(ctx, prunePath, Place{Dir: dir}, &p)
	return p, err
}

func (c *Client) get(ctx context.Context, path string, into any) error {
	return c.do(ctx, http.MethodGet, path, nil, into)
}

func (c *Client) post(ctx context.Context, path string, asked, into any) error {
	body, err := json.Marshal(asked)
	if err != nil {
		return fmt.Errorf("asking the daemon: %w", err)
	}
	return c.do(ctx, http.MethodPost, path, bytes.NewReader(body), into)
}

// change is post for what changes something.
func (c *Client) change(ctx context.Context, path string, asked, into any) error {
	return orUnknown(c.post(ctx, path, asked, into))
}

func (c *Client) do(ctx context.Context, method, path string, body io.Reader, into any) error {
	answer, err := c.ask(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer answer.Close() // nothing was written
	return decode(answer, into)
}

func decode(answer io.Reader, into any) error {
	if err := json.NewDecoder(answer).Decode(into); err != nil {
		return fmt.Errorf("reading the daemon's answer: %w", &broken{err})
	}
	return nil
}

// broken is what kept a question that was begun from its answer, so that who
// asked does not know what came of it.
type broken struct{ error }

func (b *broken) Unwrap() error { return b.error }

// orUnknown makes store.ErrUnknown of what broke.
func orUnknown(err error) error {
	if _, ok := errors.AsType[*broken](err); ok {
		return fmt.Errorf("%w: %w", store.ErrUnknown, err)
	}
	return err
}

// ask returns the body of a good answer.
func (c *Client) ask(ctx context.Context, method, path string, body io.Reader) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://tokendrop"+path, body)
	if err != nil {
		return nil, fmt.Errorf("asking the daemon: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the daemon: %w", unanswered(err))
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close() // nothing was written
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorText))
		return nil, refused(strings.TrimSpace(string(text)))
	}
	return resp.Body, nil
}

// unanswered tells why there is no answer, without the URL, which says nothing.
func unanswered(err error) error {
	if of, ok := errors.AsType[*url.Error](err); ok {
		err = of.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return err // nobody was asked
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("it has hung up before it answered")
	}
	return &broken{err}
}

// refused makes an error of the daemon's text, the one that a Local returns.
func refused(text string) error {
	switch {
	case text == ErrNoToken.Error():
		return ErrNoToken
	case strings.Contains(text, store.ErrUnknown.Error()):
		return fmt.Errorf("asking the daemon: %w", &broken{errors.New("it does not know itself, and starts anew")})
	}
	return errors.New(text)
}

// lines yields what an answer holds, a line an element.
func lines[T any](ctx context.Context, c *Client, path string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		answer, err := c.ask(ctx, http.MethodGet, path, nil)
		if err != nil {
			yield(none, err)
			return
		}
		defer answer.Close() // nothing was written
		for d := json.NewDecoder(answer); ; {
			var one T
			err := d.Decode(&one)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(none, fmt.Errorf("reading the daemon's answer: %w", err))
				return
			}
			if !yield(one, nil) {
				return
			}
		}
	}
}
