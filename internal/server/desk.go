package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/fluxbase/fluxbase/internal/apikey"
	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/encryption"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/rotation"
	"github.com/fluxbase/fluxbase/internal/sealed"
	"github.com/fluxbase/fluxbase/internal/secret"
	"github.com/fluxbase/fluxbase/internal/web"
)

// Desk is the part of the admin API that works without a server: what concerns
// keys, secrets, policies, types and the audit log, for whoever has the database and the configuration. It
// answers to nobody but its process.
type Desk struct {
	Handler  http.Handler
	Rotation *rotation.Service

	db   *postgres.DB
	keys *encryption.Service
	stop context.CancelFunc
	done chan struct{}
}

// OpenDesk opens the database with the keys of the configuration. If keys are to
// be changed it is one more of the programs that hold them, and may bring in
// those that the configuration has; if not, it only uses what there is. Close it.
func OpenDesk(ctx context.Context, c *config.Config, ownerURL string, changes bool, logger *slog.Logger) (*Desk, error) {
	db, err := openBackground(ctx, c, ownerURL, false)
	if err != nil {
		return nil, err
	}
	keys, err := openKeys(ctx, c, db, !changes, logger)
	if err != nil {
		db.Close()
		if fault.KindOf(err) == fault.NotFound {
			err = fmt.Errorf("the database does not have the schema of this version; start the server, or: fluxbase migrate up (%w)", err)
		}
		return nil, err
	}
	d := &Desk{db: db, keys: keys, done: make(chan struct{})}
	if err := d.assemble(ctx, c, logger); err != nil {
		keys.Close(ctx)
		db.Close()
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	d.stop = stop
	go func() {
		defer close(d.done)
		keys.Run(running, func(context.Context) {})
	}()
	return d, nil
}

func (d *Desk) assemble(ctx context.Context, c *config.Config, logger *slog.Logger) error {
	values := &sealed.Service{Keys: d.keys, Now: time.Now}
	_, webhooks, err := outgoing(c, d.db, values, logger)
	if err != nil {
		return err
	}
	if d.Rotation, err = rotations(ctx, c, d.db, d.keys, values, webhooks, logger); err != nil {
		return err
	}
	secrets := &secret.Service{DB: d.db, Values: values, Now: time.Now}
	frame := operatorsFrame(logger)
	frame.MaxBody = int64(c.Server.MaxBodySize)
	d.Handler = frame.Handler(concat(secrets.Routes(), auditOf(c, d.db, values, logger).Routes(), d.Rotation.Routes(), testing(c, d.db).Routes(), linter(c, d.db).Routes(), describing(c, d.db).Routes()))
	return nil
}

// KeyDesk is the part of the admin API that keeps client and service keys, for
// whoever has the database: the first of them can be made in no other way.
func KeyDesk(db *postgres.DB, logger *slog.Logger) http.Handler {
	return operatorsFrame(logger).Handler((&apikey.Keeper{DB: db, Now: time.Now}).Routes())
}

// operatorsFrame takes every request for one of whoever has the database.
func operatorsFrame(logger *slog.Logger) *web.Server {
	return &web.Server{
		Authenticate: func(*http.Request) (*principal.Principal, error) { return principal.OfOperator(), nil },
		Logger:       logger, Now: time.Now, MaxBody: 1 << 20, Deadline: time.Minute,
	}
}

// Close lets go of the database.
func (d *Desk) Close() {
	d.stop()
	<-d.done
	d.db.Close()
}
