// Package servertest runs the assembled server for tests, over real HTTP on a
// database of pgtest. Several may run on one database.
package servertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/apikey"
	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/leaktest"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/server"
	"github.com/fluxbase/fluxbase/internal/telemetry"
	"github.com/fluxbase/fluxbase/internal/web/problem"
)

// Server is a running server.
type Server struct {
	*server.Server

	URL        string
	DB         *pgtest.Database
	ClientKey  string
	ServiceKey string

	log  *pgtest.Log
	t    *testing.T
	stop func()
}

// Option changes the configuration of a server, by key.
type Option func(map[string]string)

// With sets a configuration key.
func With(key, value string) Option { return func(m map[string]string) { m[key] = value } }

// New runs a server on a database of its own until the test ends.
func New(t *testing.T, options ...Option) *Server {
	t.Helper()
	return On(t, pgtest.New(t), options...)
}

// On runs a server on a database until the test ends.
func On(t *testing.T, db *pgtest.Database, options ...Option) *Server {
	t.Helper()
	c := Config(t, db, options...)
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{DB: db, t: t, URL: "http://" + listener.Addr().String(), log: &pgtest.Log{}}
	if c.PublicURL == "" {
		c.PublicURL = s.URL
	}
	logger := slog.New(telemetry.InTrace(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if s.Server, err = server.New(context.Background(), c, db.OwnerURL, logger); err != nil {
		t.Fatal(err)
	}
	s.run(listener)
	s.ClientKey, s.ServiceKey = s.key(apikey.Client), s.key(apikey.Service)
	return s
}

// Config is the configuration of a server on a database.
func Config(t *testing.T, db *pgtest.Database, options ...Option) *config.Config {
	t.Helper()
	settings := map[string]string{
		"auth.bcrypt_cost": "4",
		"secret_key":       fmt.Sprintf("%x", pgtest.SecretKey()),
		"migrations.dir":   t.TempDir(),
		"database.url":     db.OwnerURL,
		"log.level":        "debug",

		"ratelimit.enabled": "false", // all tests come from one address
	}
	for _, o := range options {
		o(settings)
	}
	for key, value := range settings {
		if secretKey.MatchString(key) {
			leaktest.Secret(leaktest.Credential, value)
		}
	}
	c, err := config.Load(config.Sources{Flags: settings, Defaults: map[string]string{"environment": "development"}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// secretKey matches the settings whose values are secrets.
var secretKey = regexp.MustCompile(`password$|secret|token$|encryption.*key|redis\.url$|database\..*url$`)

// Stop ends the server before the test does.
func (s *Server) Stop() { s.stop() }

// LogText returns everything logged so far.
func (s *Server) LogText() string { return s.log.String() }

func (s *Server) run(listener net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, listener) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				s.t.Errorf("the server ended with: %v", err)
			}
		case <-time.After(20 * time.Second):
			s.t.Error("the server does not end")
		}
	})
	s.t.Cleanup(s.stop)
}

func (s *Server) key(kind apikey.Kind) string {
	s.t.Helper()
	made, err := s.Keys.Create(context.Background(), kind, apikey.New{Name: "test"}, audit.Actor{})
	if err != nil {
		s.t.Fatal(err)
	}
	leaktest.Secret(leaktest.Key, made.Text)
	return made.Text
}

// Answer is an answer of the server.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// JSON decodes the body.
func (a Answer) JSON(t *testing.T, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.Body), into); err != nil {
		t.Fatalf("%v in %d %s", err, a.Status, a.Body)
	}
}

// Code returns the code of a problem document, or "".
func (a Answer) Code() string {
	var p struct{ Code string }
	_ = json.Unmarshal([]byte(a.Body), &p)
	return p.Code
}

var client = &http.Client{
	Timeout:       30 * time.Second,
	Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Do sends a request. bearer and body may be empty; fields are pairs of names
// and values.
func (s *Server) Do(method, path, bearer, body string, fields ...string) Answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, s.URL+path, bytes.NewReader([]byte(body)))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" && !slices.Contains(fields, "Content-Type") {
		r.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	leaktest.Traffic(path, r.Header, []byte(body))
	response, err := client.Do(r)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	leaktest.Traffic(path, response.Header, content)
	a := Answer{response.StatusCode, response.Header, string(content)}
	if why := Undocumented(path, a); why != "" {
		s.t.Errorf("%s %s: %s", method, path, why)
	}
	return a
}

// Undocumented says what is wrong with the code of an answer: every error that a
// test is answered with is on the page of errors, and its type leads there. Only
// functions of the application, behind the data API, make up codes.
func Undocumented(path string, a Answer) string {
	if !strings.HasPrefix(a.Header.Get("Content-Type"), "application/problem+json") || a.Body == "" {
		return ""
	}
	var p struct{ Type, Code string }
	if err := json.Unmarshal([]byte(a.Body), &p); err != nil {
		return "the problem cannot be read: " + err.Error()
	}
	entry, listed := problem.Entry(p.Code)
	data := strings.HasPrefix(path, "/api/v1/tables/") || strings.HasPrefix(path, "/api/v1/rpc/") || strings.HasPrefix(path, "/rest/v1/")
	switch {
	case listed && p.Type != problem.Page+"#"+entry:
		return fmt.Sprintf("the type of the code %s is %s", p.Code, p.Type)
	case !listed && (!data || p.Type != "about:blank"):
		return fmt.Sprintf("the code %s is not on the page of errors", p.Code)
	default:
		return ""
	}
}

// Person is somebody who is signed in.
type Person struct {
	ID      string
	Email   string
	Access  string
	Refresh string
	Session string
}

// Password is the password of everybody here.
const Password = "a-password-for-tests"

var people atomic.Int64

// SignUp makes an account and signs in.
func (s *Server) SignUp() Person {
	s.t.Helper()
	email := fmt.Sprintf("person%d@example.com", people.Add(1))
	return s.Person(email, s.Do("POST", "/api/v1/auth/signup", "", fmt.Sprintf(`{"email":%q,"password":%q}`, email, Password)))
}

// Person reads the answer to a sign-up, sign-in or refresh.
func (s *Server) Person(email string, a Answer) Person {
	s.t.Helper()
	var answer struct {
		User    struct{ ID string }
		Session struct {
			ID           string
			AccessToken  string `json:"access_token"`
			RefreshToken string `json:"refresh_token"`
		}
	}
	a.JSON(s.t, &answer)
	if a.Status >= 300 || answer.Session.AccessToken == "" {
		s.t.Fatalf("not signed in: %d %s", a.Status, a.Body)
	}
	return Person{answer.User.ID, email, answer.Session.AccessToken, answer.Session.RefreshToken, answer.Session.ID}
}
