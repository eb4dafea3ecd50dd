package rls

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"
)

// Suite is a file of tests: who there is, what lies in the tables, and what
// becomes of statements.
type Suite struct {
	Users map[string]Person `json:"users,omitzero"` // by the name that tests give them
	Setup string            `json:"setup,omitzero"` // SQL that the owner runs before each test
	Tests []Case            `json:"tests"`
}

// Person is a user who exists during a test. SQL has the id as
// current_setting('test.NAME').
type Person struct {
	ID          string         `json:"id,omitzero"`    // a UUID; a new one if empty
	Email       string         `json:"email,omitzero"` // NAME@test.invalid if empty
	AppMetadata jsontext.Value `json:"app_metadata,omitzero"`
}

// Case is one statement as somebody, and what has to become of it. It runs in a
// transaction of its own, which never commits.
type Case struct {
	Name  string         `json:"name"`
	As    string         `json:"as"` // a user of the suite, anonymous or service_role
	SQL   string         `json:"sql"`
	Rows  jsontext.Value `json:"rows,omitzero"`  // an array of rows, in any order; each an array, or an object with some of the columns
	Count *int64         `json:"count,omitzero"` // rows returned or changed
	Error string         `json:"error,omitzero"` // SQLSTATE, or part of the message
}

// ParseSuite reads a file of tests: SQL with directives if its name ends in
// .sql, and YAML otherwise.
func ParseSuite(name string, text []byte) (Suite, error) {
	var suite Suite
	document, err := map[bool]func([]byte) (any, error){true: parseSQL, false: parseYAML}[strings.HasSuffix(name, ".sql")](text)
	if err != nil {
		return suite, err
	}
	encoded, err := json.Marshal(document)
	if err != nil {
		return suite, fmt.Errorf("reading the tests: %w", err)
	}
	if err := json.Unmarshal(encoded, &suite, json.RejectUnknownMembers(true)); err != nil {
		return suite, fmt.Errorf("reading the tests: %w", err)
	}
	for i, c := range suite.Tests {
		if c.Name == "" || c.SQL == "" || c.As == "" {
			return suite, fmt.Errorf("test %d needs a name, as and sql", i+1)
		}
	}
	return suite, nil
}

func parseYAML(text []byte) (any, error) {
	var document map[string]any
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("reading the tests: %w", err)
	}
	return document, nil
}

// parseSQL reads a file in which lines that begin with "-- @" say what the SQL
// after them is. What a directive has after its name is YAML.
func parseSQL(text []byte) (any, error) {
	users, setup := map[string]any{}, &strings.Builder{}
	var tests []map[string]any
	into := setup
	finish := func() {
		if len(tests) > 0 && into != setup {
			tests[len(tests)-1]["sql"] = strings.TrimSuffix(strings.TrimSpace(into.String()), ";")
		}
	}
	for number, line := range strings.Split(string(text), "\n") {
		directive, ok := strings.CutPrefix(strings.TrimSpace(line), "-- @")
		if !ok {
			into.WriteString(line + "\n")
			continue
		}
		word, rest, _ := strings.Cut(directive, " ")
		rest = strings.TrimSpace(rest)
		switch word {
		case "user":
			name, about, _ := strings.Cut(rest, " ")
			person := map[string]any{}
			if err := yaml.Unmarshal([]byte(about), &person); err != nil {
				return nil, fmt.Errorf("line %d: %w", number+1, err)
			}
			users[name] = person
		case "test":
			finish()
			tests, into = append(tests, map[string]any{"name": rest}), &strings.Builder{}
		case "as", "rows", "count", "error":
			if len(tests) == 0 {
				return nil, fmt.Errorf("line %d: @%s comes after @test", number+1, word)
			}
			var value any = rest
			if word == "rows" || word == "count" {
				if err := yaml.Unmarshal([]byte(rest), &value); err != nil {
					return nil, fmt.Errorf("line %d: %w", number+1, err)
				}
			}
			tests[len(tests)-1][word] = value
		default:
			return nil, fmt.Errorf("line %d: there is @user, @test, @as, @rows, @count and @error; this is @%s", number+1, word)
		}
	}
	finish()
	return map[string]any{"users": users, "setup": setup.String(), "tests": tests}, nil
}
