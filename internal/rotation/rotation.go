// Package rotation moves sealed values from one key version to another while
// everything else goes on, and does so by itself on a schedule.
//
// A run is a row that says what is to be done and who is at it. What is left to
// do is read from the values, never from the run, so a run that was killed at
// any point goes on where it was, two that work on the same values are safe,
// and a value that somebody changes meanwhile keeps the change. One program
// works on a run at a time; when that one ends, however it does, another takes
// over.
package rotation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/encryption"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/sealed"
)

// Kind is what a run is for.
type Kind string

// The kinds of runs.
const (
	ReEncryption Kind = "re-encrypt" // from one version to the active one
	Rollback     Kind = "rollback"   // from every later version to an earlier one
	Rotation     Kind = "rotation"   // from every version to one that the run makes
)

// State is how far a run is.
type State string

// The states of a run.
const (
	Queued    State = "queued"
	Running   State = "running"
	Succeeded State = "succeeded"
	Failed    State = "failed"
)

// Run is a run over the sealed values. Scanned is the sum of ReEncrypted,
// AlreadyThere and Failed; a run that was taken over counts anew, and what was
// moved before is AlreadyThere then.
type Run struct {
	ID           id.Run     `json:"id"`
	Kind         Kind       `json:"kind"`
	FromVersion  *uint32    `json:"from_version"` // null: every version that the kind is about
	ToVersion    *uint32    `json:"to_version"`   // null until a rotation has made its key
	Reason       *string    `json:"reason"`
	BatchSize    int        `json:"batch_size"`
	Concurrency  int        `json:"concurrency"`
	State        State      `json:"state"`
	Attempts     int        `json:"attempts"`
	Total        int64      `json:"total"` // what this attempt set out to scan
	Scanned      int64      `json:"scanned"`
	ReEncrypted  int64      `json:"re_encrypted"`
	AlreadyThere int64      `json:"already_there"`
	Failed       int64      `json:"failed"` // values that do not open
	Error        *string    `json:"error"`
	CreatedAt    time.Time  `json:"created_at"`
	StartedAt    *time.Time `json:"started_at"`
	FinishedAt   *time.Time `json:"finished_at"`
}

// Over says that nothing more will happen to the run.
func (r Run) Over() bool { return r.State == Succeeded || r.State == Failed }

// Pace is how fast a run goes.
type Pace struct {
	BatchSize   int // values in one statement, 1 to 10,000
	Concurrency int // statements at once, 1 to 64
}

// DefaultPace is that of the documentation.
var DefaultPace = Pace{BatchSize: 100, Concurrency: 4}

func (p Pace) check() error {
	if p.BatchSize < 1 || p.BatchSize > 10_000 {
		return fault.Input("/batch_size", "invalid_batch_size", "The batch size is a number from 1 to 10000.")
	}
	if p.Concurrency < 1 || p.Concurrency > 64 {
		return fault.Input("/concurrency", "invalid_concurrency", "The concurrency is a number from 1 to 64.")
	}
	return nil
}

// Database is the owner's door.
type Database interface {
	Single() postgres.Querier
	InTx(ctx context.Context, f func(postgres.Querier) error) error
}

// Config is what rotations do by themselves.
type Config struct {
	Enabled       bool
	Schedule      string                                   // as text, to notice a change
	Next          func(after time.Time) (time.Time, error) // when the schedule comes round
	AutoReencrypt bool
	RetainOldKeys int
}

// Service starts runs and works on them. It is safe for concurrent use.
type Service struct {
	DB     Database
	Keys   *encryption.Service
	Values *sealed.Service
	Config Config
	Logger *slog.Logger

	// Notify tells the operator, from within the transaction of the fact. It may
	// be nil.
	Notify func(ctx context.Context, q postgres.Querier, event string, r Run) error

	// StepLimit is how long a statement may take before it is given up and tried
	// again; 30 s for 0.
	StepLimit time.Duration

	// Patience is how long a step is tried again before the attempt ends; 30 s
	// for 0.
	Patience time.Duration

	// HeldLimit is how long an attempt waits for every instance to hold its key;
	// 25 s for 0. An instance that was killed counts as gone after 15 s.
	HeldLimit time.Duration

	busy   sync.Mutex // held while this instance works on a run
	work   sync.WaitGroup
	latest atomic.Pointer[[]Run] // of each kind, for the metrics

	scheduled, warned atomic.Bool // this instance has noted its schedule; has told of another one
}

