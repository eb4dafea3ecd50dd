package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/web/problem"
)

// changeable are the limits that have one, by their key.
var changeable = [][2]string{
	{"Body of a request", "server.max_body_size"},
	{"Body of an insert", "data.max_body_size"},
	{"Rows of one answer", "data.max_rows"},
	{"Time to send the header of a request", "server.read_header_timeout"},
	{"Time to send a request", "server.read_timeout"},
	{"Time to answer", "server.write_timeout"},
	{"Time of a statement", "database.statement_timeout"},
	{"Characters of a password, at least", "auth.password_min_length"},
	{"Wrong passwords in a row", "auth.password_max_failures"},
	{"Passwords that wait to be hashed", "auth.hash_queue"},
	{"Life of an access token", "auth.jwt.expiry"},
	{"Life of a refresh token that is not used", "auth.jwt.refresh_expiry"},
	{"Life of a session", "auth.session_max_lifetime"},
	{"Grace of a refresh token that was used", "auth.refresh_grace"},
	{"Age of the last proof of identity", "auth.reauthentication_window"},
	{"Life of mailed links and codes", "auth.link_expiry"},
	{"Life of links that set a password", "auth.reset_expiry"},
	{"Life of invitations", "auth.invite_expiry"},
	{"Messages to one address in an hour, of each kind", "auth.mail_limit"},
	{"Requests of one address", "ratelimit.address"},
	{"Sign-ins of one address", "ratelimit.routes.sign_in"},
	{"Sign-ins to one account from one address", "ratelimit.routes.sign_in_account"},
	{"Sign-ups of one address", "ratelimit.routes.sign_up"},
	{"Codes of second factors", "ratelimit.routes.mfa"},
	{"Refreshes", "ratelimit.routes.refresh"},
}

// constants are the limits that have none, by package and name. A unit is what is
// counted; "bytes" prints as a size and "" is a time.
var constants = []struct{ what, in, name, unit string }{
	{"Request line and header", "server", "maxHeader", "bytes"},
	{"Depth of JSON", "web", "maxDepth", "levels"},
	{"Depth of JSON in rows", "dataapi/payload", "maxDepth", "levels"},
	{"Sets of columns that one insert has", "dataapi/payload", "maxShapes", "sets"},
	{"One answer, or one row of it, in memory", "postgres", "maxAnswer", "bytes"},
	{"Parameters of a query for data", "dataapi/query", "maxParams", "parameters"},
	{"Items of select in all, and of an order", "dataapi/query", "maxItems", "items"},
	{"Spreads in a select", "dataapi/query", "maxSpreads", "spreads"},
	{"Conditions of a query in all", "dataapi/query", "maxConditions", "conditions"},
	{"Columns of columns=", "dataapi/query", "maxColumns", "columns"},
	{"Depth of conditions, and of embeddings", "dataapi/query", "maxDepth", "levels"},
	{"Steps of a path into JSON", "dataapi/query", "maxSteps", "steps"},
	{"Alias", "dataapi/query", "maxName", "bytes"},
	{"Parts of the statement of a request", "dataapi/plan", "maxParts", "parts"},
	{"Arguments of a function", "dataapi", "maxArguments", "arguments"},
	{"Password", "password", "MaxBytes", "bytes"},
	{"E-mail address", "user", "maxEmail", "bytes"},
	{"Metadata of a user, of each kind", "user", "MaxMetadata", "bytes"},
	{"Access token", "signing", "MaxTokenSize", "bytes"},
	{"Second factors of an account", "totp", "MaxFactors", "factors"},
	{"Tries of a mailed code", "otp", "maxTries", "tries"},
	{"Value of a secret", "secret", "MaxValue", "bytes"},
	{"Description of a secret", "secret", "maxDescription", "bytes"},
	{"Reason of an act of an operator", "admin", "maxReason", "bytes"},
	{"Session in somebody else's name", "admin", "maxImpersonation", ""},
	{"Line of an import", "admin/transfer", "maxLine", "bytes"},
	{"Identities of an imported account", "admin/transfer", "maxIdentities", "identities"},
	{"Second factors of an imported account", "admin/transfer", "maxFactors", "factors"},
	{"Tests of one suite of policies", "rls", "maxCases", "tests"},
	{"Rows of one page of the audit log", "audit", "maxPage", "rows"},
}

// limitsOf reads the limits from the defaults of the configuration and from the
// constants of the sources.
func limitsOf(t *testing.T) []problem.Limit {
	t.Helper()
	var shown bytes.Buffer
	c, err := config.Load(config.Sources{})
	if err == nil {
		err = c.ShowJSON(&shown)
	}
	if err != nil {
		t.Fatal(err)
	}
	var listed struct {
		Settings []struct {
			Key   string
			Value any
		}
	}
	if err := json.Unmarshal(shown.Bytes(), &listed); err != nil {
		t.Fatal(err)
	}
	defaults := map[string]string{}
	for _, s := range listed.Settings {
		if s.Value != nil {
			defaults[s.Key] = fmt.Sprint(s.Value)
		}
	}
	var limits []problem.Limit
	for _, s := range changeable {
		if defaults[s[1]] == "" {
			t.Errorf("there is no setting %s", s[1])
		}
		limits = append(limits, problem.Limit{What: s[0], Value: defaults[s[1]], Where: s[1]})
	}
	packages := map[string]*types.Package{}
	for _, k := range constants {
		if packages[k.in] == nil {
			packages[k.in] = checked(t, k.in)
		}
		found, ok := packages[k.in].Scope().Lookup(k.name).(*types.Const)
		if !ok {
			t.Fatalf("there is no constant %s in %s", k.name, k.in)
		}
		value, exact := constant.Int64Val(found.Val())
		if !exact || value <= 0 {
			t.Fatalf("%s of %s is %s", k.name, k.in, found.Val())
		}
		limits = append(limits, problem.Limit{What: k.what, Value: amount(value, k.unit)})
	}
	return limits
}

func amount(value int64, unit string) string {
	switch {
	case unit == "":
		return strings.TrimSuffix(strings.TrimSuffix(time.Duration(value).String(), "0s"), "0m")
	case unit != "bytes" || value%1024 != 0:
		return fmt.Sprintf("%d %s", value, unit)
	case value%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", value>>20)
	default:
		return fmt.Sprintf("%d KiB", value>>10)
	}
}

// checked reads the constants of a package. What it imports is not looked at,
// but for what durations are made of.
func checked(t *testing.T, in string) *types.Package {
	t.Helper()
	dir := filepath.Join(pgtest.Root(), "internal", filepath.FromSlash(in))
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	var files []*ast.File
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, filepath.Join(dir, e.Name()), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	reading := types.Config{Importer: onlyTime{importer.ForCompiler(set, "source", nil)}, Error: func(error) {}}
	p, _ := reading.Check(in, set, files, nil) // what is missing is no constant of ours
	return p
}

// onlyTime imports package time, and nothing else.
type onlyTime struct{ types.Importer }

func (i onlyTime) Import(path string) (*types.Package, error) {
	if path != "time" {
		p := types.NewPackage(path, filepath.Base(path))
		p.MarkComplete()
		return p, nil
	}
	p, err := i.Importer.Import(path)
	if err != nil {
		return nil, fmt.Errorf("importing %s: %w", path, err)
	}
	return p, nil
}
