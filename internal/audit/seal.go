package audit

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Database is the owner's door.
type Database interface {
	Single() postgres.Querier
	InTx(ctx context.Context, f func(postgres.Querier) error) error
}

// Keys keeps the key of seals where whoever has the database alone cannot read
// it.
type Keys interface {
	Ensure(ctx context.Context, q postgres.Querier, purpose, subject string, generate func() []byte) ([]byte, error)
}

// Service seals the log, verifies it, lets go of what is old and tells others.
// It takes no part in the writing of records. It is safe for concurrent use.
type Service struct {
	DB        Database
	Keys      Keys
	Logger    *slog.Logger
	Now       func() time.Time
	Retention time.Duration // how long records are kept, by months; 0 is for good
	Out       Sender        // where sealed records are sent to; nil for nowhere

	mu      sync.Mutex
	secret  []byte
	looked  int64 // the sequence up to which everything is known to be sealed
	newest  seal  // that this process has made or met
	stalled struct {
		since time.Time // zero: it is not
		seal  int64     // the newest one then
	}
}

const (
	// interval is how often there is a look for records to seal.
	interval = time.Second
	// batch is the most records of a seal. Their entries take 64 KiB.
	batch = 4096
	// patience is how long another instance may be at it without a new seal.
	patience = time.Minute
)

// errCut is what is found where seals were that are not there any more: going
// on would put new seals on a log that somebody has cut short.
var errCut = errors.New("seals are missing, or others than they were: the audit log has been tampered with, or restored under a running server; " +
	"nothing more is sealed until this server is restarted")

// errStalled is found where records wait, and somebody who has the row locked
// seals nothing.
var errStalled = errors.New("another session has the row 'seal' of auth.audit_cursors locked and seals nothing")

// Open makes the key of seals, if there is none.
func (s *Service) Open(ctx context.Context) error {
	_, err := s.key(ctx)
	return err
}

// Run seals until ctx is done, and sends what is sealed.
func (s *Service) Run(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { s.repeat(ctx, "sealing", s.Seal) })
	if s.Out != nil {
		both.Go(func() { s.repeat(ctx, "sending", s.Forward) })
	}
	both.Wait()
}

