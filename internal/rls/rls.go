// Package rls says why: what Row-Level Security makes of a statement, policy by
// policy, and whether policies do what their tests say.
//
// Whatever runs here runs in a transaction that never commits, on a connection
// that is closed afterwards. Rows that policies hide are counted, and never
// shown.
package rls

import (
	"context"
	"time"

	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/session"
)

// Database is the doors to the database, of which those for rehearsals lead
// nowhere.
type Database interface {
	Single() postgres.Querier
	Rehearse(ctx context.Context, p *principal.Principal, role principal.Role, f func(*postgres.Rehearsal) error) error
	RehearseAsOwner(ctx context.Context, f func(*postgres.Rehearsal) error) error
}

// Sessions knows what a token would say.
type Sessions interface {
	Pretend(user session.Subject) (*principal.Principal, error)
}

// Service explains and tests policies. It is safe for concurrent use.
type Service struct {
	DB       Database
	Sessions Sessions

	Explains bool // the callers' doors are open

	// Tests lets cases of tests run over HTTP. They run in transactions of the
	// owner's, so this is for a server of development, and for whoever has the
	// database anyway.
	Tests bool

	Now func() time.Time
}
