package rls

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/session"
)

// Results is what became of a suite.
type Results struct {
	Passed  int      `json:"passed"`
	Failed  int      `json:"failed"`
	Results []Result `json:"results"`
}

// Result is what became of one test.
type Result struct {
	Name    string  `json:"name"`
	Passed  bool    `json:"passed"`
	Message string  `json:"message,omitempty"` // why it failed
	Seconds float64 `json:"seconds"`
}

// maxCases is how many tests one suite has, and maxResult how many rows one
// returns.
const (
	maxCases  = 1000
	maxResult = 1000
)

var personName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,30}$`)

// Test runs a suite. Each test has the users and the setup to itself.
func (s *Service) Test(ctx context.Context, suite Suite) (Results, error) {
	if len(suite.Tests) > maxCases {
		return Results{}, fault.Input("/tests", "too_many_tests", fmt.Sprintf("A suite has up to %d tests; split the file.", maxCases))
	}
	people, err := s.people(suite)
	if err != nil {
		return Results{}, err
	}
	all := Results{Results: []Result{}}
	for _, c := range suite.Tests {
		began := s.Now()
		err := s.DB.RehearseAsOwner(ctx, func(r *postgres.Rehearsal) error { return c.run(ctx, r, suite.Setup, people) })
		if err != nil && (ctx.Err() != nil || fault.KindOf(err) == fault.Unavailable) {
			return all, err
		}
		result := Result{Name: c.Name, Passed: err == nil, Seconds: s.Now().Sub(began).Seconds()}
		if err != nil {
			result.Message = message(err)
			if _, ok := errors.AsType[*failure](err); ok {
				result.Message = err.Error()
			}
			all.Failed++
		} else {
			all.Passed++
		}
		all.Results = append(all.Results, result)
	}
	return all, nil
}

// failure is what a test finds to be otherwise than it should.
type failure struct{ what string }

func (f *failure) Error() string { return f.what }

// person is a user of a suite.
type person struct {
	setting string
	subject session.Subject
	as      *principal.Principal
}

func (s *Service) people(suite Suite) (map[string]person, error) {
	people := map[string]person{}
	for name, about := range suite.Users {
		if !personName.MatchString(name) {
			return nil, fault.Input("/users", "invalid_name", "A user is named by lower-case letters, digits and underscores.")
		}
		u := session.Subject{ID: id.User(id.New(s.Now())), Email: about.Email, AppMetadata: about.AppMetadata}
		if about.ID != "" {
			parsed, err := id.Parse(about.ID)
			if err != nil {
				return nil, fault.Input("/users/"+name+"/id", "invalid_id", "The id is a UUID.")
			}
			u.ID = id.User(parsed)
		}
		if u.Email == "" {
			u.Email = name + "@test.invalid"
		}
		if len(u.AppMetadata) == 0 {
			u.AppMetadata = jsontext.Value("{}")
		}
		p, err := s.Sessions.Pretend(u)
		if err != nil {
			return nil, err
		}
		people[name] = person{"test." + name, u, p}
	}
	return people, nil
}

// run makes the users, runs the setup and then the statement, and compares.
func (c *Case) run(ctx context.Context, r *postgres.Rehearsal, setup string, people map[string]person) error {
	as, ok := map[string]*principal.Principal{
		"anonymous": principal.Nobody(), "service_role": {Role: principal.Service, Claims: `{"role":"service_role"}`},
	}[c.As]
	if p, is := people[c.As]; is {
		as, ok = p.as, true
	}
	if !ok {
		return &failure{fmt.Sprintf("there is no user %q in the file; it may also be anonymous or service_role", c.As)}
	}
	for _, p := range people {
		if err := insertPerson(ctx, r, p); err != nil {
			return &failure{"making the users: " + message(err)}
		}
	}
	if err := runSetup(ctx, r, setup); err != nil {
		return &failure{"the setup: " + message(err)}
	}
	if err := r.Become(ctx, as, as.Role); err != nil {
		return err
	}
	var got postgres.Table
	err := parseStatement(ctx, r, c.SQL)
	if err == nil {
		if got, err = r.Collect(ctx, c.SQL, maxResult); err != nil {
			err = postgres.CallersFault(err)
		}
	}
	return c.compare(got, err)
}

// compare says in what a statement ended otherwise than it should.
func (c *Case) compare(got postgres.Table, err error) error {
	if err != nil {
		if c.Error != "" && strings.Contains(message(err), c.Error) {
			return nil
		}
		if c.Error == "" && postgres.Report(err) == nil {
			return err
		}
		return &failure{"refused: " + message(err)}
	}
	if c.Error != "" {
		return &failure{fmt.Sprintf("expected the error %s, got %s", c.Error, rows(got.Count))}
	}
	if c.Count != nil && *c.Count != got.Count {
		return &failure{fmt.Sprintf("expected %s, got %d", rows(*c.Count), got.Count)}
	}
	if len(c.Rows) == 0 {
		return nil
	}
	return c.compareRows(got)
}

func (c *Case) compareRows(got postgres.Table) error {
	var wanted []any
	if err := json.Unmarshal(c.Rows, &wanted); err != nil {
		return &failure{"rows is a list of rows"}
	}
	if int64(len(wanted)) != got.Count {
		return &failure{fmt.Sprintf("expected %s, got %d", rows(int64(len(wanted))), got.Count)}
	}
	left := slices.Clone(got.Rows)
	for _, w := range wanted {
		at := slices.IndexFunc(left, func(row []*string) bool { return sameRow(w, got.Columns, row) })
		if at < 0 {
			text, err := json.Marshal(w, json.Deterministic(true))
			return &failure{fmt.Sprintf("expected a row %s among the %s (%v)", text, rows(got.Count), err)}
		}
		left = slices.Delete(left, at, at+1)
	}
	return nil
}

// sameRow compares a row of a file, an array or an object, with one of
// PostgreSQL's.
func sameRow(want any, columns []string, row []*string) bool {
	switch want := want.(type) {
	case []any:
		if len(want) != len(row) {
			return false
		}
		for i := range want {
			if !sameValue(want[i], row[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		for name, value := range want {
			i := slices.Index(columns, name)
			if i < 0 || !sameValue(value, row[i]) {
				return false
			}
		}
		return true
	default:
		return len(row) == 1 && sameValue(want, row[0])
	}
}

// sameValue compares a value with PostgreSQL's text of one.
func sameValue(want any, got *string) bool {
	if want == nil || got == nil {
		return want == nil && got == nil
	}
	switch want := want.(type) {
	case string:
		return want == *got
	case bool:
		return *got == map[bool]string{true: "t", false: "f"}[want] || *got == fmt.Sprint(want)
	}
	a, err := json.Marshal(want)
	if err != nil {
		return false
	}
	b := jsontext.Value(*got)
	wanted := jsontext.Value(a)
	return b.Canonicalize() == nil && wanted.Canonicalize() == nil && string(b) == string(wanted)
}
