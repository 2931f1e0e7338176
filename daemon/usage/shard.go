package usage

import (
	"sync"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// shards is how many parts memory has, so that uses of different tokens seldom
// wait for each other.
const (
	shardBits = 6
	shards    = 1 << shardBits
)

// shard has the tokens of one part. The zero shard is empty and ready.
type shard struct {
	mu     sync.Mutex
	tokens map[store.TokenID]*counts
	_      [48]byte // shards do not share a cache line
}

// counts are the uses of one token that are not stored yet. They stay, without
// any, for a period after they were.
type counts struct {
	name store.Name // when it was used last
	key  token.Key  // the same
	due  time.Time  // when they may be stored
	uses []store.CredentialUse
	room [1]store.CredentialUse // for uses of one credential, which most are
}

func (r *Recorder) shard(id store.TokenID) *shard {
	const golden = 0x9e3779b97f4a7c15 // spreads numbers that differ in any bits
	return &r.shards[uint64(id)*golden>>(64-shardBits)]
}

// counted is what became of a use.
type counted uint8

const (
	again   counted = iota // of a token that is remembered
	first                  // of one that was not
	refused                // there is no room for another token
)

func (s *shard) count(u *store.Used) counted {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.tokens[u.Token]; c != nil {
		c.name, c.key = u.Name, u.Key
		c.add(u.CredentialUse)
		return again
	}
	if len(s.tokens) >= maxTokens/shards {
		return refused
	}
	if s.tokens == nil {
		s.tokens = make(map[store.TokenID]*counts)
	}
	c := &counts{name: u.Name, key: u.Key}
	c.uses = append(c.room[:0], u.CredentialUse)
	s.tokens[u.Token] = c
	return first
}

// putBack takes back what take has given away.
func (s *shard) putBack(u *store.Used) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[u.Token].add(u.CredentialUse)
}

func (c *counts) add(u store.CredentialUse) {
	for i := range c.uses {
		if have := &c.uses[i]; have.Number == u.Number {
			have.Use = have.Add(u.Use)
			return
		}
	}
	c.uses = append(c.uses, u)
}

// take moves what is due to a batch, or all, and forgets what has not been used
// for a period.
func (s *shard) take(now time.Time, all bool, batch []store.Used) []store.Used {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, c := range s.tokens {
		if now.Before(c.due) && !all {
			continue
		}
		if len(c.uses) == 0 {
			delete(s.tokens, id)
			continue
		}
		for _, u := range c.uses {
			batch = append(batch, store.Used{Token: id, Name: c.name, Key: c.key, CredentialUse: u})
		}
		c.uses, c.due = c.uses[:0], now.Add(period)
	}
	return batch
}

// add adds what is not stored yet to what is.
func (s *shard) add(to map[store.TokenID]store.Uses) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, c := range s.tokens {
		for _, u := range c.uses {
			to[id] = to[id].Add(u)
		}
	}
}

// idle tells whether no token is remembered.
func (s *shard) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tokens) == 0
}

// stored tells whether all that was counted is stored.
func (s *shard) stored() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.tokens {
		if len(c.uses) > 0 {
			return false
		}
	}
	return true
}
