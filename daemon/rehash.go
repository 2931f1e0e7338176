package daemon

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

const (
	// maxProofs bounds what waits, and what one commit changes.
	maxProofs = 512
	// rehashPause is how long proofs are collected after a commit.
	rehashPause = time.Second
)

// rehasher brings credentials into the form in which they are kept today, once
// they have been used. What it has no room for, or what fails, is tried at the
// next use.
type rehasher struct {
	applier *provision.Applier
	log     zerolog.Logger
	proofs  chan provision.Proof
}

func newRehasher(applier *provision.Applier, log zerolog.Logger) *rehasher {
	return &rehasher{applier, log, make(chan provision.Proof, maxProofs)}
}

// offer takes a proof without waiting.
func (r *rehasher) offer(credential token.Key, digest token.Digest) {
	select {
	case r.proofs <- provision.Proof{Credential: credential, Digest: digest}:
	default:
	}
}

// run works until ctx ends. It fails if it is not known what was stored.
func (r *rehasher) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case first := <-r.proofs:
			if err := r.rehash(context.WithoutCancel(ctx), r.waiting(first)); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(rehashPause):
		}
	}
}

// flush stores what waits.
func (r *rehasher) flush(ctx context.Context) error {
	select {
	case first := <-r.proofs:
		return r.rehash(ctx, r.waiting(first))
	default:
		return nil
	}
}

// waiting is a proof with all others that wait, each credential's once.
func (r *rehasher) waiting(first provision.Proof) []provision.Proof {
	list := []provision.Proof{first}
	seen := map[token.Key]bool{first.Credential: true}
	for {
		select {
		case p := <-r.proofs:
			if !seen[p.Credential] {
				seen[p.Credential] = true
				list = append(list, p)
			}
		default:
			return list
		}
	}
}

func (r *rehasher) rehash(ctx context.Context, proofs []provision.Proof) error {
	err := r.applier.Rehash(ctx, proofs)
	switch {
	case errors.Is(err, store.ErrUnknown):
		return err
	case err != nil && ctx.Err() == nil:
		r.log.Warn().Err(err).Msg("credentials keep their old form until they are used again")
	}
	return nil
}
