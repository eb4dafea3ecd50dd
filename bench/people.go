package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fluxbase/fluxbase/bench/wire"
)

// password is everybody's.
const password = "correct horse battery"

// sessionsEach is how many sessions of a person's are refreshed in turn, so that
// no row is under two requests.
const sessionsEach = 8

// person is a user of the server: one worker's.
type person struct {
	index   int
	id      string
	email   string
	access  string
	claims  string // the payload of access
	session string
	refresh []string // the tokens of sessionsEach sessions
	turn    int      // which of them is next
}

// entry is the answer to a sign-up, a sign-in and a refresh.
type entry struct {
	User struct {
		ID    string `json:"id"`
		Email string `json:"email"`
	} `json:"user"`
	Session struct {
		ID           string `json:"id"`
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	} `json:"session"`
}

// dial connects to the server.
func (b *rig) dial(ctx context.Context) (*wire.Conn, error) {
	c, err := wire.Dial(ctx, b.address())
	if err != nil {
		return nil, err //nolint:wrapcheck // says what it was doing
	}
	return c, c.SetDeadline(now().Add(time.Minute)) //nolint:wrapcheck // of an open connection
}

// address is the server's host:port.
func (b *rig) address() string {
	u, err := url.Parse(b.server.ready.APIURL)
	if err != nil {
		return b.server.ready.APIURL
	}
	return u.Host
}

// request builds a request. A body is JSON.
func (b *rig) request(method, path, token, body string, fields ...string) []byte {
	var s strings.Builder
	s.WriteString(method + " " + path + " HTTP/1.1\r\nHost: " + b.address() + "\r\n")
	if token != "" {
		s.WriteString("Authorization: Bearer " + token + "\r\n")
	}
	for _, f := range fields {
		s.WriteString(f + "\r\n")
	}
	if body != "" {
		s.WriteString("Content-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n")
	}
	s.WriteString("\r\n" + body)
	return []byte(s.String())
}

// populate makes people with sessions.
func (b *rig) populate(ctx context.Context, n int) error {
	conn, err := b.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for i := range n {
		p, err := b.signUp(ctx, fmt.Sprintf("person-%d@bench.example", i))
		if err != nil {
			return err
		}
		p.index = i
		for range sessionsEach {
			e, err := enter(conn, b.signInRequest(p.email), 200)
			if err != nil {
				return fmt.Errorf("signing in: %w", err)
			}
			p.refresh = append(p.refresh, e.Session.RefreshToken)
		}
		b.people = append(b.people, p)
	}
	return nil
}

func (b *rig) signUpRequest(email string) []byte {
	return b.request("POST", "/api/v1/auth/signup", "", `{"email":"`+email+`","password":"`+password+`"}`)
}

func (b *rig) signInRequest(email string) []byte {
	return b.request("POST", "/api/v1/auth/signin", "", `{"email":"`+email+`","password":"`+password+`"}`)
}

// signUp makes an account.
func (b *rig) signUp(ctx context.Context, email string) (*person, error) {
	conn, err := b.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	e, err := enter(conn, b.signUpRequest(email), 201)
	if err != nil {
		return nil, fmt.Errorf("signing up: %w", err)
	}
	p := &person{id: e.User.ID, email: email, access: e.Session.AccessToken, session: e.Session.ID}
	p.claims, err = payload(p.access)
	return p, err
}

// enter sends a request that is answered with a user and a session.
func enter(conn *wire.Conn, request []byte, status int) (entry, error) {
	var e entry
	got, body, err := conn.Do(request)
	if err != nil {
		return e, err //nolint:wrapcheck // says what it was doing
	}
	if got != status {
		return e, unexpected(got, body)
	}
	if err := json.Unmarshal(body, &e); err != nil || e.User.ID == "" || e.Session.RefreshToken == "" {
		return e, errors.Join(errors.New("the answer has no user and session"), err)
	}
	return e, nil
}

// payload returns the claims of a token.
func payload(token string) (string, error) {
	_, rest, _ := strings.Cut(token, ".")
	middle, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(middle)
	if err != nil {
		return "", fmt.Errorf("reading a token: %w", err)
	}
	return string(text), nil
}

// unexpected is the error of an answer that is not what was asked for.
func unexpected(status int, body []byte) error {
	return fmt.Errorf("unexpected answer %d: %s", status, body[:min(len(body), 400)])
}
