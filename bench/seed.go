package main

import (
	"context"
	_ "embed" // scripts
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/bcrypt"

	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/sealed"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/signing"
)

// The scripts that fill the database.
var (
	//go:embed seed.sql
	seedSQL string
	//go:embed seed_over.sql
	seedOverSQL string
)

// team is how many users have a team in common; counts of users are multiples
// of it, so that no team is smaller.
const team = 20

// maxSeeded bounds users and sessions: the users of the script are 30 seconds
// apart, and none is of the future.
const maxSeeded = 2_000_000

// seed fills the database up to a number of users, with two sessions each.
func (b *rig) seed(ctx context.Context, users int) error {
	if users <= b.seeded {
		return nil
	}
	digest, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		return fmt.Errorf("hashing a password: %w", err)
	}
	err = b.script(ctx, seedSQL, map[string]string{
		"bench.first": strconv.Itoa(b.seeded + 1), "bench.last": strconv.Itoa(users), "bench.digest": string(digest),
	})
	if err != nil {
		return fmt.Errorf("seeding users: %w", err)
	}
	b.seeded = users
	return b.tidy(ctx)
}

// script runs statements that read settings.
func (b *rig) script(ctx context.Context, text string, settings map[string]string) error {
	for name, value := range settings {
		if _, err := b.conn.Exec(ctx, "select set_config($1, $2, false)", name, value); err != nil {
			return err //nolint:wrapcheck // the caller says what it was doing
		}
	}
	_, err := b.conn.PgConn().Exec(ctx, text).ReadAll()
	return err //nolint:wrapcheck // the caller says what it was doing
}

// tidy does what PostgreSQL's own upkeep would do sooner or later.
func (b *rig) tidy(ctx context.Context) error {
	for _, statement := range []string{
		"vacuum analyze auth.users", "vacuum analyze auth.identities", "vacuum analyze auth.passwords", "vacuum analyze auth.sessions",
	} {
		if _, err := b.conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("tidying up: %w", err)
		}
	}
	return nil
}

// restart stops the server and PostgreSQL, and starts them with settings.
func (b *rig) restart(ctx context.Context, settings ...string) error {
	_ = b.conn.Close(ctx)
	before := b.server
	b.server = nil
	if err := before.stop(); err != nil {
		return err
	}
	if err := b.start(ctx, settings...); err != nil {
		return err
	}
	return b.connect(ctx)
}

// member is a seeded user with a session and its tokens.
type member struct {
	refresh string
	access  []string // several, if there are few members

	live      session.Live
	team      string
	createdAt time.Time // the user
}

const membersSQL = `
select s.id, s.generation, s.expires_at, s.aal, s.amr, u.id, u.email, u.app_metadata, u.claims_version, u.app_metadata ->> 'team', u.created_at
from (
	select * from auth.sessions where user_agent like 'Mozilla/%' and ended_at is null and last_used_at > now() - interval '7 days'
	order by random() limit $1) s
join auth.users u on u.id = s.user_id`

// members returns seeded sessions at random, of all that there are, with tokens
// that are made here as the server makes them.
func (b *rig) members(ctx context.Context, count int) ([]member, error) {
	issuer, err := b.issuer(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := b.conn.Query(ctx, membersSQL, count)
	if err != nil {
		return nil, fmt.Errorf("choosing sessions: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (member, error) {
		var m member
		l := &m.live
		err := row.Scan(&l.ID, &l.Generation, &l.ExpiresAt, &l.AAL, &l.AMR, &l.User.ID, &l.User.Email, (*[]byte)(&l.User.AppMetadata),
			&l.User.Version, &m.team, &m.createdAt)
		return m, err //nolint:wrapcheck // wrapped below
	})
	if err != nil || len(found) == 0 {
		return nil, errors.Join(errors.New("no sessions could be chosen"), err)
	}
	for i := range max(passes, len(found)) {
		m := &found[i%len(found)]
		tokens, err := issuer.Issue(m.live)
		if err != nil {
			return nil, err //nolint:wrapcheck // says what it was doing
		}
		m.refresh, m.access = tokens.RefreshToken, append(m.access, tokens.AccessToken)
	}
	return found, nil
}

// issuer makes tokens with the server's own keys.
func (b *rig) issuer(ctx context.Context) (*session.Service, error) {
	ring, err := b.firstKeyring()
	if err != nil {
		return nil, err
	}
	db, err := postgres.Open(ctx, postgres.Config{OwnerURL: b.server.ready.DatabaseURL, MaxConns: 2})
	if err != nil {
		return nil, err //nolint:wrapcheck // says what it was doing
	}
	defer db.Close()
	signer := &signing.Service{DB: db, Secrets: &sealed.Service{Keys: oneKey{ring}, Now: now}}
	if err := signer.Load(ctx); err != nil {
		return nil, err //nolint:wrapcheck // says what it was doing
	}
	var claims struct {
		Issuer   string `json:"iss"`
		Audience string `json:"aud"`
	}
	if err := json.Unmarshal([]byte(b.people[0].claims), &claims); err != nil {
		return nil, fmt.Errorf("reading a token: %w", err)
	}
	return &session.Service{Signer: signer, Now: now, Config: session.Config{
		Issuer: claims.Issuer, Audience: claims.Audience, AccessTTL: 12 * time.Hour,
	}}, nil
}

// firstKeyring holds the key that the server has made at its first start.
func (b *rig) firstKeyring() (*keyring.Keyring, error) {
	text, err := os.ReadFile(filepath.Join(b.dir, "data", "secret.key"))
	if err != nil {
		return nil, fmt.Errorf("reading the key: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("reading the key: %w", err)
	}
	ring, err := keyring.New(1, map[uint32][]byte{1: key})
	return ring, err //nolint:wrapcheck // says what it was doing
}

// oneKey is a keyring that never changes.
type oneKey struct{ ring *keyring.Keyring }

func (k oneKey) Keyring() *keyring.Keyring    { return k.ring }
func (k oneKey) Reload(context.Context) error { return nil }
