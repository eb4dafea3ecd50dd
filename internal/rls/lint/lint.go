// Package lint finds what is wrong with Row-Level Security by the looks of it:
// policies, and the tables, views and functions around them.
//
// It decides on the parsed form in which PostgreSQL keeps a policy, and has
// PostgreSQL print what it rewrites.
package lint

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Severity is how bad a finding is.
type Severity string

// The severities.
const (
	Problem Severity = "problem" // does not work, or lets through what nobody meant
	Warning Severity = "warning" // should be looked after
	Notice  Severity = "notice"  // may be meant so
)

// ruleIndex is the one rule that is mended outside a transaction.
const ruleIndex = "no_index"

// Finding is what the linter has to say about one object.
type Finding struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	Object   string   `json:"object"`           // a table, view or function, as SQL writes it
	Policy   string   `json:"policy,omitempty"` // of the table
	Detail   string   `json:"detail"`
	SQL      string   `json:"sql,omitempty"` // that mends it, or shows how
	Safe     bool     `json:"safe"`          // the SQL changes nothing about who may do what
}

// Database is the owner's door.
type Database interface {
	InTx(ctx context.Context, f func(postgres.Querier) error) error
	Single() postgres.Querier
}

// Service is the linter. It is safe for concurrent use.
type Service struct {
	DB              Database
	Schemas         []string        // that are exposed
	AllowWithoutRLS map[string]bool // by table, or schema.table
}

// Lint looks at policies, tables, views and functions, and changes nothing.
func (s *Service) Lint(ctx context.Context) ([]Finding, error) {
	l := linter{without: s.AllowWithoutRLS, tables: map[uint32]*relation{}, found: []Finding{}}
	err := s.DB.InTx(ctx, func(q postgres.Querier) error { return l.load(ctx, q, s.Schemas) })
	if err != nil {
		return nil, fmt.Errorf("reading policies: %w", err)
	}
	for _, r := range l.relations {
		l.relation(r)
		for _, p := range r.Policies {
			l.policy(r, p)
		}
	}
	for _, f := range l.definers {
		l.add(Finding{
			Rule: "definer_search_path", Severity: Warning, Object: f[0],
			Detail: "It runs as its owner and looks names up along the search path of its caller.",
			SQL:    fmt.Sprintf("alter function %s set search_path = pg_catalog, %s, pg_temp;", f[0], f[1]),
		})
	}
	slices.SortStableFunc(l.found, func(a, b Finding) int { return rank(a.Severity) - rank(b.Severity) })
	return l.found, nil
}

func rank(s Severity) int { return slices.Index([]Severity{Problem, Warning, Notice}, s) }

type linter struct {
	without   map[string]bool
	relations []*relation
	tables    map[uint32]*relation
	names     names
	definers  [][2]string
	found     []Finding
}

func (l *linter) load(ctx context.Context, q postgres.Querier, schemas []string) (err error) {
	if l.relations, err = selectRelations(ctx, q, schemas); err != nil {
		return err
	}
	for _, r := range l.relations {
		l.tables[r.OID] = r
	}
	var policies []*policyRow
	err = Qualified(ctx, q, func() error {
		if policies, err = selectPolicies(ctx, q); err != nil {
			return err
		}
		l.definers, err = selectDefiners(ctx, q)
		return err
	})
	if err != nil {
		return err
	}
	for _, p := range policies {
		if r := l.tables[p.Table]; r != nil {
			r.Policies = append(r.Policies, p)
		}
	}
	l.names, err = selectNames(ctx, q)
	return err
}

func (l *linter) add(f Finding) { l.found = append(l.found, f) }

// relation looks at a table or view as a whole.
func (l *linter) relation(r *relation) {
	isTable := r.Kind == "r" || r.Kind == "p"
	allowed := l.without[r.Name] || l.without[r.Schema+"."+r.Name]
	switch {
	case isTable && r.Guarded && len(r.Policies) == 0 && r.Exposed:
		l.add(Finding{
			Rule: "no_policy", Severity: Notice, Object: r.Label,
			Detail: "Row-Level Security is on and there is no policy: only a service key gets at the rows.",
			SQL:    "create policy own on " + r.Label + " to authenticated using (...);",
		})
	case isTable && !r.Guarded && len(r.Policies) > 0:
		l.add(Finding{
			Rule: "rls_off", Severity: Problem, Object: r.Label, Detail: "It has policies, and they do nothing: Row-Level Security is off.",
			SQL: "alter table " + r.Label + " enable row level security;",
		})
	case isTable && !r.Guarded && r.Exposed && r.Reached && !allowed:
		l.add(Finding{
			Rule: "rls_off", Severity: Warning, Object: r.Label,
			Detail: "Row-Level Security is off in an exposed schema: every row is anybody's, so the data API does not serve it to people.",
			SQL:    "alter table " + r.Label + " enable row level security;",
		})
	case r.Kind == "v" && !r.Invoker && r.Exposed && r.Reached && !allowed:
		l.add(Finding{
			Rule: "owner_view", Severity: Warning, Object: r.Label,
			Detail: "The view reads as its owner, past the policies of its tables, so the data API does not serve it to people.",
			SQL:    "alter view " + r.Label + " set (security_invoker = true);",
		})
	}
}

