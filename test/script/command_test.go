package script_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fluxbase/fluxbase/internal/leaktest"
)

// state is what the commands of one script share.
type state struct {
	environ []string
	servers map[string]*process
	last    reply
}

type stateKey struct{}

func stateOf(ts *testscript.TestScript) *state {
	s, ok := ts.Value(stateKey{}).(*state)
	if !ok {
		ts.Fatalf("the script has no state")
	}
	return s
}

func (s *state) end() {
	for _, p := range s.servers {
		p.remove()
	}
}

func (s *state) server(ts *testscript.TestScript, name string) *process {
	p := s.servers[name]
	if p == nil {
		ts.Fatalf("there is no server %s", name)
	}
	return p
}

func need(ts *testscript.TestScript, neg, mayFail bool, args []string, least int, usage string) {
	if neg && !mayFail || len(args) < least {
		ts.Fatalf("usage: %s", usage)
	}
}

var assignment = regexp.MustCompile(`^[A-Z_]+=`)

// settings tells variables of the environment from flags.
func settings(args []string) (environ, flags []string) {
	for _, a := range args {
		if assignment.MatchString(a) {
			environ = append(environ, a)
		} else {
			flags = append(flags, a)
		}
	}
	return environ, flags
}

func serverCmd(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 1, "server NAME [VAR=value...] [flag...]")
	s, name := stateOf(ts), args[0]
	environ, flags := settings(args[1:])
	data := ts.MkAbs(name + "-data")
	s.launch(ts, name, dev(ts.MkAbs("."), data, ts.MkAbs(name+".log"), append(s.environ, environ...), flags...))
	ts.Setenv(name+"_DATA", data)
}

func serveCmd(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 1, "serve NAME [VAR=value...] [flag...]")
	s, name := stateOf(ts), args[0]
	environ, flags := settings(args[1:])
	s.launch(ts, name, &process{
		args: append([]string{"serve", "--address", "127.0.0.1:0"}, flags...),
		dir:  ts.MkAbs("."), log: ts.MkAbs(name + ".log"), environ: append(s.environ, environ...),
	})
}

func (s *state) launch(ts *testscript.TestScript, name string, p *process) {
	ts.Check(p.start())
	s.servers[name] = p
	ts.Setenv(name+"_URL", p.ready.APIURL)
	if p.ready.DatabaseURL != "" {
		ts.Setenv(name+"_CLIENT_KEY", p.ready.ClientKey)
		ts.Setenv(name+"_SERVICE_KEY", p.ready.ServiceKey)
		ts.Setenv(name+"_DATABASE_URL", p.ready.DatabaseURL)
	}
}

func endCmd(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 1, "end NAME")
	ts.Check(stateOf(ts).server(ts, args[0]).stop())
}

func kill9Cmd(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 1, "kill9 NAME")
	stateOf(ts).server(ts, args[0]).kill()
}

func killpg9Cmd(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 1, "killpg9 NAME")
	ts.Check(stateOf(ts).server(ts, args[0]).killPostgres())
}

func restartCmd(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 1, "restart NAME")
	s := stateOf(ts)
	p := s.server(ts, args[0])
	if p.running() {
		ts.Check(p.stop())
	}
	s.launch(ts, args[0], p)
}

func sameCmd(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, true, args, 2, "[!] same TEXT TEXT")
	if (args[0] == args[1]) == neg {
		ts.Fatalf("the texts are\n%s\nand\n%s", args[0], args[1])
	}
}

// client opens a connection for each request, so that none is left over from a
// server that has been killed.
var client = &http.Client{
	Timeout:       30 * time.Second,
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// request makes the request that METHOD URL [-H 'k: v'] [-d body] describes.
func request(args []string) (*http.Request, error) {
	var body string
	header := http.Header{}
	for i := 2; i < len(args); i += 2 {
		if i+1 == len(args) {
			return nil, fmt.Errorf("%s needs a value", args[i])
		}
		switch args[i] {
		case "-H":
			name, value, ok := strings.Cut(args[i+1], ":")
			if !ok {
				return nil, fmt.Errorf("%q is not a field", args[i+1])
			}
			header[name] = append(header[name], strings.TrimSpace(value)) // as it is written
		case "-d":
			body = args[i+1]
			header["Content-Type"] = []string{"application/json"}
		default:
			return nil, fmt.Errorf("%s is not a flag", args[i])
		}
	}
	r, err := http.NewRequestWithContext(context.Background(), args[0], args[1], strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if host := header["Host"]; len(host) > 0 {
		r.Host = host[0]
		delete(header, "Host")
	}
	r.Header = header
	return r, nil
}

// reply is the answer to a request.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func send(r *http.Request) (reply, error) {
	if r.GetBody != nil {
		if sent, err := r.GetBody(); err == nil {
			text, _ := io.ReadAll(sent)
			leaktest.Traffic(r.URL.RequestURI(), r.Header, text)
		}
	}
	response, err := client.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	leaktest.Traffic(r.URL.RequestURI(), response.Header, body)
	return reply{response.StatusCode, response.Header, body}, err
}

func httpCmd(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, true, args, 2, "[!] http METHOD URL [-H 'k: v'] [-d body]")
	s := stateOf(ts)
	r, err := request(args)
	ts.Check(err)
	answer, err := send(r)
	if neg {
		if err == nil {
			ts.Fatalf("there was an answer: %d %s", answer.status, answer.body)
		}
		return
	}
	ts.Check(err)
	s.answered(ts, answer)
}

func (s *state) answered(ts *testscript.TestScript, answer reply) {
	s.last = answer
	_, err := ts.Stdout().Write(answer.body)
	ts.Check(err)
	ts.Logf("status %d", answer.status)
}

