// Package server puts the house together: from a configuration and a database
// to a running server. New reads from top to bottom in the order of the layers.
package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxbase/fluxbase/internal/admin"
	"github.com/fluxbase/fluxbase/internal/admin/transfer"
	"github.com/fluxbase/fluxbase/internal/apikey"
	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/authn"
	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/certificate"
	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/dataapi"
	"github.com/fluxbase/fluxbase/internal/dataapi/rest"
	"github.com/fluxbase/fluxbase/internal/doctor"
	"github.com/fluxbase/fluxbase/internal/encryption"
	"github.com/fluxbase/fluxbase/internal/job"
	"github.com/fluxbase/fluxbase/internal/listener"
	"github.com/fluxbase/fluxbase/internal/login"
	"github.com/fluxbase/fluxbase/internal/login/account"
	"github.com/fluxbase/fluxbase/internal/login/page"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/otp"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/postgres/migrate"
	"github.com/fluxbase/fluxbase/internal/rls/lint"
	"github.com/fluxbase/fluxbase/internal/rotation"
	"github.com/fluxbase/fluxbase/internal/sealed"
	"github.com/fluxbase/fluxbase/internal/secret"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/signing"
	"github.com/fluxbase/fluxbase/internal/telemetry"
	"github.com/fluxbase/fluxbase/internal/totp"
	"github.com/fluxbase/fluxbase/internal/user"
	"github.com/fluxbase/fluxbase/internal/web"
	"github.com/fluxbase/fluxbase/internal/webhook"
)

// Version is the version of the program.
const Version = "0.1.0"

// watchInterval is how often an instance looks for revocations at least.
const watchInterval = 300 * time.Millisecond

// Server is an assembled server.
type Server struct {
	Handler http.Handler
	Routes  []web.Route
	Keys    *apikey.Keeper

	config     *config.Config
	ownerURL   string
	logger     *slog.Logger
	db         *postgres.DB
	background *postgres.DB // for work that nobody waits for
	encryption *encryption.Service
	rotation   *rotation.Service
	jobs       *job.Service
	webhooks   *webhook.Service
	mail       *mail.Service
	audit      *audit.Service
	metrics    *prometheus.Registry
	export     *telemetry.Export
	health     *telemetry.Health
	revoked    *session.Revoked
	catalog    *catalog.Service
	linter     *lint.Service
	limits     *rateLimits // nil if there are none

	gate         *listener.Gate
	certificates certificate.Source // nil if the server speaks plain HTTP
	acme         *certificate.ACME  // of them; nil if none are ordered
}

// New migrates the database, loads what has to be in memory, and assembles the
// server. It does not listen yet. ownerURL is the database as its owner.
func New(ctx context.Context, c *config.Config, ownerURL string, logger *slog.Logger) (*Server, error) {
	if err := prepare(ctx, c, ownerURL, logger); err != nil {
		return nil, err
	}
	now := time.Now
	s := &Server{config: c, ownerURL: ownerURL, logger: logger}
	if err := s.open(ctx, now); err != nil {
		if s.encryption != nil {
			s.encryption.Close(ctx)
		}
		s.close(ctx)
		return nil, err
	}
	return s, nil
}

// open opens the database and assembles what works on it.
func (s *Server) open(ctx context.Context, now func() time.Time) error {
	c := s.config
	var err error
	if s.export, err = telemetry.OpenExport(ctx, os.Getenv, Version, now(), s.logger); err != nil {
		return err
	}
	s.db, err = postgres.Open(ctx, postgres.Config{
		OwnerURL: s.ownerURL, MaxConns: int32(c.Database.MaxConnections), //nolint:gosec // at most 1,000
		StatementTimeout: c.Database.StatementTimeout, Pooled: pooled(c), Traced: s.export.Tracer != nil,
	})
	if err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	if s.background, err = openBackground(ctx, c, s.ownerURL, s.export.Tracer != nil); err != nil {
		return err
	}
	if s.encryption, err = openKeys(ctx, c, s.background, false, s.logger); err != nil {
		return err
	}
	if err := refuseDevelopmentKeys(ctx, c, s.background); err != nil {
		return err
	}
	values := &sealed.Service{Keys: s.encryption, Now: now}
	if err := openLogins(ctx, c, s.ownerURL, s.db, values); err != nil {
		return err
	}
	return s.assemble(ctx, values, now)
}

