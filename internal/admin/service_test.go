package admin_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/admin"
	"github.com/fluxbase/fluxbase/internal/apikey"
	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/user"
)

// mailroom remembers what it was asked, and fails on demand.
type mailroom struct {
	invited, voided []id.User
	told            []string
	fail            error
}

func (m *mailroom) Configured() bool { return true }

func (m *mailroom) Invite(ctx context.Context, q postgres.Querier, userID id.User, email, redirectTo string, data map[string]any, from session.Origin) error {
	var there bool
	if err := q.QueryRow(ctx, `select email = $2 and email_verified_at is null from auth.users where id = $1`, userID, email).Scan(&there); err != nil || !there {
		return errors.Join(errors.New("not in the transaction that makes the user"), err)
	}
	if redirectTo != "https://app.example.com/" || data["name"] == nil || from.RequestID != "r" {
		return errors.New("not told what it needs")
	}
	m.invited = append(m.invited, userID)
	return m.fail
}

func (m *mailroom) Void(_ context.Context, _ postgres.Querier, userID id.User) error {
	m.voided = append(m.voided, userID)
	return m.fail
}

func (m *mailroom) Notify(_ context.Context, _ postgres.Querier, kind mail.Kind, address string, vars mail.Vars, from session.Origin) error {
	if from != (session.Origin{}) {
		return errors.New("the owner is told where the operator is")
	}
	m.told = append(m.told, string(kind)+" to "+address+" "+vars.NewEmail)
	return nil
}

type plainPasswords struct{}

func (plainPasswords) Digest(_ context.Context, password string) (string, error) {
	return password, nil
}

func (plainPasswords) Set(context.Context, postgres.Querier, id.User, string) error {
	return nil
}

func (plainPasswords) Remove(context.Context, postgres.Querier, id.User) error { return nil }
func (plainPasswords) Unlock(context.Context, postgres.Querier, id.User) error {
	return nil
}

func service(t *testing.T) (*pgtest.Database, *admin.Service, *mailroom) {
	t.Helper()
	db, m := pgtest.New(t), &mailroom{}
	return db, &admin.Service{
		DB: db, Users: &user.Service{DB: db, Now: time.Now}, Keys: &apikey.Keeper{DB: db, Now: time.Now},
		Sessions:  &session.Service{DB: db, Now: time.Now, Revoked: session.NewRevoked(time.Minute, time.Now)},
		Passwords: plainPasswords{}, Inviter: m, Links: m, Notices: m, Schemas: []string{"public"}, Now: time.Now,
	}, m
}

var operator = admin.By{Actor: audit.Actor{Kind: "key", ID: id.UUID{1}}, From: session.Origin{RequestID: "r"}}

// count counts rows of a table.
func count(t *testing.T, db *pgtest.Database, table string) int {
	t.Helper()
	var n int
	db.Scan(t, `select count(*) from auth.`+table, nil, &n)
	return n
}

