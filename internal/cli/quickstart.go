package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/dev"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// quickstartSQL is what a developer would write: a table for each of the two
// ways in which a policy can know who asks.
const quickstartSQL = `
create table if not exists public.todos (
  id      bigint generated always as identity primary key,
  user_id uuid not null default auth.uid(),
  task    text not null,
  done    boolean not null default false
);
create index if not exists todos_user_id on public.todos (user_id);
alter table public.todos enable row level security;
drop policy if exists "own todos" on public.todos;
create policy "own todos" on public.todos
  using ((select auth.uid()) = user_id);

create table if not exists public.notes (
  id      bigint generated always as identity primary key,
  user_id uuid not null default nullif(current_setting('app.user_id', true), '')::uuid,
  body    text not null
);
create index if not exists notes_user_id on public.notes (user_id);
alter table public.notes enable row level security;
drop policy if exists "own notes" on public.notes;
create policy "own notes" on public.notes
  using (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid));
`

// The two people of the quickstart.
const quickstartPassword = "quickstart-password"

func quickstartCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quickstart",
		Short: "Show two people and their rows on the running development server",
		Long: "Makes the tables todos and notes with policies, signs Alice and Bob up, writes a row each, and shows what " +
			"Alice, Bob, a stranger and the service key see of them. Fails if any of them sees what they should not.",
		Args: NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := load(cmd, config.Development, map[string]string{"data-dir": "database.data_dir"})
			if err != nil {
				return err
			}
			running, err := dev.Running(c.Database.DataDir)
			if err != nil {
				return err
			}
			q := &quickstart{server: running, out: cmd.OutOrStdout(), client: &http.Client{Timeout: 30 * time.Second}}
			return q.run(cmd.Context())
		},
	}
	cmd.Flags().String("data-dir", "", "folder of the development server (default .fluxbase)")
	return cmd
}

type quickstart struct {
	server dev.Ready
	out    io.Writer
	client *http.Client
}

// person is somebody who asks. Nobody has no token.
type person struct {
	name  string
	id    string
	token string
	sees  []string // the ids of the people whose rows they should see
}

func (q *quickstart) run(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, q.server.DatabaseURL)
	if err != nil {
		why, _ := postgres.Unreachable(err)
		return fmt.Errorf("the development server does not answer (start it with: fluxbase dev): %s", cmp.Or(why, err.Error()))
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()

	if _, err := conn.Exec(ctx, quickstartSQL); err != nil {
		return fmt.Errorf("making the tables: %w", err)
	}
	_, _ = fmt.Fprintf(q.out, "Made the tables todos and notes, with these policies:\n%s\n", quickstartSQL)

	alice, err := q.join(ctx, "alice")
	if err != nil {
		return err
	}
	bob, err := q.join(ctx, "bob")
	if err != nil {
		return err
	}
	nobody := person{name: "a stranger", token: q.server.ClientKey}
	service := person{name: "the service key", token: q.server.ServiceKey, sees: []string{alice.id, bob.id}}
	for _, p := range []person{alice, bob, nobody, service} {
		if err := q.show(ctx, p, alice.id, bob.id); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprintln(q.out, "Each of them saw what they should, and nothing else; the table notes was checked the same way.")
	return nil
}

// join signs somebody up, or in if the quickstart has run before, and writes a
// row of theirs into each table that has none.
func (q *quickstart) join(ctx context.Context, name string) (person, error) {
	credentials := map[string]string{"email": name + "@example.com", "password": quickstartPassword}
	status, body, err := q.call(ctx, http.MethodPost, "/api/v1/auth/signup", "", credentials)
	if err == nil && status == http.StatusConflict {
		status, body, err = q.call(ctx, http.MethodPost, "/api/v1/auth/signin", "", credentials)
	}
	if err != nil {
		return person{}, err
	}
	var answer struct {
		User    struct{ ID string }
		Session struct {
			AccessToken string `json:"access_token"`
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Session.AccessToken == "" {
		return person{}, fmt.Errorf("signing %s in: status %d: %s", name, status, body)
	}
	p := person{name: name, id: answer.User.ID, token: answer.Session.AccessToken, sees: []string{answer.User.ID}}
	for table, row := range map[string]map[string]string{
		"todos": {"task": "a task of " + name + "'s"}, "notes": {"body": "a note of " + name + "'s"},
	} {
		owners, _, err := q.rows(ctx, p, table)
		if err == nil && len(owners) == 0 {
			status, body, err = q.call(ctx, http.MethodPost, "/api/v1/tables/"+table, p.token, row)
			if err == nil && status != http.StatusCreated {
				err = fmt.Errorf("writing %s's row: status %d: %s", name, status, body)
			}
		}
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

// show prints what somebody sees, as a command and its answer, and fails if
// that is not what they should see.
func (q *quickstart) show(ctx context.Context, p person, everybody ...string) error {
	for _, table := range []string{"notes", "todos"} {
		owners, body, err := q.rows(ctx, p, table)
		if err != nil {
			return err
		}
		if table == "todos" {
			_, _ = fmt.Fprintf(q.out, "What %s sees:\n\n  curl -s '%s/api/v1/tables/todos' -H 'Authorization: Bearer %s'\n\n  %s\n\n",
				p.name, q.server.APIURL, p.token, body)
		}
		should := map[string]bool{}
		for _, id := range p.sees {
			should[id] = true
		}
		for _, id := range everybody {
			if owners[id] != should[id] {
				return fmt.Errorf("ROW-LEVEL SECURITY DOES NOT HOLD: %s on table %s sees rows of %v and should see those of %v", p.name, table, owners, p.sees)
			}
		}
		if p.id != "" && len(owners) != 1 || len(p.sees) == 0 && len(owners) != 0 {
			return fmt.Errorf("ROW-LEVEL SECURITY DOES NOT HOLD: %s on table %s sees rows of %v", p.name, table, owners)
		}
	}
	return nil
}

// rows reads a table as somebody and returns whose rows came back.
func (q *quickstart) rows(ctx context.Context, p person, table string) (map[string]bool, []byte, error) {
	status, body, err := q.call(ctx, http.MethodGet, "/api/v1/tables/"+table, p.token, nil)
	if err != nil {
		return nil, nil, err
	}
	var rows []struct {
		UserID string `json:"user_id"`
	}
	if err := json.Unmarshal(body, &rows); err != nil || status != http.StatusOK {
		return nil, nil, fmt.Errorf("reading %s as %s: status %d: %s", table, p.name, status, body)
	}
	owners := map[string]bool{}
	for _, r := range rows {
		owners[r.UserID] = true
	}
	return owners, body, nil
}

func (q *quickstart) call(ctx context.Context, method, path, token string, body any) (int, []byte, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, fmt.Errorf("encoding a request: %w", err)
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, q.server.APIURL+path, content)
	if err != nil {
		return 0, nil, fmt.Errorf("making a request: %w", err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := q.client.Do(request)
	if err != nil {
		return 0, nil, fmt.Errorf("the development server does not answer (start it with: fluxbase dev): %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, nil, fmt.Errorf("reading the answer of the development server: %w", err)
	}
	return response.StatusCode, answer, nil
}