// refuseDevelopmentKeys keeps production from a database in which the keys of a
// development server are in force, which it prints at every start.
func refuseDevelopmentKeys(ctx context.Context, c *config.Config, db *postgres.DB) error {
	if c.Environment != config.Production {
		return nil
	}
	made, err := doctor.DevelopmentKeys(ctx, db.Single())
	if err != nil {
		return fmt.Errorf("looking for development keys: %w", err)
	}
	if len(made) > 0 {
		return fmt.Errorf("the database has keys that fluxbase dev has made and printed; production refuses them. Revoke each: fluxbase-cli keys revoke %s", strings.Join(made, ", "))
	}
	return nil
}

func pooled(c *config.Config) bool { return c.Database.Pooler == "transaction" }

// close lets go of the database, and of whoever collects traces.
func (s *Server) close(ctx context.Context) {
	s.export.Close(ctx)
	if s.limits != nil {
		s.limits.closes()
	}
	for _, db := range []*postgres.DB{s.db, s.background} {
		if db != nil {
			db.Close()
		}
	}
}

// prepare brings the database to the schema of this program.
func prepare(ctx context.Context, c *config.Config, ownerURL string, logger *slog.Logger) error {
	if err := migrate.EnsureRoles(ctx, ownerURL); err != nil {
		return fmt.Errorf("preparing the database: %w", err)
	}
	if _, err := migrate.Up(ctx, ownerURL, logger, migrate.Queue(), migrate.Server(), migrate.Project(c.Migrations.Dir)); err != nil {
		return fmt.Errorf("preparing the database: %w", err)
	}
	return nil
}

