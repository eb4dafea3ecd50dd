// Package catalog knows the tables and views of the exposed schemas: their
// columns, keys, and whether Row-Level Security stands in front of their rows.
//
// A Snapshot is immutable and swapped whole. It follows the database by a
// notification where an event trigger could be installed, by a look once a
// second everywhere, and by one more look before anything is called missing.
package catalog

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Channel is where the event trigger announces changes of the schema.
const Channel = "fluxbase_catalog"

// minPause is the shortest time between two loads, in case callers ask for
// missing tables in a row.
const minPause = 200 * time.Millisecond

// Column is a column of a table.
type Column struct {
	Name string
	Type string // quoted and schema-qualified, safe to put into SQL
}

// Table is a table, view, materialized view or foreign table.
type Table struct {
	Schema     string
	Name       string
	Columns    []Column
	PrimaryKey []string

	// Protected says that Row-Level Security decides about the rows: it is on
	// for the table, or the view runs as its caller and all beneath it are
	// protected.
	Protected bool

	byName map[string]int
}

// Column returns the column of a name.
func (t *Table) Column(name string) (Column, bool) {
	i, ok := t.byName[name]
	if !ok {
		return Column{}, false
	}
	return t.Columns[i], true
}

// index prepares Column. The table does not change afterwards.
func (t *Table) index() {
	t.byName = make(map[string]int, len(t.Columns))
	for i, c := range t.Columns {
		t.byName[c.Name] = i
	}
}

// NewTable returns a table as a snapshot would hold it, for tests of pure
// packages.
func NewTable(t Table) *Table {
	t.index()
	return &t
}

// Snapshot is the catalog at one time.
type Snapshot struct {
	tables      map[[2]string]*Table
	fingerprint string
	loadedAt    time.Time
}

// Table returns the table of a schema and name, or nil.
func (s *Snapshot) Table(schema, name string) *Table { return s.tables[[2]string{schema, name}] }

// Database is the owner's door.
type Database interface {
	Single() postgres.Querier
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
}

// Load reads the catalog.
func (s *Service) Load(ctx context.Context) error {
	s.loading.Lock()
	defer s.loading.Unlock()
	return s.load(ctx, s.DB.Single())
}

func (s *Service) load(ctx context.Context, q postgres.Querier) error {
	began := s.Now()
	fingerprint, err := selectFingerprint(ctx, q, s.Schemas)
	if err != nil {
		return fmt.Errorf("looking at the catalog: %w", err)
	}
	tables, err := selectTables(ctx, q, s.Schemas)
	if err != nil {
		return fmt.Errorf("reading the catalog: %w", err)
	}
	snapshot := &Snapshot{tables: make(map[[2]string]*Table, len(tables)), fingerprint: fingerprint, loadedAt: began}
	for _, t := range tables {
		t.index()
		snapshot.tables[[2]string{t.Schema, t.Name}] = t
	}
	s.current.Store(snapshot)
	s.Logger.DebugContext(ctx, "catalog read", slog.Int("tables", len(tables)), slog.Duration("took", s.Now().Sub(began)))
	return nil
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
	return s.load(ctx, s.DB.Single())
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
		return nil
	}
	s.loading.Lock()
	defer s.loading.Unlock()
	if err := s.load(ctx, q); err != nil {
		s.nudged.Store(true)
		return err
	}
	return nil
}
