package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
)

// script is what pgbench runs: statements with :name for parameters.
type script struct {
	text      string
	variables map[string]string
}

var placeholder = regexp.MustCompile(`\$(\d+)`)

// add appends a statement whose parameters $1, $2, ... become expressions of
// the script. pgbench numbers each occurrence as a parameter of its own, so an
// expression whose type matters carries a cast.
func (s *script) add(sql string, expressions ...string) {
	s.text += placeholder.ReplaceAllStringFunc(sql, func(p string) string {
		n, err := strconv.Atoi(p[1:])
		if err != nil || n < 1 || n > len(expressions) {
			return p
		}
		return expressions[n-1]
	}) + ";\n"
}

// line appends a line of pgbench's own language.
func (s *script) line(text string) { s.text += text + "\n" }

// bind makes a variable of a value and returns how the script names it.
func (s *script) bind(name string, value any) string {
	if s.variables == nil {
		s.variables = map[string]string{}
	}
	if p, ok := value.(*int64); ok {
		value = *p
	}
	s.variables[name] = fmt.Sprint(value)
	return ":" + name
}

// The two ways in which a floor sends a transaction.
const (
	transaction = "transaction" // a round trip for each of its four statements
	pipelined   = "pipelined"   // one round trip for all: \startpipeline, since PostgreSQL 14; -M prepared works in it
)

// callerScript is a transaction as a user: the server's own settings and
// statement, between BEGIN and COMMIT. The first parameter of the statement is
// an expression if one is given; all others have the values of the plan.
func (b *rig) callerScript(way string, st plan.Statement, readOnly bool, first ...string) script {
	p := b.people[0]
	s := script{}
	for _, f := range first {
		s.line(f)
	}
	args := make([]string, len(st.Args))
	for i, value := range st.Args {
		args[i] = s.bind("a"+strconv.Itoa(i+1), value)
	}
	if len(first) > 0 {
		delete(s.variables, "a1")
	}
	onOff := map[bool]string{true: "on", false: "off"}[readOnly]
	if way == pipelined {
		s.line(`\startpipeline`)
	}
	s.add("begin")
	s.add(b.plans.settings, s.bind("role", "authenticated"), s.bind("claims", p.claims), s.bind("uid", p.id),
		s.bind("email", p.email), s.bind("session", p.session), s.bind("read_only", onOff), s.bind("timeout", 10000), "''")
	s.add(st.SQL, args...)
	s.add("commit")
	if way == pipelined {
		s.line(`\endpipeline`)
	}
	return s
}

// oneRowScript reads a random row of the first person's.
func (b *rig) oneRowScript(way string) script {
	n := len(b.people)
	return b.callerScript(way, b.plans.oneRow, true,
		fmt.Sprintf(`\set a1 %d * random(0, %d)`, n, rows/n-1))
}

// rotateScript refreshes the sessions of one client in turn. It is the server's
// statement to the letter; the client counts along which generation comes next,
// so nothing is read beforehand.
func (b *rig) rotateScript() script {
	s := script{}
	s.bind("t", -1)
	s.line(`\set t :t + 1`)
	s.line(fmt.Sprintf(`\set sid %s + :client_id * %d + :t %% %d`, floorBaseText, sessionsEach, sessionsEach))
	s.line(fmt.Sprintf(`\set generation 1 + :t / %d`, sessionsEach))
	s.add(strings.TrimSpace(b.plans.rotate), "('"+floorPrefix+"' || :sid)::uuid", ":generation::bigint",
		s.bind("grace", "10 seconds")+"::interval", s.bind("idle", "168 hours")+"::interval",
		s.bind("ip", "127.0.0.1")+"::inet", s.bind("request_id", "01a200dc-7648-7e7c-aa74-bdfb128d3d64")+"::text")
	return s
}

// userScript is a bare select of a user by primary key.
func (b *rig) userScript() script {
	s := script{}
	s.add("select id, email from auth.users where id = $1", s.bind("id", b.people[0].id))
	return s
}
