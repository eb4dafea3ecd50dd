package server_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

// TestReadme sends the requests of the README and holds the shapes of the
// answers against the ones that are printed there.
func TestReadme(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(pgtest.Root(), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	bodies := regexp.MustCompile(`(?s)-d '(.+?)'`).FindStringSubmatch(string(text))
	answers := regexp.MustCompile("(?s)```json\n(.+?)```").FindAllStringSubmatch(string(text), -1)
	if bodies == nil || len(answers) != 2 {
		t.Fatal("the README has no request and two answers")
	}
	s := servertest.New(t)
	s.DB.Exec(t, `create table public.todos (id int); alter table public.todos enable row level security`)
	a := s.Do("POST", "/api/v1/auth/signup", "", bodies[1])
	if a.Status != 201 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if diff := cmp.Diff(shape(t, answers[0][1]), shape(t, a.Body)); diff != "" {
		t.Errorf("the answer has another shape (-printed +real):\n%s", diff)
	}
	rows := s.Do("GET", "/api/v1/tables/todos", s.Person("", a).Access, "")
	if rows.Body != strings.TrimSpace(answers[1][1]) {
		t.Errorf("rows: %s", rows.Body)
	}
}

// shape replaces every value in JSON by the name of its type.
func shape(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return shapeOf(v)
}

func shapeOf(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			v[name] = shapeOf(member)
		}
		return v
	case []any:
		for i, member := range v {
			v[i] = shapeOf(member)
		}
		return v
	case string:
		return "string"
	case float64:
		return "number"
	case bool:
		return "boolean"
	default:
		return nil
	}
}
