package pgtest_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fluxbase/fluxbase/internal/archtest/statement"
	"github.com/fluxbase/fluxbase/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// TestEveryStatementPrepares has PostgreSQL read every statement of the sources
// against the migrated schema, as each role that runs it: a column that is gone,
// a cast that does not exist or a privilege that is missing is found here and not
// at night.
func TestEveryStatementPrepares(t *testing.T) {
	t.Parallel()
	program, err := statement.Load(pgtest.Root(), "internal", "cmd")
	if err != nil {
		t.Fatal(err)
	}
	found, _ := program.Find()
	doors, texts, times := openDoors(t), map[string]bool{}, map[string]int{}
	for _, st := range found {
		texts[st.Text] = true
		for _, role := range roles(st) {
			times[role]++
			if err := read(t.Context(), doors[role], st.Text); err != nil {
				t.Errorf("%s: as %s: %v", st.Where, role, err)
			}
		}
	}
	t.Logf("%d statements, %d times: %v", len(texts), len(found), times)
	if named := grep(t); named < 200 || len(texts) < named {
		t.Errorf("%d statements, and grep finds %d", len(texts), named)
	}
}

// TestWhatDoesNotPrepare is the control: each of these is refused.
func TestWhatDoesNotPrepare(t *testing.T) {
	t.Parallel()
	doors := openDoors(t)
	for role, text := range map[string]string{
		"owner":         `select nothing from auth.users where id = $1`,
		"anonymous":     `select id from auth.users where id = $1`,
		"authenticated": `update auth.sessions set user_id = $1`,
		"service_role":  `select sealed from auth.sealed_values`,
	} {
		if err := read(t.Context(), doors[role], text); err == nil {
			t.Errorf("%s may %s", role, text)
		}
	}
	for _, text := range []string{
		`select from pg_catalog.pg_authid`, `select $1::nothing`, `select $1 + $2 || $3::int4`, `with x as (delete from pg_catalog.pg_class) select 1`, `selec 1`,
		`select id from auth.users where id = 7`,
	} {
		if err := read(t.Context(), doors["owner"], text); err == nil {
			t.Errorf("the owner may %s", text)
		}
	}
	if err := read(t.Context(), doors["owner"], `select id from auth.users where id = $1`); err != nil {
		t.Error(err)
	}
}

// roles are those that run a statement.
func roles(st statement.Statement) []string {
	callers := []string{"anonymous", "authenticated", "service_role"}
	switch {
	case strings.HasSuffix(st.To, "internal/catalog field SQL"):
		return nil // the name of a type
	case strings.HasSuffix(st.To, "/postgres field SQL"), strings.HasSuffix(st.To, "/plan field SQL"), strings.HasSuffix(st.Of, "/postgres.run"):
		return callers
	case st.Func == "rls.selectSubject", st.Func == "rls.insertPerson":
		return []string{"owner"}
	case strings.HasSuffix(st.Of, "/postgres.Rehearsal"), strings.HasPrefix(st.Func, "rls."):
		return append(callers, "owner")
	default:
		return []string{"owner"}
	}
}

var constant = regexp.MustCompile(`(?m)^(?:const\s+|\t)\w+SQL\s*=`)

// grep counts the constants that are named like statements.
func grep(t *testing.T) (n int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(pgtest.Root(), "internal"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		n += len(constant.FindAll(text, -1))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// openDoors connects as each role, on the login that can become it.
func openDoors(t *testing.T) map[string]*pgx.Conn {
	t.Helper()
	db := pgtest.New(t)
	return map[string]*pgx.Conn{
		"owner": open(t, db.OwnerURL, "none"), "service_role": open(t, db.ServiceURL, "service_role"),
		"anonymous": open(t, db.UserURL, "anonymous"), "authenticated": open(t, db.UserURL, "authenticated"),
	}
}

func open(t *testing.T, url, role string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), "set plan_cache_mode = force_generic_plan; set role "+role); err != nil {
		t.Fatal(err)
	}
	return conn
}

var planned = regexp.MustCompile(`(?is)^\s*(select|insert|update|delete|merge|with|values)\b`)

// read has PostgreSQL parse a statement, and begin to run a plan of it, which is
// when it looks at privileges.
func read(ctx context.Context, conn *pgx.Conn, text string) error {
	const name = "statement"
	description, err := conn.Prepare(ctx, name, text)
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && strings.Contains(refused.Message, "multiple commands") {
		return run(ctx, conn, text)
	}
	if err != nil {
		return err
	}
	defer func() { _ = conn.Deallocate(ctx, name) }()
	if !planned.MatchString(text) {
		return nil
	}
	execute := "explain execute " + name
	if n := len(description.ParamOIDs); n > 0 {
		execute += "(null" + strings.Repeat(", null", n-1) + ")"
	}
	_, err = conn.PgConn().Exec(ctx, execute).ReadAll()
	return err
}

// run runs commands that come together, and undoes them.
func run(ctx context.Context, conn *pgx.Conn, text string) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	_, err = tx.Exec(ctx, text)
	return err
}