// policy looks at one policy.
func (l *linter) policy(r *relation, p *policyRow) {
	add := func(rule string, severity Severity, detail, sql string, safe bool) {
		l.add(Finding{Rule: rule, Severity: severity, Object: r.Label, Policy: p.Name, Detail: detail, SQL: sql, Safe: safe})
	}
	if len(p.Reaches) == 0 {
		if !slices.Contains(p.Roles, "service_role") {
			add("role_without_requests", Warning, "It is for "+strings.Join(p.Roles, ", ")+"; requests run as anonymous, authenticated or service_role.",
				"alter policy "+p.Label+" on "+r.Label+" to authenticated;", false)
		}
		return
	}
	using, check := parse(p.UsingTree), parse(p.CheckTree)
	for _, tree := range []*node{using, check} {
		if tree != nil && trustsUserMetadata(tree, l.names.claims) {
			add("user_metadata", Problem, "It trusts user_metadata, which people write themselves. Keep what authorises in app_metadata.", "", false)
			break
		}
	}
	l.open(r, p, using, check, add)
	if reading(p) && l.recurses(r) && l.returns(r.OID, reads(using), map[uint32]bool{}) {
		add("recursion", Problem, "Its query leads back to the policies of the same table; PostgreSQL refuses every read.",
			"-- move the query into a function: language sql stable security definer set search_path = ''", false)
	}
	l.perRow(r, p, using, check, add)
	l.indexes(r, p, using, add)
}

func parse(text *string) *node {
	if text == nil {
		return nil
	}
	return parseTree(*text)
}

// reading says that a policy is about rows that are read.
func reading(p *policyRow) bool { return p.Command == "r" || p.Command == "*" }

// open finds policies that ask nothing.
func (l *linter) open(r *relation, p *policyRow, using, check *node, add func(rule string, severity Severity, detail, sql string, safe bool)) {
	if !p.Permissive {
		return
	}
	written := check
	if written == nil {
		written = using
	}
	change := "alter policy " + p.Label + " on " + r.Label
	switch {
	case p.Command != "r" && (alwaysTrue(written) || p.Command != "a" && alwaysTrue(using)):
		add("always_true", Warning, "It lets everybody it is for ("+strings.Join(p.Reaches, ", ")+") write any row.",
			change+" ... -- say whose rows: (owner = (select auth.uid()))", false)
	case p.Command == "r" && alwaysTrue(using) && slices.Contains(p.Reaches, "anonymous"):
		add("open_to_anonymous", Notice, "It shows every row to people who are not signed in.", change+" to authenticated;", false)
	}
}

// recurses says that a table has policies that count.
func (l *linter) recurses(r *relation) bool { return r.Guarded && len(r.Policies) > 0 }

// returns says that reading some relations leads to reading root.
func (l *linter) returns(root uint32, relations []uint32, seen map[uint32]bool) bool {
	for _, oid := range relations {
		if oid == root {
			return true
		}
		r := l.tables[oid]
		if r == nil || seen[oid] {
			continue
		}
		seen[oid] = true
		if r.Kind == "v" {
			if r.Invoker && l.returns(root, r.Beneath, seen) {
				return true
			}
			continue
		}
		for _, p := range r.Policies {
			if r.Guarded && reading(p) && l.returns(root, reads(parse(p.UsingTree)), seen) {
				return true
			}
		}
	}
	return false
}

// perRow finds helpers that are called for each row.
func (l *linter) perRow(r *relation, p *policyRow, using, check *node, add func(rule string, severity Severity, detail, sql string, safe bool)) {
	sql, count, wrapped := "alter policy "+p.Label+" on "+r.Label, 0, 0
	part := func(word string, text *string, tree *node) {
		n := helpersPerRow(tree, l.names.helpers)
		if n == 0 {
			return
		}
		rewritten, w := wrapHelpers(*text)
		count, wrapped = count+n, wrapped+w
		sql += " " + word + " (" + rewritten + ")"
	}
	part("using", p.Using, using)
	part("with check", p.Check, check)
	if count == 0 {
		return
	}
	safe := wrapped == count
	if !safe {
		sql = "-- write (select auth.uid()) for auth.uid(), in " + p.Label
	} else {
		sql += ";"
	}
	add("helper_per_row", Warning, "It asks who is calling for each row instead of once: write (select auth.uid()) for auth.uid(), and so on.", sql, safe)
}

// indexes finds columns that a policy looks rows up by, and no index does.
func (l *linter) indexes(r *relation, p *policyRow, using *node, add func(rule string, severity Severity, detail, sql string, safe bool)) {
	if r.Kind != "r" && r.Kind != "p" || !p.Permissive {
		return
	}
	missing, ok := wanting(using, l.names, r.Indexed)
	if !ok {
		return
	}
	slices.Sort(missing)
	for _, column := range slices.Compact(missing) {
		if column > int64(len(r.Columns)) {
			continue
		}
		name := r.Columns[column-1]
		if slices.ContainsFunc(l.found, func(f Finding) bool { return f.Rule == ruleIndex && f.SQL == indexSQL(r, name) }) {
			continue
		}
		add(ruleIndex, Warning, "It looks rows up by "+name+", and no index begins with that: every row is read.", indexSQL(r, name), true)
	}
}

func indexSQL(r *relation, column string) string {
	if r.Kind == "p" {
		return "create index on " + r.Label + " (" + column + ");"
	}
	return "create index concurrently on " + r.Label + " (" + column + ");"
}