// ReEncrypt starts moving the values of one version to another, which has to be
// the active one. If the same run is under way already, that one is returned.
func (s *Service) ReEncrypt(ctx context.Context, by audit.Actor, from, to uint32, pace Pace) (Run, error) {
	if err := pace.check(); err != nil {
		return Run{}, err
	}
	if from == to {
		return Run{}, fault.New(fault.Invalid, "same_version", "From and to are the same version.")
	}
	return s.start(ctx, by, Run{Kind: ReEncryption, FromVersion: &from, ToVersion: &to, BatchSize: pace.BatchSize, Concurrency: pace.Concurrency},
		func(q postgres.Querier) error { return s.checkVersions(ctx, q, from, to) })
}

// checkVersions refuses a re-encryption that could not do what it says.
func (s *Service) checkVersions(ctx context.Context, q postgres.Querier, from, to uint32) error {
	target, err := s.Keys.Get(ctx, q, to)
	if err != nil {
		return err
	}
	if _, err := s.Keys.Get(ctx, q, from); err != nil {
		return err
	}
	becoming := target.State == encryption.Standby && s.Keys.Active == to // as soon as every instance has it
	if target.State != encryption.Activated && !becoming {
		return fault.Newf(fault.Conflict, "encryption_key_not_active",
			"Version %d is %s, and new values are sealed under the active version, which is %d: make %d active first (active_key_version), or roll back.",
			to, target.State, s.Keys.ActiveVersion(), to)
	}
	for _, needed := range []uint32{from, to} {
		if !s.Keys.Holds(needed) {
			return fault.Newf(fault.Conflict, "encryption_key_not_held", "There is no key of version %d in the configuration.", needed)
		}
	}
	return nil
}

// RollBack makes an earlier version the active one at once, bars every later
// one, and starts moving their values back.
func (s *Service) RollBack(ctx context.Context, by audit.Actor, to uint32, reason string, pace Pace) (Run, error) {
	if err := pace.check(); err != nil {
		return Run{}, err
	}
	reason = strings.TrimSpace(reason)
	if reason == "" || len(reason) > 500 {
		return Run{}, fault.Input("/reason", "invalid_reason", "A rollback has a reason, of at most 500 bytes.")
	}
	if !s.Keys.Holds(to) {
		return Run{}, fault.Newf(fault.Conflict, "encryption_key_not_held", "There is no key of version %d in the configuration.", to)
	}
	r := Run{Kind: Rollback, ToVersion: &to, Reason: &reason, BatchSize: pace.BatchSize, Concurrency: pace.Concurrency}
	run, err := s.start(ctx, by, r, func(q postgres.Querier) error {
		barred, err := s.Keys.RollBack(ctx, q, to, reason)
		if err != nil {
			return err
		}
		return audit.Write(ctx, q, by.Did(audit.EncryptionRolledBack, "", id.UUID{},
			"to_version", fmt.Sprint(to), "versions", fmt.Sprint(barred), "reason", reason))
	})
	if err != nil {
		return Run{}, err
	}
	return run, s.Keys.Reload(ctx)
}

// Rotate starts a rotation to a new key.
func (s *Service) Rotate(ctx context.Context, by audit.Actor) (Run, error) {
	return s.start(ctx, by, Run{Kind: Rotation, BatchSize: DefaultPace.BatchSize, Concurrency: DefaultPace.Concurrency},
		func(q postgres.Querier) error { return s.Keys.CheckNext(ctx, q) })
}