// TestInvitation makes the user and writes the mail together, or neither.
func TestInvitation(t *testing.T) {
	t.Parallel()
	db, s, m := service(t)
	ctx := context.Background()
	in := admin.Invitation{Email: "Guest@Example.com", RedirectTo: "https://app.example.com/", Data: user.Metadata{"name": []byte(`"G"`)}}
	m.fail = errors.New("no mail today")
	if _, _, err := s.Invite(ctx, operator, in); !errors.Is(err, m.fail) || count(t, db, "users") != 0 {
		t.Errorf("%v, %d users", err, count(t, db, "users"))
	}
	m.fail = nil
	before := count(t, db, "audit_log")
	if _, again, err := s.Invite(ctx, operator, in); err != nil || again || len(m.invited) != 2 || count(t, db, "users") != 1 || count(t, db, "audit_log") != before+1 {
		t.Errorf("%v, %v", err, m.invited)
	}
	if _, again, err := s.Invite(ctx, operator, in); err != nil || !again || len(m.invited) != 3 || count(t, db, "users") != 1 || !slices.Equal(m.voided, m.invited[2:]) {
		t.Errorf("again: %v, %v, invited %v, voided %v", again, err, m.invited, m.voided)
	}
	for name, change := range map[string]string{
		"proven":    `email_verified_at = now()`,
		"signed in": `last_sign_in_at = now()`,
		"banned":    `banned_until = '9999-12-31'`,
	} {
		db.Exec(t, `update auth.users set `+change)
		if _, _, err := s.Invite(ctx, operator, in); !errors.Is(err, user.ErrExists) || len(m.invited) != 3 {
			t.Errorf("%s: %v", name, err)
		}
		db.Exec(t, `update auth.users set email_verified_at = null, last_sign_in_at = null, banned_until = null`)
	}
	db.Exec(t, `insert into auth.passwords (user_id, digest) select id, 'x' from auth.users`)
	if _, _, err := s.Invite(ctx, operator, in); !errors.Is(err, user.ErrExists) || len(m.invited) != 3 {
		t.Errorf("with a password: %v", err)
	}
	s.Inviter = nil
	in.Email = "other@example.com"
	if _, _, err := s.Invite(ctx, operator, in); fault.From(err).Code != "email_provider_disabled" || count(t, db, "users") != 1 {
		t.Errorf("nobody mails: %v", err)
	}
}

// TestWhatGoesWithAccount asks the others to let go of what they have of a user.
func TestWhatGoesWithAccount(t *testing.T) {
	t.Parallel()
	db, s, m := service(t)
	ctx := context.Background()
	userID, err := s.Users.Add(ctx, db.Single(), user.New{Email: "a@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	email, password := "b@example.com", "another"
	for name, do := range map[string]func() error{
		"address":  func() error { _, err := s.Update(ctx, operator, userID, admin.Change{Email: &email}); return err },
		"password": func() error { _, err := s.Update(ctx, operator, userID, admin.Change{Password: &password}); return err },
		"ban":      func() error { _, err := s.Ban(ctx, operator, userID, admin.Ban{}); return err },
	} {
		m.voided, m.fail = nil, errors.New("no")
		before := count(t, db, "audit_log")
		if err := do(); !errors.Is(err, m.fail) || count(t, db, "audit_log") != before {
			t.Errorf("%s: %v", name, err)
		}
		m.fail = nil
		if err := do(); err != nil || !slices.Equal(m.voided, []id.User{userID, userID}) {
			t.Errorf("%s: %v, voided %v", name, err, m.voided)
		}
	}
}

// TestSessionWaitsForABan signs in while a ban is being written: whoever is
// second sees what the first has done.
func TestSessionWaitsForABan(t *testing.T) {
	t.Parallel()
	db, s, _ := service(t)
	s.Sessions.Config.MaxLifetime = time.Hour
	ctx := context.Background()
	userID, err := s.Users.Add(ctx, db.Single(), user.New{Email: "a@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	begin := func() error {
		_, err := s.Sessions.Create(ctx, db.Single(), userID, "aal1", []string{"pwd"}, session.Origin{})
		return err
	}
	if err := begin(); err != nil {
		t.Fatalf("control: %v", err)
	}
	came := make(chan error, 1)
	err = db.InTx(ctx, func(q postgres.Querier) error {
		if err := s.Users.Ban(ctx, q, userID, user.Forever(), ""); err != nil {
			return err
		}
		go func() { came <- begin() }()
		within(t, 10*time.Second, "it waits", func() bool {
			var waiting bool
			err := db.Single().QueryRow(ctx, `select exists (select from pg_catalog.pg_stat_activity
				where datname = current_database() and wait_event_type = 'Lock')`).Scan(&waiting)
			return err == nil && (waiting || len(came) > 0)
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-came; !errors.Is(err, session.ErrBanned) {
		t.Errorf("%v", err)
	}
}