// repeat does something at every interval, and tells of a failure when it begins
// and when it is over.
func (s *Service) repeat(ctx context.Context, task string, do func(context.Context) error) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	failing := ""
	for {
		err := do(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && err.Error() != failing:
			s.Logger.ErrorContext(ctx, "the audit log is not looked after", slog.String("task", task), slog.Any("error", err))
			failing = err.Error()
		case err == nil && failing != "":
			s.Logger.InfoContext(ctx, "the audit log is looked after again", slog.String("task", task))
			failing = ""
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Seal seals every record that is there when it is called. It waits for the
// transactions that are writing records at that moment, and for nobody else.
//
// A record draws its sequence while its transaction holds a lock on the table,
// until it ends. So whoever may still commit a record of a sequence drawn by now
// is among those that hold the lock by now; when all of these are gone,
// everything up to that sequence is there for good or never will be.
func (s *Service) Seal(ctx context.Context) error {
	drawn, err := selectDrawn(ctx, s.DB.Single())
	if err != nil || drawn <= s.lookedUpTo() {
		return err
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	key, err := s.key(ctx)
	if err != nil {
		return err
	}
	for more := true; more; {
		if more, err = s.sealBatch(ctx, key, drawn); err != nil {
			return fmt.Errorf("sealing the audit log: %w", err)
		}
	}
	return nil
}

func (s *Service) lookedUpTo() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.looked
}

// settle waits until those are gone that are writing records now.
func (s *Service) settle(ctx context.Context) error {
	writers, err := selectWriters(ctx, s.DB.Single())
	if err != nil {
		return err
	}
	for pause := 20 * time.Millisecond; len(writers) > 0; pause = min(2*pause, interval) {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
		if writers, err = selectRemaining(ctx, s.DB.Single(), writers); err != nil {
			return err
		}
	}
	return nil
}

// sealBatch seals the next records up to a sequence, and says whether there may
// be more. It does nothing if another instance is at it.
func (s *Service) sealBatch(ctx context.Context, key []byte, drawn int64) (more bool, err error) {
	newest, looked := seal{}, int64(0)
	err = s.DB.InTx(ctx, func(q postgres.Querier) error {
		mine, err := lockCursor(ctx, q, sealCursor)
		if err != nil {
			return err
		}
		if !mine {
			return s.waits(ctx, q)
		}
		s.goesOn()
		if newest, err = s.continues(ctx, q); err != nil {
			return err
		}
		if err := s.recall(ctx, q, newest.number); err != nil {
			return err
		}
		records, err := selectBetween(ctx, q, newest.lastSequence, drawn, batch)
		if err != nil {
			return err
		}
		if more = len(records) == batch; !more {
			looked = drawn
		}
		for len(records) > 0 {
			n := sameMonth(records)
			newest = sealed(newest, records[:n], s.Now())
			newest.mac = mac(key, newest.digest)
			if err := insertSeal(ctx, q, newest); err != nil {
				return err
			}
			records = records[n:]
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked = max(s.looked, looked)
	if newest.number > s.newest.number {
		s.newest = newest
	}
	return more, nil
}

// continues returns the newest seal, if the seals go on from the newest one that
// this process knows.
func (s *Service) continues(ctx context.Context, q postgres.Querier) (seal, error) {
	s.mu.Lock()
	known := s.newest
	s.mu.Unlock()
	if known.number > 0 {
		there, err := selectKnown(ctx, q, known)
		if err != nil {
			return seal{}, err
		}
		if !there {
			return seal{}, errCut
		}
	}
	return selectNewestSeal(ctx, q)
}

// recall has what comes after a seal sent, also where somebody has written that it
// has been: before it is sealed it cannot have been.
func (s *Service) recall(ctx context.Context, q postgres.Querier, newest int64) error {
	if s.Out == nil {
		return nil
	}
	sent, err := selectCursor(ctx, q, syslogCursor)
	if err != nil || sent <= newest {
		return err
	}
	s.Logger.ErrorContext(ctx, "more of the audit log is said to have been sent than there is: it was cut short, or somebody has changed how far it was sent",
		slog.Int64("sent", sent), slog.Int64("newest_seal", newest))
	return moveCursor(ctx, q, syslogCursor, newest)
}

// waits notes that somebody else has the row that is locked for sealing, and fails
// when nothing comes of it.
func (s *Service) waits(ctx context.Context, q postgres.Querier) error {
	newest, err := selectNewestSeal(ctx, q)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	if s.stalled.since.IsZero() || s.stalled.seal != newest.number {
		s.stalled.since, s.stalled.seal = now, newest.number
	}
	if now.Sub(s.stalled.since) > patience {
		return errStalled
	}
	return nil
}

func (s *Service) goesOn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stalled.since = time.Time{}
}

// sameMonth counts the records at the beginning that are of one month.
func sameMonth(records []Record) int {
	month := monthOf(records[0].At)
	for i := range records {
		if !monthOf(records[i].At).Equal(month) {
			return i
		}
	}
	return len(records)
}

// key returns the key that seals are authenticated with, and makes it if there
// is none.
func (s *Service) key(ctx context.Context) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.secret != nil {
		return s.secret, nil
	}
	key, err := s.Keys.Ensure(ctx, s.DB.Single(), "audit_seal", "1", func() []byte {
		fresh := make([]byte, sha256.Size)
		_, _ = rand.Read(fresh)
		return fresh
	})
	if err != nil {
		return nil, fmt.Errorf("reading the key of audit seals: %w", err)
	}
	s.secret = key
	return key, nil
}

func mac(key, digest []byte) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write(digest)
	return h.Sum(nil)
}