// start writes a run down, unless the same one is open, after check has agreed.
func (s *Service) start(ctx context.Context, by audit.Actor, r Run, check func(postgres.Querier) error) (Run, error) {
	r.ID, r.State = id.Run(id.New(s.Keys.Now())), Queued
	for try := 1; ; try++ {
		err := s.DB.InTx(ctx, func(q postgres.Querier) error {
			if err := lockStart(ctx, q); err != nil {
				return err
			}
			if err := check(q); err != nil {
				return err
			}
			open, found, err := selectOpen(ctx, q, r)
			if err != nil || found {
				r = open
				return err
			}
			return s.enter(ctx, q, by, &r)
		})
		if try == busyTries || !errors.Is(err, encryption.ErrBusy) {
			return r, err
		}
	}
}

// busyTries is how often a change of keys waits for a gap between transactions
// that seal values, for a second each.
const busyTries = 10

// enter inserts a run with its audit record and its notification.
func (s *Service) enter(ctx context.Context, q postgres.Querier, by audit.Actor, r *Run) error {
	var err error
	if r.CreatedAt, err = insertRun(ctx, q, *r); err != nil {
		return err
	}
	if err := audit.Write(ctx, q, by.Did(audit.EncryptionRunStarted, "run", id.UUID(r.ID), r.details()...)); err != nil {
		return err
	}
	return s.notify(ctx, q, "started", *r)
}

func (s *Service) notify(ctx context.Context, q postgres.Querier, event string, r Run) error {
	if s.Notify == nil {
		return nil
	}
	return s.Notify(ctx, q, event, r)
}

func (r Run) details() []string {
	d := []string{"kind", string(r.Kind), "state", string(r.State)}
	for name, version := range map[string]*uint32{"from_version": r.FromVersion, "to_version": r.ToVersion} {
		if version != nil {
			d = append(d, name, fmt.Sprint(*version))
		}
	}
	return d
}

// Get returns a run. It returns a not-found fault.
func (s *Service) Get(ctx context.Context, runID id.Run) (Run, error) {
	return selectRun(ctx, s.DB.Single(), runID)
}

// maxRuns is how many runs List returns at most.
const maxRuns = 50

// List returns the latest runs, newest first.
func (s *Service) List(ctx context.Context) ([]Run, error) {
	return selectRuns(ctx, s.DB.Single(), maxRuns)
}

// Audit is what is sealed under a key version.
type Audit struct {
	KeyVersion uint32         `json:"key_version"`
	Total      int64          `json:"total"`
	Places     []sealed.Count `json:"places"`
	Values     []Value        `json:"values"` // the first ten, by name
}

// Value names a sealed value.
type Value struct {
	ID      id.Sealed `json:"id"`
	Purpose string    `json:"purpose"`
	Subject string    `json:"subject"`
	Secret  *string   `json:"secret,omitempty"` // name of the application's secret that it is a version of
	Version *int      `json:"version,omitempty"`
}

// shownValues is how many values are named at most.
const shownValues = 10

// String is for messages.
func (v Value) String() string {
	if v.Secret != nil {
		return fmt.Sprintf("secret %s, version %d (%s)", *v.Secret, *v.Version, v.ID)
	}
	return fmt.Sprintf("%s %s (%s)", v.Purpose, v.Subject, v.ID)
}

// Audit counts what is sealed under a version: values, and generated keys that
// it wraps. It returns a not-found fault for a version that the database has
// never known.
func (s *Service) Audit(ctx context.Context, version uint32) (Audit, error) {
	a := Audit{KeyVersion: version, Places: []sealed.Count{}, Values: []Value{}}
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		if _, err := s.Keys.Get(ctx, q, version); err != nil {
			return err
		}
		values, err := selectFirst(ctx, q, version)
		if err != nil {
			return err
		}
		a.Values = append(a.Values, values...)
		counts, err := sealed.Counts(ctx, q, version)
		if err != nil {
			return err
		}
		wrapped, err := s.Keys.WrappedUnder(ctx, q, version)
		if err != nil {
			return err
		}
		if len(wrapped) > 0 {
			counts = append(counts, sealed.Count{Version: version, Place: encryption.Place, Purpose: "data_key", Count: int64(len(wrapped))})
		}
		a.Places = append(a.Places, counts...)
		return nil
	})
	for _, c := range a.Places {
		a.Total += c.Count
	}
	return a, err
}
