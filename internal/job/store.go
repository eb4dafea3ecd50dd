package job

import (
	"context"
	"errors"

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
