package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// site is a cluster's place and the means to run it there. The home folder
// belongs to this process' user and holds "data" (the cluster), "run" (its
// socket), "password", "port", "lock" and "log"; only data, run and password
// belong to the account.
type site struct {
	log     *slog.Logger
	account *account
	server  server
	home    string
}

func (s *site) path(name string) string { return filepath.Join(s.home, name) }
func (s *site) data() string            { return s.path("data") }

// settle finds out where the cluster lives, or will, and what runs it. It
// needs no lock: doing it twice gives the same.
func (h host) settle(ctx context.Context, o Options) (*site, error) {
	base, err := ownBase(o.Dir)
	if err != nil {
		return nil, err
	}
	home, recorded, err := h.recordedHome(base)
	if err != nil {
		return nil, err
	}
	s := &site{log: o.Logger, home: home}
	if s.account, err = h.account(s.data()); err != nil {
		return nil, err
	}
	major, err := majorOf(s.data())
	if err != nil {
		return nil, err
	}
	if s.server, err = h.find(ctx, o, major, s.account); err != nil {
		return nil, fmt.Errorf("find programs for %s: %w", s.data(), err)
	}
	if s.account == nil {
		return s, nil
	}
	err = s.server.startsIn(ctx, s.account, s.home)
	if !errors.Is(err, fs.ErrPermission) {
		return s, err
	}
	if recorded || major != 0 {
		return nil, fmt.Errorf("%s cannot enter %s, let it pass the parent folders (chmod o+x): %w", s.account, s.home, err)
	}
	if s.home, err = h.relocate(base); err != nil {
		return nil, err
	}
	o.Logger.InfoContext(ctx, "embedded postgres keeps its data elsewhere, as its account cannot reach the data directory",
		"home", s.home, "account", s.account.name)
	return s, s.server.startsIn(ctx, s.account, s.home)
}

// majorOf reads the major version of a cluster, 0 if there is none.
func majorOf(data string) (int, error) {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION")) //nolint:gosec // a file of ours
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the version of the data: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || major <= 0 {
		return 0, fmt.Errorf("%s is no PostgreSQL cluster: its PG_VERSION is unreadable", data)
	}
	return major, nil
}
