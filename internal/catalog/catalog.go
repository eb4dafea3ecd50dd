// Package catalog knows the exposed schemas: tables and views with their
// columns, keys and relations, whether Row-Level Security stands in front of
// their rows, and the functions that may be called.
//
// A Snapshot is immutable, read in one transaction and swapped whole. It follows the database by a
// notification where an event trigger could be installed, by a look once a
// second everywhere, and by one more look before anything is called missing.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Channel is where the event trigger announces changes of the schema.
const Channel = "fluxbase_catalog"

// minPause is the shortest time between two loads, in case callers ask for
// missing tables in a row.
const minPause = 200 * time.Millisecond

// Database is the owner's door.
type Database interface {
	Single() postgres.Querier
	InTx(ctx context.Context, f func(postgres.Querier) error) error
}

// Service holds the newest snapshot. It is safe for concurrent use.
type Service struct {
	DB      Database
	Schemas []string // exposed, the default first
	Logger  *slog.Logger
	Now     func() time.Time

	current atomic.Pointer[Snapshot]
	loading sync.Mutex
	nudged  atomic.Bool
	looked  atomic.Int64 // when it was last known to be that of the database, in Unix nanoseconds
}

// staleAfter is how long a catalog may go without being compared with the
// database, which it is every second.
const staleAfter = 30 * time.Second

// ErrStale means that nobody knows whether the catalog is still that of the
// database.
var ErrStale = errors.New("the catalog has not been compared with the database lately")

// Ready says whether the catalog is up to date. It returns ErrStale if that is
// not known.
func (s *Service) Ready(context.Context) error {
	if s.Now().Sub(time.Unix(0, s.looked.Load())) > staleAfter {
		return ErrStale
	}
	return nil
}

// Load reads the catalog.
func (s *Service) Load(ctx context.Context) error {
	s.loading.Lock()
	defer s.loading.Unlock()
	return s.load(ctx)
}

// load reads everything in one transaction, so that no change of the schema can
// come in between, and swaps the snapshot.
func (s *Service) load(ctx context.Context) error {
	began := s.Now()
	var fingerprint string
	snapshot, err := readAfter(ctx, s.DB, s.Schemas, func(q postgres.Querier) (err error) {
		fingerprint, err = selectFingerprint(ctx, q, s.Schemas)
		return err
	})
	if err != nil {
		return err
	}
	snapshot.fingerprint, snapshot.loadedAt = fingerprint, began
	s.current.Store(snapshot)
	s.looked.Store(began.UnixNano())
	s.Logger.DebugContext(ctx, "catalog read", slog.Int("tables", len(snapshot.tables)), slog.Duration("took", s.Now().Sub(began)))
	return nil
}

// Read returns a snapshot of any schemas, exposed or not, which nobody keeps
// up to date. The system's own do not count, and fault.NotFound is for those
// that do not exist.
func Read(ctx context.Context, db Database, schemas []string) (*Snapshot, error) {
	return readAfter(ctx, db, schemas, func(q postgres.Querier) error {
		known, err := selectSchemas(ctx, q)
		if at := slices.IndexFunc(schemas, func(name string) bool { return !slices.Contains(known, name) }); err == nil && at >= 0 {
			err = fault.Newf(fault.NotFound, "schema_not_found", "There is no schema %q. There are: %s", schemas[at], strings.Join(known, ", "))
		}
		return err
	})
}

// readAfter reads the catalog in one transaction, in which something else is
// read first.
func readAfter(ctx context.Context, db Database, schemas []string, first func(postgres.Querier) error) (*Snapshot, error) {
	var snapshot *Snapshot
	err := db.InTx(ctx, func(q postgres.Querier) error {
		if err := begin(ctx, q); err != nil {
			return err
		}
		if err := first(q); err != nil {
			return err
		}
		var err error
		snapshot, err = read(ctx, q, schemas)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the catalog: %w", err)
	}
	return snapshot, nil
}

// Snapshot returns the newest snapshot.
func (s *Service) Snapshot() *Snapshot { return s.current.Load() }

// Find returns a table, after one more look at the database if the snapshot
// lacks it. It returns nil if there is none.
func (s *Service) Find(ctx context.Context, schema, name string) (*Table, error) {
	asked := s.Now()
	if t := s.Snapshot().Table(schema, name); t != nil {
		return t, nil
	}
	if err := s.since(ctx, asked); err != nil {
		return nil, err
	}
	return s.Snapshot().Table(schema, name), nil
}

// Functions returns the functions of a name, after one more look at the database
// if the snapshot has none.
func (s *Service) Functions(ctx context.Context, schema, name string) ([]*Function, error) {
	asked := s.Now()
	if found := s.Snapshot().Function(schema, name); found != nil {
		return found, nil
	}
	if err := s.since(ctx, asked); err != nil {
		return nil, err
	}
	return s.Snapshot().Function(schema, name), nil
}

// RowTypes returns the tables whose rows, or arrays of them, have the type of a
// name: of all exposed schemas where no schema is named, and the name is none of
// PostgreSQL's own.
func (s *Service) RowTypes(schema, name string) []*Table {
	schemas := []string{schema}
	if schema == "" {
		schemas = s.Schemas
	}
	var found []*Table
	for _, in := range schemas {
		for _, n := range []string{name, strings.TrimLeft(name, "_")} { // PostgreSQL's names of arrays
			if t := s.Snapshot().Table(in, n); t != nil && (schema != "" || !t.shadowed) {
				found = append(found, t)
			}
		}
	}
	return found
}

// GeoJSON returns the function that writes rows as features of GeoJSON, as SQL: that
// of PostGIS, or "" where there is none.
func (s *Service) GeoJSON() string { return s.Snapshot().geoJSON }

// NearFunction returns the function whose name is most like one that does not
// exist, or "".
func (s *Service) NearFunction(schema, name string) string { return s.Snapshot().near(schema, name) }

// since makes sure that the snapshot is younger than an instant.
func (s *Service) since(ctx context.Context, instant time.Time) error {
	s.loading.Lock()
	defer s.loading.Unlock()
	last := s.Snapshot().loadedAt
	if last.After(instant) {
		return nil
	}
	if pause := minPause - s.Now().Sub(last); pause > 0 {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("waiting for the catalog: %w", ctx.Err())
		}
	}
	return s.load(ctx)
}

// Notified takes a notification of a change.
func (s *Service) Notified(string) (poll bool) {
	s.nudged.Store(true)
	return true
}

// Poll reads the catalog again if it has changed.
func (s *Service) Poll(ctx context.Context, q postgres.Querier) error {
	fingerprint, err := selectFingerprint(ctx, q, s.Schemas)
	if err != nil {
		return fmt.Errorf("looking at the catalog: %w", err)
	}
	nudged := s.nudged.Swap(false)
	if !nudged && fingerprint == s.Snapshot().fingerprint {
		s.looked.Store(s.Now().UnixNano())
		return nil
	}
	s.loading.Lock()
	defer s.loading.Unlock()
	if err := s.load(ctx); err != nil {
		s.nudged.Store(true)
		return err
	}
	return nil
}