func statusCmd(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, true, args, 1, "[!] status CODE")
	if got := strconv.Itoa(stateOf(ts).last.status); (got == args[0]) == neg {
		ts.Fatalf("the status is %s", got)
	}
}

func headerCmd(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, true, args, 1, "[!] header REGEXP")
	pattern, err := regexp.Compile("(?im)" + args[0])
	ts.Check(err)
	var lines strings.Builder
	ts.Check(stateOf(ts).last.header.Write(&lines))
	if pattern.MatchString(strings.ReplaceAll(lines.String(), "\r\n", "\n")) == neg {
		ts.Fatalf("the fields are:\n%s", lines.String())
	}
}

func awaitCmd(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 4, "await DURATION CODE METHOD URL [-H 'k: v'] [-d body]")
	limit, err := time.ParseDuration(args[0])
	ts.Check(err)
	began := time.Now()
	for {
		asked := time.Since(began)
		r, err := request(args[2:])
		ts.Check(err)
		answer, err := send(r)
		if err == nil && strconv.Itoa(answer.status) == args[1] {
			stateOf(ts).answered(ts, answer)
			ts.Logf("after %s", time.Since(began))
			return
		}
		if asked > limit {
			ts.Fatalf("not within %s: the last answer was %d %s (%v)", limit, answer.status, answer.body, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func jsonCmd(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 2, "json PATH VAR")
	value, err := find([]byte(ts.ReadFile("stdout")), args[0])
	ts.Check(err)
	ts.Setenv(args[1], value)
}

// find returns a value of a JSON text: a string as its text, the rest as JSON.
func find(text []byte, path string) (string, error) {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return "", fmt.Errorf("no JSON: %w: %s", err, text)
	}
	for name := range strings.SplitSeq(path, ".") {
		switch within := v.(type) {
		case map[string]any:
			v = within[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(within) {
				return "", fmt.Errorf("nothing at %q in %s", path, text)
			}
			v = within[i]
		default:
			v = nil
		}
		if v == nil {
			return "", fmt.Errorf("nothing at %q in %s", path, text)
		}
	}
	if s, ok := v.(string); ok {
		return s, nil
	}
	out, err := json.Marshal(v)
	return string(out), err
}

func signupCmd(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 2, "signup NAME PERSON")
	enter(ts, args[0], args[1], "signup")
}

func signinCmd(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 2, "signin NAME PERSON")
	enter(ts, args[0], args[1], "signin")
}

func enter(ts *testscript.TestScript, server, person, path string) {
	s := stateOf(ts)
	body := fmt.Sprintf(`{"email":"%s@example.com","password":"a-password-of-%[1]s"}`, strings.ToLower(person))
	r, err := request([]string{"POST", s.server(ts, server).ready.APIURL + "/api/v1/auth/" + path, "-d", body})
	ts.Check(err)
	answer, err := send(r)
	ts.Check(err)
	s.answered(ts, answer)
	for suffix, path := range map[string]string{
		"_ID": "user.id", "_SESSION": "session.id", "_ACCESS": "session.access_token", "_REFRESH": "session.refresh_token",
	} {
		value, err := find(answer.body, path)
		ts.Check(err)
		ts.Setenv(person+suffix, value)
	}
}

func forgeCmd(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 4, "forge VAR TOKEN HEADER keep|empty|hmac:KEY [claim=JSON...]")
	token, err := forge(args[1], args[2], args[3], args[4:])
	ts.Check(err)
	ts.Setenv(args[0], token)
}

func forge(token, header, signature string, changes []string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", fmt.Errorf("%q is not a token", token)
	}
	b64 := base64.RawURLEncoding
	payload, err := b64.DecodeString(parts[1])
	if err != nil {
		return "", err
	}
	if len(changes) > 0 {
		claims := map[string]json.RawMessage{}
		if err := json.Unmarshal(payload, &claims); err != nil {
			return "", err
		}
		for _, change := range changes {
			name, value, _ := strings.Cut(change, "=")
			claims[name] = json.RawMessage(value)
		}
		if payload, err = json.Marshal(claims); err != nil {
			return "", err
		}
	}
	if header == "keep" {
		original, err := b64.DecodeString(parts[0])
		if err != nil {
			return "", err
		}
		header = string(original)
	}
	input := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString(payload)
	switch key, isMAC := strings.CutPrefix(signature, "hmac:"); {
	case isMAC:
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(input))
		return input + "." + b64.EncodeToString(mac.Sum(nil)), nil
	case signature == "empty":
		return input + ".", nil
	default:
		return input + "." + parts[2], nil
	}
}

func sqlCmd(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, true, args, 2, "[!] sql NAME STATEMENTS|FILE.sql")
	statements := args[1]
	if strings.HasSuffix(statements, ".sql") {
		statements = ts.ReadFile(statements)
	}
	rows, err := query(stateOf(ts).server(ts, args[0]).ready.DatabaseURL, statements)
	if neg {
		if err == nil {
			ts.Fatalf("the statement succeeded:\n%s", rows)
		}
		_, _ = fmt.Fprintln(ts.Stderr(), err)
		return
	}
	ts.Check(err)
	_, err = io.WriteString(ts.Stdout(), rows)
	ts.Check(err)
}

// query runs statements and returns the rows of all of them, a line each, with
// tabs between the values.
func query(url, statements string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }()
	results, err := conn.PgConn().Exec(ctx, statements).ReadAll()
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, result := range results {
		for _, row := range result.Rows {
			for i, value := range row {
				if i > 0 {
					out.WriteByte('\t')
				}
				out.Write(value)
			}
			out.WriteByte('\n')
		}
	}
	return out.String(), nil
}
