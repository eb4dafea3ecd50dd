package setting

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// example is the configuration of some program; config tests the rest with its
// own.
type example struct {
	Name  string `key:"name" default:"nobody" check:"short" doc:"Who."`
	Token Secret `key:"token" secret:"half" doc:"What."`
	Inner struct {
		Pairs pairs `key:"pairs" doc:"Which."`
	} `key:"inner" doc:"More."`
}

type pairs []string

func schema() *Schema {
	read := func(n Node) (any, []Problem) {
		var all pairs
		for _, e := range n.List() {
			text, err := e.Value.Text()
			if err != nil {
				return nil, []Problem{{Key: "inner.pairs", Detail: err.Error()}}
			}
			all = append(all, text)
		}
		return all, nil
	}
	return New(reflect.TypeFor[example](), Options{
		Prefix: "APP_", Foreign: []string{"APP_HOME"},
		Rules: map[string]func(any) error{"short": func(value any) error {
			if len(value.(string)) > 8 { //nolint:forcetypeassert // the tag is on a string
				return errors.New("must be short")
			}
			return nil
		}},
		Shown: map[string]func(string) string{"half": func(text string) string { return text[:len(text)/2] }},
		Forms: map[reflect.Type]Form{reflect.TypeFor[pairs](): {
			Words: "list of pairs", Example: []string{"# pairs: [a=b]"},
			Read: func(n Node, _ func(int) string) (any, []Problem) { return read(n) },
			Parse: func(text, _ string) (any, []Problem) {
				n, ok := ParseList(text)
				if !ok {
					return pairs{}, []Problem{{Key: "inner.pairs", Detail: "must be a list"}}
				}
				return read(n)
			},
			Rows:  func(value any) [][3]string { return [][3]string{{"pairs", strings.Join(value.(pairs), " "), "here"}} }, //nolint:forcetypeassert // it is the form's
			Plain: func(value any) any { return value },
		}},
		Variable: func(r *Reading, name string) bool {
			text, ok := r.Lookup(name)
			if !ok || !strings.HasPrefix(name, "APP_PAIR_") {
				return false
			}
			r.Take("inner.pairs", name, pairs{text})
			return true
		},
	})
}

func TestAnotherProgram(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "app.yaml")
	if err := os.WriteFile(file, []byte("name: ${WHO}\ninner:\n  pairs: [a=b, \"${WHO}=c\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := schema()
	r := s.Read(Sources{File: file, Environ: []string{"WHO=me", "APP_TOKEN=abcdef", "APP_HOME=/", "APP_PAIR_1=d=e", "FLUXBASE_NAME=x"}})
	if r.Problems != nil {
		t.Fatal(r.Problems)
	}
	var got example
	sources := r.Fill(&got)
	if want := map[string]string{"name": file + ":1", "token": "env APP_TOKEN"}; cmp.Diff(want, sources) != "" {
		t.Errorf("sources: %v", sources)
	}
	var forms []string
	for _, a := range r.Given {
		if found, ok := a.Value().(pairs); ok {
			forms = append(forms, a.Name+" "+strings.Join(found, " "))
			got.Inner.Pairs = append(got.Inner.Pairs, found...)
		}
	}
	if diff := cmp.Diff([]string{"inner.pairs a=b me=c", "APP_PAIR_1 d=e"}, forms); diff != "" {
		t.Error(diff)
	}
	var shown strings.Builder
	if err := (Display{s, &got, sources}).Text(&shown); err != nil {
		t.Fatal(err)
	}
	want := "KEY    VALUE        SOURCE\nname   me           " + file + ":1\ntoken  abc          env APP_TOKEN\npairs  a=b me=c d=e  here\n"
	if diff := cmp.Diff(strings.Fields(want), strings.Fields(shown.String())); diff != "" {
		t.Error(diff)
	}
}

func TestProblemsOfAnotherProgram(t *testing.T) {
	t.Parallel()
	r := schema().Read(Sources{Environ: []string{"APP_NAME=much too long", "APP_NAMES=x", "APP_SERVICE_PORT=1", "APP_INNER_PAIRS=x"}})
	var got []string
	for _, p := range r.Problems {
		got = append(got, p.String())
	}
	want := []string{
		"inner.pairs must be a list",
		"env APP_NAME: name must be short",
		"environment: APP_NAMES is not a known variable; the nearest is APP_NAME",
		"environment: APP_SERVICE_PORT is not a known variable (Kubernetes makes such names for a service named app; set enableServiceLinks: false in the pod)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
