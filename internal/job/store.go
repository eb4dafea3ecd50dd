package job

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

// client is River on transactions of the owner's.
type client = river.Client[pgx.Tx]

func newClient(db *postgres.DB, s *Service) (*client, error) {
	return river.NewClient(db.Queue(), config(s, db.Listens()))
}

var errNoTransaction = errors.New("there is no transaction to write it in")

func insertTx(ctx context.Context, c *client, q postgres.Querier, args inserted, o *river.InsertOpts) error {
	tx, ok := q.(pgx.Tx)
	if !ok {
		return errNoTransaction
	}
	_, err := c.InsertTx(ctx, tx, args, o)
	return postgres.Fault(err)
}

const selectOldestSQL = `select min(scheduled_at) from auth.river_job where state in ('available', 'retryable') and scheduled_at <= $1`

// selectOldest returns since when the job has been due that waits longest; zero if
// none is.
func selectOldest(ctx context.Context, db *postgres.DB, now time.Time) (time.Time, error) {
	var oldest *time.Time
	if err := db.Single().QueryRow(ctx, selectOldestSQL, now).Scan(&oldest); err != nil || oldest == nil {
		return time.Time{}, postgres.Fault(err)
	}
	return *oldest, nil
}
