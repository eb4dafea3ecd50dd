// Package encryption decides which keys values are sealed under: those of the
// configuration, and those that the server generates and keeps wrapped under a
// configured key or under one of a key management service.
//
// The database has the last word. It knows every key version by a check value,
// so that wrong key material is found before anything is written, and it says
// which version is active. A version becomes active only when every program
// that has the database open holds its key, and the active version moves
// forward only; going back is a rollback, which has a reason. The service is
// asked for a key when keys are opened, made or wrapped anew, never for a value.
package encryption

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Channel is where PostgreSQL announces that a key or a run has changed.
const Channel = "fluxbase_encryption"

// Local is the provider that wraps generated keys under a configured one.
const Local = "local"

// Database is the owner's door.
type Database interface {
	Single() postgres.Querier
	InTx(ctx context.Context, f func(postgres.Querier) error) error
}

// Configured is a key of the configuration.
type Configured struct {
	Version uint32
	Key     []byte
	Place   string // where it was written, for messages
}

// Service holds the keys that this program has. It is safe for concurrent use
// once Open has returned.
type Service struct {
	DB         Database
	Configured []Configured
	Active     uint32 // the version that the configuration asks for; 0 leaves it to the database
	Provider   string // of keys that are generated
	Now        func() time.Time
	Logger     *slog.Logger

	// Reader is a program that only uses the keys that there are: it brings no
	// key in, makes none active, and is not counted among those that hold them.
	Reader bool

	// Wrapper opens a provider other than Local.
	Wrapper func(ctx context.Context, provider string) (keyring.Wrapper, error)

	// Requests counts the requests that this program has answered; nil for none.
	Requests func() int64

	instance  id.Instance
	requests  rate
	examining bool
	wake      chan struct{}

	loading  sync.Mutex // guards what only a load or a wrapping needs
	local    *local
	material map[uint32][]byte // of generated keys, unwrapped
	wrappers map[string]keyring.Wrapper
	attempts map[uint32]attempt // at keys that did not unwrap
	warned   map[string]bool

	mu    sync.RWMutex
	ring  *keyring.Keyring
	lacks atomic.Bool // the active key
}

// State is what a key version is used for.
type State string

// The states of a key version.
const (
	Standby    State = "standby"     // opens; not active yet
	Activated  State = "active"      // seals and opens
	Retired    State = "retired"     // opens; was active before
	RolledBack State = "rolled_back" // opens; never becomes active again
	Destroyed  State = "destroyed"   // its material is gone
)

// Key is a key version, without its material.
type Key struct {
	Version     uint32     `json:"version"`
	Source      string     `json:"source"`       // "configuration" or "generated"
	Provider    *string    `json:"provider"`     // who wraps it, if it was generated
	WrappingKey *string    `json:"wrapping_key"` // in the provider's words
	State       State      `json:"state"`
	Reason      *string    `json:"reason"` // of a rollback
	CreatedAt   time.Time  `json:"created_at"`
	ActivatedAt *time.Time `json:"activated_at"`
	RetiredAt   *time.Time `json:"retired_at"`

	wrapped []byte
	check   []byte
}

const (
	fromConfiguration = "configuration"
	generated         = "generated"
)

// Open learns the keys of the database and registers this program among those
// that hold them. It refuses to go on without a key that sealed values need,
// and with key material that is not what the database knows by that version.
func (s *Service) Open(ctx context.Context) error {
	s.instance = id.Instance(id.New(s.Now()))
	s.wake = make(chan struct{}, 1)
	s.material, s.wrappers, s.warned = map[uint32][]byte{}, map[string]keyring.Wrapper{}, map[string]bool{}
	s.attempts = map[uint32]attempt{}
	if err := s.load(ctx, true); err != nil {
		return fmt.Errorf("opening the encryption keys: %w", err)
	}
	return nil
}

// Examine does what Open does and leaves nothing behind in the database.
func (s *Service) Examine(ctx context.Context) error {
	s.examining = true
	return s.Open(ctx)
}

// Keyring returns the keys as they were last learnt.
func (s *Service) Keyring() *keyring.Keyring {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ring
}

// Reload learns the keys of the database anew.
func (s *Service) Reload(ctx context.Context) error {
	if err := s.load(ctx, false); err != nil {
		return fmt.Errorf("reading the encryption keys: %w", err)
	}
	return nil
}

// Notified takes a notification of the database.
func (s *Service) Notified(string) (poll bool) {
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return false
}

// beat is how often an instance says that it is there.
const beat = 5 * time.Second

// Run keeps the keys current and this instance registered until ctx is done,
// and calls each after every turn. What goes wrong is logged and tried again.
func (s *Service) Run(ctx context.Context, each func(context.Context)) {
	var present sync.WaitGroup
	present.Go(func() { s.stay(ctx) })
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			present.Wait()
			s.leave(context.WithoutCancel(ctx))
			return
		case <-ticker.C:
		case <-s.wake:
		}
		turn, cancel := context.WithTimeout(ctx, 4*beat)
		if err := s.Reload(turn); err != nil && !errors.Is(err, context.Canceled) {
			s.Logger.ErrorContext(ctx, "the encryption keys could not be read; those in memory stay in use", slog.Any("error", err))
		}
		cancel()
		each(ctx)
	}
}

// stay says that this instance is there and what it holds. It waits for nothing
// but the database: an instance whose key management service hangs is still
// there, without the keys that it could not open.
func (s *Service) stay(ctx context.Context) {
	if s.Reader {
		return
	}
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		turn, cancel := context.WithTimeout(ctx, beat)
		_ = upsertInstance(turn, s.DB.Single(), s.instance, name(), s.Keyring().Versions(), s.requests.now(s.Requests)) // Reload says what is wrong with the database
		cancel()
	}
}

// leave takes this instance out of the register. The time that it may take is
// short: an instance that is not seen again counts as gone soon enough.
func (s *Service) leave(ctx context.Context) {
	if s.Reader {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_ = deleteInstance(ctx, s.DB.Single(), s.instance)
}

// Close takes this instance out of the register, if Run has not done so.
func (s *Service) Close(ctx context.Context) { s.leave(ctx) }

// Ready says whether this instance has the active key. It returns an error if it
// does not.
func (s *Service) Ready(context.Context) error {
	if s.lacks.Load() {
		return errors.New("the active encryption key is not among those of this instance")
	}
	return nil
}

// Instance identifies this program.
func (s *Service) Instance() id.Instance { return s.instance }

// name is what people know this program by.
func name() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("%s, process %d", host, os.Getpid())
}
