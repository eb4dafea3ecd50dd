package rls

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

// judge asks each policy about the rows that the statement is about, as the role
// that it would run as.
func (t *Table) judge(ctx context.Context, r *postgres.Rehearsal) error {
	for i := range t.Policies {
		p := &t.Policies[i]
		switch {
		case !t.Enabled:
			p.Why = "Row-Level Security is off on the table"
		case !t.Applies:
			p.Why = "Row-Level Security does not bind this role"
		case !p.forRole:
			p.Why = "it is for other roles"
		case !slices.ContainsFunc(t.Commands, p.covers):
			p.Why = "it is about another command"
		default:
			p.Applies = true
		}
		if !p.Applies {
			continue
		}
		// A policy may fail on its own, as a query that it makes is refused.
		var err error
		if p.Using != nil && slices.ContainsFunc(t.Commands, func(c string) bool { return c != "INSERT" && p.covers(c) }) {
			if p.Through, err = t.count(ctx, r, t.rows, *p.Using); err != nil {
				p.Error = message(err)
			}
		}
		if check := p.check(); check != "" && p.covers(t.Commands[0]) {
			if p.Accepts, err = t.count(ctx, r, t.fresh, check); err != nil {
				p.Error = message(err)
			}
		}
	}
	var err error
	if t.Through, err = t.count(ctx, r, t.rows, t.using()); err != nil {
		t.Notes = append(t.Notes, "The policies together could not be asked: "+message(err))
	}
	if t.Accepted, err = t.count(ctx, r, t.fresh, t.checks()); err != nil {
		t.Notes = append(t.Notes, "The policies together could not be asked about new rows: "+message(err))
	}
	return nil
}

// covers says that a policy is about a command.
func (p *Policy) covers(command string) bool { return p.Command == "ALL" || p.Command == command }

// check is what a policy wants of new rows.
func (p *Policy) check() string {
	switch {
	case p.Check != nil:
		return *p.Check
	case p.Using != nil:
		return *p.Using
	}
	return ""
}

// count says for how many rows of an array an expression holds; nil if there is
// no array.
func (t *Table) count(ctx context.Context, r *postgres.Rehearsal, array, expression string) (*int, error) {
	if array == "" {
		return nil, nil //nolint:nilnil // there is nothing to count
	}
	var n int
	err := r.Try(ctx, func() (err error) {
		n, err = passing(ctx, r, t.Name, t.bare, array, expression)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &n, nil
}

// together is what the policies about a command want: one of the permissive ones
// and all of the restrictive ones.
func (t *Table) together(command string, expression func(*Policy) string) string {
	if !t.Applies {
		return "true"
	}
	permissive, all := []string{"false"}, []string{}
	for i := range t.Policies {
		p := &t.Policies[i]
		text := expression(p)
		switch {
		case !p.Applies || !p.covers(command) || text == "":
		case p.Kind == "permissive":
			permissive = append(permissive, "("+text+")")
		default:
			all = append(all, "("+text+")")
		}
	}
	return strings.Join(append(all, "("+strings.Join(permissive, " or ")+")"), " and ")
}

// using is what rows have to meet for all that the statement does with them.
func (t *Table) using() string {
	wanted := []string{"true"}
	for _, command := range t.Commands {
		if command != "INSERT" {
			wanted = append(wanted, t.together(command, func(p *Policy) string { return text(p.Using) }))
		}
	}
	return strings.Join(wanted, " and ")
}

// checks is what new rows have to meet. Those that are read as well have to be
// visible.
func (t *Table) checks() string {
	wanted := []string{t.together(t.Commands[0], (*Policy).check)}
	if len(t.Commands) > 1 {
		wanted = append(wanted, t.together("SELECT", func(p *Policy) string { return text(p.Using) }))
	}
	return strings.Join(wanted, " and ")
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// verdict says in a sentence how the statement ends, and what decides it.
func (e *Explanation) verdict() string {
	ending := fmt.Sprintf("%s as %s: %s", e.Command, e.Role, rows(e.Outcome.Rows))
	if e.Outcome.Code != "" {
		ending = fmt.Sprintf("%s as %s is refused with %s, %s", e.Command, e.Role, e.Outcome.Code, e.Outcome.Message)
	}
	for i := range e.Tables {
		if past := e.Tables[i].pastPolicies; past != "" {
			return ending + ". " + past
		}
	}
	for i := range e.Tables {
		if because := e.Tables[i].because(e.Role); because != "" {
			return ending + ". " + because
		}
	}
	return ending + "."
}

func rows(n int64) string {
	if n == 1 {
		return "1 row"
	}
	return fmt.Sprintf("%d rows", n)
}

// because says what a table has to do with the ending; "" if nothing is amiss.
func (t *Table) because(role string) string {
	if len(t.Missing) > 0 {
		return "A grant is missing: " + strings.Join(t.Missing, " ")
	}
	if !t.Applies {
		return ""
	}
	for _, command := range t.Commands {
		if !slices.ContainsFunc(t.Policies, func(p Policy) bool { return p.Applies && p.Kind == "permissive" && p.covers(command) }) {
			return fmt.Sprintf("No permissive policy of %s is about %s by %s, so it gets at no row.", t.Name, command, role)
		}
	}
	if t.Accepted != nil && t.New != nil && *t.Accepted < *t.New && (t.Aimed == nil || *t.Through > 0) {
		return fmt.Sprintf("Of %s of %s %s. %s", rows(int64(*t.New))+" that would be written", t.Name, accepted(*t.Accepted), t.blame(true))
	}
	if t.Aimed == nil || t.Through == nil {
		return ""
	}
	if *t.Aimed == 0 {
		return fmt.Sprintf("No row of %s meets the conditions, whoever asks.", t.Name)
	}
	if *t.Through < *t.Aimed {
		aim := map[bool]string{false: "the conditions aim at", true: "may be meant"}[t.loose]
		return fmt.Sprintf("Of %s of %s that %s, the policies let %d through. %s", rows(int64(*t.Aimed)), t.Name, aim, *t.Through, t.blame(false))
	}
	return ""
}

func accepted(n int) string {
	if n == 0 {
		return "the policies accept none"
	}
	return fmt.Sprintf("the policies accept %d", n)
}

// blame lists the policies that decide, with what they want.
func (t *Table) blame(check bool) string {
	var parts []string
	for i := range t.Policies {
		p := &t.Policies[i]
		count, want := p.Through, text(p.Using)
		if check {
			count, want = p.Accepts, p.check()
		}
		if p.Applies && count != nil {
			parts = append(parts, fmt.Sprintf("Policy %s (%s, %s) lets %d through: %s.", p.Name, p.Kind, p.Command, *count, strings.Join(strings.Fields(want), " ")))
		} else if p.Applies && p.Error != "" {
			parts = append(parts, fmt.Sprintf("Policy %s cannot be asked: %s.", p.Name, p.Error))
		}
	}
	return strings.Join(parts, " ")
}
