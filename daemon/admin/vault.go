package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/dump"
	"github.com/tokendrop/tokendrop/store/token"
)

// Vault makes backups and restores them, for a Local.
type Vault interface {
	Backup(ctx context.Context, to io.Writer) error
	// Restore is that of a Service. If its error is store.ErrUnknown the store
	// cannot be used any more.
	Restore(ctx context.Context, from *os.File, order Restoring, author string) (Restored, error)
	// Spool is what NewServer takes.
	Spool() (*os.File, io.Writer, error)
}

// Spool makes a file for a backup that is received, which nobody else can open and
// which is gone when it is closed. It is written through the Writer.
type Spool func() (*os.File, io.Writer, error)

// Backup implements Service.
func (l *Local) Backup(ctx context.Context, to io.Writer) error { return l.Vault.Backup(ctx, to) }

// Restore implements Service.
func (l *Local) Restore(ctx context.Context, from *os.File, order Restoring) (Restored, error) {
	restored, err := l.Vault.Restore(ctx, from, order, l.author(ctx))
	if errors.Is(err, store.ErrUnknown) && l.Broken != nil {
		l.Broken(err)
	}
	return restored, err
}

// Restoring says what is to come back of a backup.
type Restoring struct {
	Rehearse bool // only tell what would happen
	// Exactly: revocations, blocks, serial numbers and used names that the backup
	// has not go.
	Exactly bool
	// Users and Keys name the tokens that are to come back alone; all if both are
	// empty.
	Users []string
	Keys  []token.Key
}

// Restored is what a restore does.
type Restored struct {
	Time    time.Time `json:"time"`    // when the backup was made
	Entries uint64    `json:"entries"` // of the ledger, up to then
	Sum     string    `json:"sha256"`  // the backup's checksum

	Revive   Group  `json:"revive"`   // tokens, or secrets of theirs, that are good again
	Add      Group  `json:"add"`      // tokens that the store never had
	Change   Group  `json:"change"`   // tokens that are otherwise different
	Drop     Group  `json:"drop"`     // tokens that the backup has not
	Withheld Group  `json:"withheld"` // tokens that stay away, or a credential of theirs
	Lift     Group  `json:"lift"`     // keys that are not revoked any more, and users not blocked
	Same     uint64 `json:"same"`     // tokens that stay as they are

	// Needed is what it takes of the disk that the store is on, and Free what there
	// was, in bytes; 0 if it takes nothing.
	Needed uint64 `json:"needed"`
	Free   uint64 `json:"free"`

	Done   bool   `json:"done"`   // it was no rehearsal
	Before string `json:"before"` // where the store lies that was there; empty if none does
}

// Group is some tokens, keys or users, and the first of them by name.
type Group struct {
	Count uint64      `json:"count"`
	First []GroupItem `json:"first"`
}

// GroupItem is one of a Group. What it does not have is empty, or null.
type GroupItem struct {
	User string     `json:"user"`
	Name string     `json:"name"`
	Key  *token.Key `json:"key"`
	Why  string     `json:"why"`
}

const (
	backupPath  = "/backup"
	restorePath = "/restore"

	// dumpType is the content type of a backup.
	dumpType = "application/vnd.tokendrop.dump"
	// partTimeout bounds how long the client takes to send a part of a backup.
	partTimeout = time.Minute
)

// The keys of the query of restorePath.
const (
	rehearseQuery = "rehearse"
	exactlyQuery  = "exactly"
	userQuery     = "user"
	keyQuery      = "key"
)

func handleVault(mux *http.ServeMux, v Service, spool Spool) {
	mux.HandleFunc("GET "+backupPath, func(w http.ResponseWriter, r *http.Request) {
		out := &parts{to: w, kind: dumpType}
		switch err := v.Backup(r.Context(), out); {
		case err != nil && out.begun:
			panic(http.ErrAbortHandler) //nolint:forbidigo // the documented way to cut an answer off
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("POST "+restorePath, func(w http.ResponseWriter, r *http.Request) {
		restored, err := receive(v, spool, w, r)
		answer(w, restored, err)
	})
}

// receive takes a backup in whole before anything is made of it.
func receive(v Service, spool Spool, w http.ResponseWriter, r *http.Request) (Restored, error) {
	order, err := orderOf(r.URL.Query())
	if err != nil {
		return Restored{}, err
	}
	f, to, err := spool()
	if err != nil {
		return Restored{}, fmt.Errorf("making a file for the backup: %w", err)
	}
	defer func() { _ = f.Close() }() // it has no name any more
	control := http.NewResponseController(w)
	if err := copyParts(to, r.Body, func() error { return control.SetReadDeadline(time.Now().Add(partTimeout)) }); err != nil {
		return Restored{}, fmt.Errorf("receiving the backup: %w", err)
	}
	_ = control.SetReadDeadline(time.Time{}) // net/http reads on, to notice a client that is gone
	return v.Restore(r.Context(), f, order)
}

func copyParts(to io.Writer, from io.Reader, next func() error) error {
	for {
		if err := next(); err != nil {
			return err
		}
		if _, err := io.CopyN(to, from, 1<<20); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (o *Restoring) query() string {
	q := url.Values{rehearseQuery: {strconv.FormatBool(o.Rehearse)}, exactlyQuery: {strconv.FormatBool(o.Exactly)}, userQuery: o.Users}
	for _, key := range o.Keys {
		q.Add(keyQuery, key.String())
	}
	return "?" + q.Encode()
}

func orderOf(q url.Values) (o Restoring, err error) {
	o.Rehearse, o.Exactly, o.Users = q.Get(rehearseQuery) == "true", q.Get(exactlyQuery) == "true", q[userQuery]
	for _, text := range q[keyQuery] {
		key, err := token.ParseKey(text)
		if err != nil {
			return o, fmt.Errorf("reading the order: %w", err)
		}
		o.Keys = append(o.Keys, key)
	}
	return o, nil
}

// Backup implements Service. It has read all of the backup, and found it whole,
// when it returns without an error.
func (c *Client) Backup(ctx context.Context, to io.Writer) error {
	answer, err := c.ask(ctx, http.MethodGet, backupPath, nil)
	if err != nil {
		return err
	}
	defer answer.Close() // nothing was written
	if _, err := dump.Check(io.TeeReader(answer, to)); err != nil {
		return fmt.Errorf("reading the daemon's answer: %w", err)
	}
	return nil
}

// Restore implements Service.
func (c *Client) Restore(ctx context.Context, from *os.File, order Restoring) (restored Restored, err error) {
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return restored, err
	}
	err = c.do(ctx, http.MethodPost, restorePath+order.query(), io.NopCloser(from), &restored)
	if order.Rehearse {
		return restored, err
	}
	return restored, orUnknown(err)
}
