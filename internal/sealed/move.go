package sealed

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Count is how many values of a purpose are sealed under a version.
type Count struct {
	Version uint32 `json:"-"`
	Place   string `json:"place"` // the table
	Purpose string `json:"purpose"`
	Count   int64  `json:"count"`
}

// Counts counts the values of one key version, or of all for version 0, by
// purpose.
func Counts(ctx context.Context, q postgres.Querier, version uint32) ([]Count, error) {
	return count(ctx, q, version)
}

// CountOlder counts the values of a key version that were first kept before an
// instant.
func CountOlder(ctx context.Context, q postgres.Querier, version uint32, at time.Time) (int64, error) {
	return countOlder(ctx, q, version, at)
}

// Versions are the key versions that values are sealed under, ascending. It
// costs a few index look-ups, however many values there are.
func Versions(ctx context.Context, q postgres.Querier) ([]uint32, error) {
	return selectVersions(ctx, q)
}

// Proves says whether a key opens the values of its version: it tries one, and
// returns true if there is none.
func Proves(ctx context.Context, q postgres.Querier, ring *keyring.Keyring, version uint32) (bool, error) {
	records, err := selectBatch(ctx, q, version, id.Sealed{}, 1, 1)
	if err != nil || len(records) == 0 {
		return err == nil, err
	}
	_, err = ring.Open(records[0].binding(), records[0].envelope)
	return err == nil, nil
}

// Batch is some values of one key version, in the order of their ids.
type Batch struct {
	records []record
}

// Read returns up to limit values of a key version whose ids come after one; it
// stops early with the value that fills size bytes.
func (s *Service) Read(ctx context.Context, q postgres.Querier, version uint32, after id.Sealed, limit, size int) (Batch, error) {
	records, err := selectBatch(ctx, q, version, after, limit, size)
	return Batch{records}, err
}

// Len is the number of values.
func (b Batch) Len() int { return len(b.records) }

// Size is the number of bytes of the envelopes.
func (b Batch) Size() int {
	size := 0
	for _, r := range b.records {
		size += len(r.envelope)
	}
	return size
}

// Split returns the values in batches of up to n.
func (b Batch) Split(n int) iter.Seq[Batch] {
	return func(yield func(Batch) bool) {
		for part := range slices.Chunk(b.records, n) {
			if !yield(Batch{part}) {
				return
			}
		}
	}
}

// Cut returns the first n values, and the rest.
func (b Batch) Cut(n int) (first, rest Batch) {
	n = min(n, len(b.records))
	return Batch{b.records[:n]}, Batch{b.records[n:]}
}

// Last is the id of the last value.
func (b Batch) Last() id.Sealed { return b.records[len(b.records)-1].id }

// Moved says what became of a batch. What is in none of the numbers was changed
// by somebody else since it was read.
type Moved struct {
	Moved   int
	Already int         // somebody else has moved them
	Busy    int         // a transaction is changing them, or has deleted them
	Damaged []id.Sealed // do not open
}

// Move seals the values of a batch under the active version, in one statement.
// It writes nothing over what has changed since it was read. It returns
// ErrNotActive if the version is not active any more.
func (s *Service) Move(ctx context.Context, q postgres.Querier, b Batch, version uint32) (Moved, error) {
	ring := s.Keys.Keyring()
	for _, needed := range []uint32{version, b.records[0].keyVersion} {
		if !ring.Holds(needed) {
			return Moved{}, fmt.Errorf("sealing anew: version %d: %w", needed, keyring.ErrNoKey)
		}
	}
	w, damaged := b.rewrap(ring, version)
	m, err := w.write(ctx, q)
	m.Damaged = damaged
	if err != nil {
		return m, fmt.Errorf("writing sealed values: %w", err)
	}
	return m, nil
}

// rewrapped is a batch as it is to be written.
type rewrapped struct {
	version   uint32
	ids       [][16]byte // as PostgreSQL's driver likes them best
	heads     [][]byte   // of the envelopes that were read
	envelopes [][]byte
}

func (b Batch) rewrap(ring *keyring.Keyring, version uint32) (w rewrapped, damaged []id.Sealed) {
	n := len(b.records)
	w = rewrapped{version, make([][16]byte, 0, n), make([][]byte, 0, n), make([][]byte, 0, n)}
	for _, r := range b.records {
		envelope, err := ring.Rewrap(r.binding(), r.envelope, version)
		if err != nil {
			damaged = append(damaged, r.id)
			continue
		}
		w.ids = append(w.ids, r.id)
		w.heads = append(w.heads, r.envelope[:keyring.HeadSize])
		w.envelopes = append(w.envelopes, envelope)
	}
	return w, damaged
}

// write writes a batch. If a transaction is changing some of it, that has the
// right of way: the batch is written around it.
func (w rewrapped) write(ctx context.Context, q postgres.Querier) (Moved, error) {
	var m Moved
	var err error
	m.Moved, err = move(ctx, q, w)
	active := m.Moved > 0
	if fault.KindOf(err) == fault.Conflict {
		m, active, err = moveAround(ctx, q, w)
	} else if err == nil && !active {
		active, err = isActive(ctx, q, w.version)
	}
	switch {
	case err != nil:
		return m, err
	case !active:
		return m, ErrNotActive
	case m.Moved == len(w.ids):
		return m, nil
	}
	there, err := countUnder(ctx, q, w.version, w.ids)
	m.Already = max(there-m.Moved, 0)
	return m, err
}
