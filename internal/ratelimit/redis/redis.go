// Package redis keeps the counts of rate limits in a Redis that several
// instances share: one script and one round trip a request, by Redis's own
// clock.
//
// It wants one Redis, or the primary behind one name; not a cluster, where the
// keys of a request may lie apart.
package redis

import (
	"context"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/fluxbase/fluxbase/internal/ratelimit"
)

// spend.lua charges KEYS. ARGV are the interval and the burst of each, in
// microseconds. It returns whether there was room, and the level of each before.
//
//go:embed spend.lua
var source string

var script = redis.NewScript(source)

// Store implements ratelimit.Store. Make one with Open.
type Store struct {
	client *redis.Client
	prefix string
}

// Options say which Redis.
type Options struct {
	URL      string        // redis:// or rediss://, with user and password
	CA       []byte        // PEM of who signed the certificate of rediss://; nil is whom the system trusts
	Prefix   string        // of all keys, before a colon
	Patience time.Duration // for everything that is asked of Redis
}

// Open reads the options. It connects when it is first asked. Its error repeats
// nothing of the URL.
func Open(o Options) (*Store, error) {
	options, err := redis.ParseURL(o.URL)
	if err != nil {
		return nil, errors.New("the URL of Redis is malformed") // a parse error would repeat it, password and all
	}
	if err := trust(options, o.CA); err != nil {
		return nil, err
	}
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = o.Patience, o.Patience, o.Patience, o.Patience
	options.ContextTimeoutEnabled = true
	options.MaxRetries, options.DialerRetries = -1, 1 // whoever asks has another store to turn to
	options.DisableIdentity = true
	options.OnConnect = func(ctx context.Context, conn *redis.Conn) error {
		return script.Load(ctx, conn).Err()
	}
	redis.SetLogger(&logging.VoidLogger{}) // what fails is returned
	return &Store{redis.NewClient(options), o.Prefix}, nil
}

// Close lets go of the connections.
func (s *Store) Close() error { return s.client.Close() } //nolint:wrapcheck // nobody looks at it

// Spend implements ratelimit.Store.
func (s *Store) Spend(ctx context.Context, charges []ratelimit.Charge) (bool, ratelimit.Levels, error) {
	var levels ratelimit.Levels
	keys, args := make([]string, len(charges)), make([]any, 0, 2*len(charges))
	for i, c := range charges {
		keys[i] = s.prefix + ":" + c.Bucket.String() + ":" + hex.EncodeToString(c.Key[:])
		args = append(args, c.Rate.Interval().Microseconds(), c.Rate.Burst().Microseconds())
	}
	answer, err := script.Run(ctx, s.client, keys, args...).Int64Slice()
	if err == nil && len(answer) != 1+len(charges) {
		err = errors.New("an answer of another form")
	}
	if err != nil {
		return false, levels, fmt.Errorf("asking Redis: %w", err)
	}
	for i, micros := range answer[1:] {
		levels[i] = time.Duration(micros) * time.Microsecond
	}
	return answer[0] == 1, levels, nil
}