// assemble makes one of everything, bottom to top.
func (s *Server) assemble(ctx context.Context, values *sealed.Service, now func() time.Time) error {
	c := s.config

	s.catalog = &catalog.Service{DB: s.db, Schemas: c.Data.Schemas, Logger: s.logger, Now: now}
	if err := s.catalog.Load(ctx); err != nil {
		return err
	}
	signer := &signing.Service{DB: s.db, Secrets: values, Secret: []byte(c.Auth.JWT.Secret.Reveal())}
	if err := signer.Load(ctx); err != nil {
		return err
	}
	s.revoked = session.NewRevoked(c.Auth.JWT.Expiry, now)
	sessions := &session.Service{
		DB: s.db, Signer: signer, Revoked: s.revoked, Now: now,
		Config: sessionConfig(c),
	}
	s.Keys = &apikey.Keeper{DB: s.db, Now: now}
	users := &user.Service{DB: s.db, Now: now}
	passwords, err := passwordsOf(c, s.logger)
	if err != nil {
		return err
	}
	authenticator := &authn.Authenticator{Tokens: sessions, Keys: s.Keys, Revoked: s.revoked, Origin: originOf(c.PublicURL), Now: now}
	if err := dataapi.CheckPreRequest(ctx, s.db.Single(), c.Data.PreRequest); err != nil {
		return err //nolint:wrapcheck // says what it is about
	}
	data := dataOf(c, s.db, s.catalog)
	secrets := &secret.Service{DB: s.db, Values: values, Now: now}
	if err := s.work(ctx, values); err != nil {
		return err
	}
	var mailbox *mail.Mailbox
	if s.mail, mailbox, err = mails(c, s.background, s.jobs, values, s.logger); err != nil {
		return err
	}
	flows := &otp.Service{DB: s.db, MAC: signer, Now: now}
	factors := &totp.Service{DB: s.db, Values: values, MAC: signer, Issuer: c.Auth.TOTPIssuer, Now: now}
	people := &login.Service{
		DB: s.db, Users: users, Passwords: passwords, Factors: factors, Flows: flows, Mail: s.mail, Sessions: sessions, Keys: s.Keys,
		SignIns: login.NewSignIns(), Config: loginConfig(c),
	}
	users.Farewell = farewell{s.mail, people}
	own := &account.Service{Service: people, Window: c.Auth.ReauthenticationWindow}
	links := &page.Service{Links: people, Name: c.Auth.TOTPIssuer, Now: now}
	sweeps(s.jobs, sessions, c.Auth.SessionRetention, flows.Clean, func(ctx context.Context, limit int) (bool, error) { return passwords.Clean(ctx, s.db.Single(), limit) })
	if s.rotation, err = rotations(ctx, c, s.background, s.encryption, values, s.webhooks, s.logger); err != nil {
		return err
	}
	operators := &admin.Service{
		DB: s.db, Users: users, Sessions: sessions, Keys: s.Keys, Passwords: passwordDesk{passwords}, Digests: passwordDesk{passwords}, Factors: factors,
		Inviter: people, Links: linkDesk{flows}, Notices: people,
		Schemas: c.Data.Schemas, Now: now,
	}
	sweepsGuests(s.jobs, operators, c.Auth.AnonymousRetention, s.logger)
	transfers := &transfer.Service{DB: s.db, Desk: operators, Factors: factorDesk{factors}, Now: now}
	s.linter = linter(c, s.db)
	s.health = s.healthOf(now)
	if s.limits, err = newLimits(c, s.db, s.jobs, s.logger, now); err != nil {
		return err
	}
	routes := concat(
		people.Routes(), own.Routes(), links.Routes(), rest.New(data, signer).Routes(),
		operators.Routes(), transfers.Routes(), s.Keys.Routes(), secrets.Routes(), s.rotation.Routes(), s.mail.Routes(), mailbox.Routes(), s.audit.Routes(),
		explaining(c, s.db, sessions, now).Routes(), s.linter.Routes(), describing(c, s.db).Routes(), signer.Routes(), healthRoutes(s.health),
	)
	s.Routes, err = describe(ctx, s.db, routes)
	if err != nil {
		return err
	}
	frame := s.frame(authenticator, now)
	s.encryption.Requests = frame.Requests
	passwords.Pool.Busy = func() bool { return frame.Active() > passwords.Pool.Waiting() }
	s.Handler = frame.Handler(s.Routes)
	return s.measure(ctx, passwords, people.SignIns, frame)
}

// work makes what requests come through, and the job queue with what is done by
// it alone.
func (s *Server) work(ctx context.Context, values *sealed.Service) (err error) {
	if err := s.openTransport(values, time.Now); err != nil {
		return err
	}
	if s.jobs, s.webhooks, err = outgoing(s.config, s.background, values, s.logger); err != nil {
		return err
	}
	s.jobs.Tracer = s.export.Tracer
	s.audit, err = auditing(ctx, s.config, s.background, s.jobs, values, s.logger)
	return err
}

// frame is the path of every request around its handler.
func (s *Server) frame(a *authn.Authenticator, now func() time.Time) *web.Server {
	c := s.config.Server
	frame := &web.Server{
		Authenticate: a.Request, Logger: s.logger, Now: now,
		MaxBody: int64(c.MaxBodySize), Deadline: c.WriteTimeout * 9 / 10, MinRate: int64(c.MinBodyRate), TrustedProxies: c.TrustedProxies,
		LocalClients: s.config.Environment == config.Development,
		Headers:      headers(s.config),
		AllowOrigin:  origins(s.config),
		Tracer:       s.export.Tracer, TrustTraceparent: s.config.Telemetry.TrustTraceparent,
	}
	if s.limits != nil {
		frame.Limits = s.limits
	}
	return frame
}

func hashWorkers(c *config.Config) int {
	if c.Auth.HashWorkers > 0 {
		return c.Auth.HashWorkers
	}
	return runtime.NumCPU()
}
