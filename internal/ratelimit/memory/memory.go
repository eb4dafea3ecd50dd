// Package memory keeps the counts of rate limits in the memory of one instance,
// of which it takes a bounded part however many keys there are.
//
// Where it is full, what is forgotten for a new key is one of which the least is
// used: whoever comes from a million addresses makes room for them at the cost
// of each other, and not of a key that is at its limit.
package memory

import (
	"context"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/fluxbase/fluxbase/internal/ratelimit"
)

const (
	shards = 64
	// Keys is how many keys a store of the server keeps, in about 10 MB.
	Keys = 1 << 17
	// sample is how many keys are looked at for the one to forget. Go begins to go
	// over a map at a random place.
	sample = 8
)

// Store implements ratelimit.Store. Make one with New.
type Store struct {
	now    func() time.Time
	start  time.Time // what is kept counts from here, so that a jump of the wall clock is none
	seed   maphash.Seed
	most   int // keys a shard
	shards [shards]shard
}

type key struct {
	bucket ratelimit.Bucket
	key    ratelimit.Key
}

type shard struct {
	mu   sync.Mutex
	used map[key]time.Duration
	_    [48]byte // so that shards do not share a line of the cache
}

// New returns a store of at most so many keys, rounded up to whole shards.
func New(keys int, now func() time.Time) *Store {
	s := &Store{now: now, start: now(), seed: maphash.MakeSeed(), most: (keys + shards - 1) / shards}
	for i := range s.shards {
		s.shards[i].used = map[key]time.Duration{}
	}
	return s
}

// Spend implements ratelimit.Store. It returns no error.
func (s *Store) Spend(_ context.Context, charges []ratelimit.Charge) (bool, ratelimit.Levels, error) {
	var in [ratelimit.MaxCharges]int
	for i := range charges {
		in[i] = s.shardOf(&charges[i])
	}
	locked := in
	held := slices.Compact(sorted(locked[:len(charges)]))
	for _, i := range held {
		s.shards[i].mu.Lock()
	}
	defer func() {
		for _, i := range held {
			s.shards[i].mu.Unlock()
		}
	}()
	now := s.now().Sub(s.start)
	var levels ratelimit.Levels
	for i := range charges {
		c := &charges[i]
		k, shard := key{c.Bucket, c.Key}, &s.shards[in[i]]
		used := shard.used[k]
		if levels[i] = c.Rate.Level(used, now); used > now+levels[i] && levels[i] > 0 { // written under a clock that ran ahead
			shard.used[k] = now + levels[i]
		}
	}
	if !ratelimit.Admits(charges, &levels) {
		return false, levels, nil
	}
	for i := range charges {
		c := &charges[i]
		s.shards[in[i]].put(key{c.Bucket, c.Key}, now+levels[i]+c.Rate.Interval(), s.most)
	}
	return true, levels, nil
}

// sorted puts shards in the one order in which they are locked.
func sorted(shards []int) []int {
	slices.Sort(shards)
	return shards
}

func (s *Store) shardOf(c *ratelimit.Charge) int {
	return int(maphash.Comparable(s.seed, key{c.Bucket, c.Key}) % shards)
}

// Len is how many keys are kept.
func (s *Store) Len() int {
	n := 0
	for i := range s.shards {
		s.shards[i].mu.Lock()
		n += len(s.shards[i].used)
		s.shards[i].mu.Unlock()
	}
	return n
}

func (s *shard) put(k key, until time.Duration, most int) {
	if _, known := s.used[k]; !known && len(s.used) >= most {
		s.forget()
	}
	s.used[k] = until
}

// forget removes, of a few keys, the one that has its whole allowance back
// first.
func (s *shard) forget() {
	var least key
	var first time.Duration
	seen := 0
	for k, until := range s.used {
		if seen == 0 || until < first {
			least, first = k, until
		}
		if seen++; seen == sample {
			break
		}
	}
	delete(s.used, least)
}
