package rls

import (
	"context"
	"slices"
	"strings"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/user"
)

var errNobody = fault.Input("/as", "user_not_found", "There is no such user. Name one by id or e-mail address, or say anonymous or service_role.")

// Question is a statement, and as whom it would be run.
type Question struct {
	As  string `json:"as"`  // a user by id or address, "anonymous" or "service_role"
	SQL string `json:"sql"` // one SELECT, INSERT, UPDATE or DELETE
}

// Explanation is what Row-Level Security makes of a statement.
type Explanation struct {
	Role    string   `json:"role"`
	Command string   `json:"command"`
	Helpers []Helper `json:"helpers"`
	Outcome Outcome  `json:"outcome"`
	Tables  []Table  `json:"tables"`
	Verdict string   `json:"verdict"`
}

// Helper is what a function that policies ask answers.
type Helper struct {
	Name  string  `json:"name"`
	Value *string `json:"value"`
}

// Outcome is how the statement ends as the one it was asked for.
type Outcome struct {
	Rows    int64  `json:"rows"` // returned or changed; of a query at most 1,000
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// Table is one table or view that the statement is about.
type Table struct {
	Name     string   `json:"name"`
	Alias    string   `json:"alias"`
	Commands []string `json:"commands"` // what the statement does with it
	Enabled  bool     `json:"rls_enabled"`
	Forced   bool     `json:"rls_forced"`
	Applies  bool     `json:"rls_applies"` // to this role
	Missing  []string `json:"missing_grants"`
	Aimed    *int     `json:"rows_aimed_at"` // that meet the conditions on this table alone; null: not known
	Through  *int     `json:"rows_let_through"`
	New      *int     `json:"new_rows"`
	Accepted *int     `json:"new_rows_accepted"`
	Bounded  bool     `json:"bounded"` // there may be more rows than were looked at
	Notes    []string `json:"notes"`
	Policies []Policy `json:"policies"`

	pastPolicies string // why the policies of this role do not decide; empty if they do
	loose        bool   // rows were found by some of the conditions only
	bare         string // the name that policies know the table by
	rows, fresh  string // arrays of rows, which do not leave this package
}

// Policy is one policy of a table.
type Policy struct {
	Name    string   `json:"name"`
	Kind    string   `json:"kind"` // permissive or restrictive
	Command string   `json:"command"`
	Roles   []string `json:"roles"`
	Using   *string  `json:"using"`
	Check   *string  `json:"with_check"`
	Applies bool     `json:"applies"`
	Why     string   `json:"why,omitempty"` // it does not apply
	Through *int     `json:"rows_let_through"`
	Accepts *int     `json:"new_rows_accepted"`
	Error   string   `json:"error,omitempty"` // of evaluating it as this role

	forRole bool
}

// Explain runs a statement as somebody, twice, and undoes it: past Row-Level
// Security to see which rows it aims at, and as them to see how it ends. What a
// transaction cannot undo, such as the next number of a sequence, stays done.
func (s *Service) Explain(ctx context.Context, q Question) (Explanation, error) {
	p, err := s.principalOf(ctx, q.As)
	if err != nil {
		return Explanation{}, err
	}
	e := Explanation{Role: string(p.Role), Tables: []Table{}}
	var scans []scan
	err = s.DB.Rehearse(ctx, p, principal.Service, func(r *postgres.Rehearsal) error {
		scans, err = e.aim(ctx, r, q.SQL)
		return err
	})
	if err != nil {
		return Explanation{}, said(err)
	}
	err = s.DB.Rehearse(ctx, p, p.Role, func(r *postgres.Rehearsal) error {
		if e.Helpers, err = selectHelpers(ctx, r); err != nil {
			return err
		}
		for i := range e.Tables {
			if err := e.Tables[i].judge(ctx, r); err != nil {
				return err
			}
		}
		return e.end(ctx, r, q.SQL, !changes(scans))
	})
	if err != nil {
		return Explanation{}, said(err)
	}
	e.Verdict = e.verdict()
	return e, nil
}

// principalOf is who a name means, as right after signing in.
func (s *Service) principalOf(ctx context.Context, name string) (*principal.Principal, error) {
	switch name {
	case "anonymous", "anon":
		return principal.Nobody(), nil
	case "service", "service_role":
		return &principal.Principal{Role: principal.Service, Claims: `{"role":"service_role"}`}, nil
	}
	var userID id.User
	email := ""
	if u, err := id.Parse(name); err == nil {
		userID = id.User(u)
	} else if email, err = user.NormalizeEmail(name); err != nil {
		return nil, errNobody
	}
	subject, err := selectSubject(ctx, s.DB.Single(), userID, email)
	if err != nil {
		return nil, err
	}
	return s.Sessions.Pretend(subject)
}

// said shows what PostgreSQL says about a statement, to whoever wrote it.
func said(err error) error {
	report, f := postgres.Report(err), fault.From(err)
	if report == nil || f.Kind == fault.Internal || f.Kind == fault.Unavailable || f.Kind == fault.Timeout {
		return err
	}
	c := *f
	c.Kind, c.SQL, c.Detail = fault.Invalid, report, report.Message
	c.Fields = []fault.Field{{Pointer: "/sql", Detail: report.Message}}
	return &c
}

// aim finds the tables of a statement and the rows that it is about, past
// Row-Level Security.
func (e *Explanation) aim(ctx context.Context, r *postgres.Rehearsal, sql string) ([]scan, error) {
	if err := parseStatement(ctx, r, sql); err != nil {
		return nil, err
	}
	plan, err := planOf(ctx, r, sql)
	if err != nil {
		return nil, err
	}
	var scans []scan
	if e.Command, scans, err = readPlan(plan); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(scans, func(s scan) bool { return s.command == "MERGE" }) {
		return nil, fault.Input("/sql", "unsupported_statement", "MERGE is not explained. Ask about the INSERT, UPDATE or DELETE that it amounts to.")
	}
	if !changes(scans) {
		if err := openCursor(ctx, r, sql); err != nil {
			return nil, err
		}
	}
	views, err := selectViews(ctx, r)
	if err != nil {
		return nil, err
	}
	for _, v := range views {
		scans = append(scans, scan{schema: v[0], name: v[1], alias: v[1], command: "SELECT"})
	}
	slices.SortStableFunc(scans, func(a, b scan) int { return a.order(&b) })
	for _, s := range scans {
		if err := e.look(ctx, r, s); err != nil {
			return nil, err
		}
	}
	e.fresh(ctx, r, sql)
	return scans, nil
}

// look adds a table, with the rows that the statement aims at.
func (e *Explanation) look(ctx context.Context, r *postgres.Rehearsal, s scan) error {
	known, found, err := selectTouched(ctx, r, s.schema, s.name, e.Role)
	if err != nil || !found {
		return err
	}
	t := Table{
		Name: known.label, bare: known.bare, Alias: s.alias, Commands: []string{s.command}, Enabled: known.enabled, Forced: known.forced,
		Applies: known.enabled && !known.bypassed, Missing: []string{}, Notes: []string{},
	}
	if s.upserts {
		t.Notes = append(t.Notes, "A row that is there already has to pass the policies about SELECT and UPDATE instead; that is not counted.")
	}
	if s.mayLock {
		t.Notes = append(t.Notes, "If its rows are locked, as by FOR UPDATE, they have to pass the policies about UPDATE too; that is not counted.")
	}
	if s.reads {
		t.Commands = append(t.Commands, "SELECT")
	}
	if s.locks {
		t.Commands = append(t.Commands, "UPDATE")
	}
	if slices.ContainsFunc(e.Tables, func(o Table) bool { return o.Name == t.Name && (o.Alias == t.Alias || known.kind == "p") }) {
		return nil
	}
	t.grants(known, e.Role)
	if known.kind == "v" {
		if !known.invoker {
			t.pastPolicies = "The view " + t.Name + " reads as its owner, " + known.owner + ": policies of the tables beneath it are asked for that role, not for " + e.Role + "."
			t.Notes = append(t.Notes, t.pastPolicies)
		}
		t.Policies = []Policy{}
		e.Tables = append(e.Tables, t)
		return nil
	}
	if t.Policies, err = selectPoliciesOf(ctx, r, known.oid, e.Role); err != nil {
		return err
	}
	if s.command != "INSERT" {
		if err := t.aimed(ctx, r, s); err != nil {
			return err
		}
	}
	e.Tables = append(e.Tables, t)
	return nil
}

// grants says what the role lacks, as the statement that grants it.
func (t *Table) grants(known touched, role string) {
	for _, schema := range known.missing {
		t.Missing = append(t.Missing, "grant usage on schema "+schema+" to "+role+";")
	}
	for _, command := range t.Commands {
		if !slices.Contains(known.privileges, command) {
			t.Missing = append(t.Missing, "grant "+strings.ToLower(command)+" on "+t.Name+" to "+role+";")
		}
	}
}

// aimed finds the rows that meet the conditions of the statement on this table.
// Conditions that depend on other parts of the plan cannot be asked alone.
func (t *Table) aimed(ctx context.Context, r *postgres.Rehearsal, s scan) error {
	var n int
	find := func(condition string) error {
		return r.Try(ctx, func() (err error) {
			t.rows, n, err = rowsWhere(ctx, r, t.Name, postgres.Quote(s.alias), condition)
			return err
		})
	}
	err := find(s.filter)
	if err != nil && fault.KindOf(err) != fault.Timeout && s.filter != "" {
		t.loose = true
		t.Notes = append(t.Notes, "Conditions that depend on other tables are left out: these are rows that may be meant.")
		err = find("")
	}
	if err != nil {
		t.Notes = append(t.Notes, "The rows that are aimed at could not be read: "+message(err))
		return nil
	}
	t.Aimed, t.Bounded = &n, n >= 1000
	return nil
}

// fresh runs an INSERT or UPDATE past Row-Level Security, for the rows that it
// makes. It is the last that happens in its transaction.
func (e *Explanation) fresh(ctx context.Context, r *postgres.Rehearsal, sql string) {
	if e.Command != "INSERT" && e.Command != "UPDATE" || len(e.Tables) == 0 {
		return
	}
	t := &e.Tables[0]
	if _, err := execute(ctx, r, sql, false); err != nil {
		t.Notes = append(t.Notes, "The new rows are not known; past Row-Level Security the statement ends with: "+message(err))
		return
	}
	rows, n, err := rowsWhere(ctx, r, t.Name, postgres.Quote(t.Alias), "xmin = pg_catalog.pg_current_xact_id()::pg_catalog.xid")
	if err != nil {
		t.Notes = append(t.Notes, "The new rows could not be read: "+message(err))
		return
	}
	t.fresh, t.New = rows, &n
}

// end runs the statement as the one it was asked for.
func (e *Explanation) end(ctx context.Context, r *postgres.Rehearsal, sql string, reads bool) error {
	n, err := execute(ctx, r, sql, reads)
	report := postgres.Report(err)
	if err != nil && report == nil {
		return err
	}
	if e.Outcome.Rows = n; report != nil {
		e.Outcome = Outcome{Code: report.State, Message: report.Message, Hint: report.Hint}
	}
	return nil
}

func message(err error) string {
	if report := postgres.Report(err); report != nil {
		return report.Message + " (" + report.State + ")"
	}
	return fault.From(err).Detail
}
