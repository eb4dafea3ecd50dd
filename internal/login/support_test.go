package login_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

// j is a JSON object of names and values.
func j(pairs ...any) string {
	object := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		object[pairs[i].(string)] = pairs[i+1]
	}
	text, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// post sends a JSON object without a credential.
func post(s *servertest.Server, path string, pairs ...any) servertest.Answer {
	return s.Do("POST", base+path, "", j(pairs...))
}

// as sends a JSON object as somebody.
func as(s *servertest.Server, p servertest.Person, method, path string, pairs ...any) servertest.Answer {
	return s.Do(method, base+path, p.Access, j(pairs...))
}

// atOnce does something n times at once, and counts the outcomes.
func atOnce(n int, do func(i int) servertest.Answer) (outcomes map[string]int, won []servertest.Answer) {
	outcomes = map[string]int{}
	var mu sync.Mutex
	var ready, done sync.WaitGroup
	ready.Add(1)
	for i := range n {
		done.Go(func() {
			ready.Wait()
			a := do(i)
			mu.Lock()
			defer mu.Unlock()
			outcomes[strings.TrimSpace(fmt.Sprint(a.Status, " ", a.Code()))]++
			if a.Status < 400 {
				won = append(won, a)
			}
		})
	}
	ready.Done()
	done.Wait()
	return outcomes, won
}

// oneOf wants that of n at once one has won, and that the others were refused
// with a code.
func oneOf(t *testing.T, what string, n int, code string, do func(i int) servertest.Answer) servertest.Answer {
	t.Helper()
	outcomes, won := atOnce(n, do)
	if len(won) != 1 || outcomes[code] != n-1 {
		t.Fatalf("%s: %v", what, outcomes)
	}
	return won[0]
}

// authenticator is an enrolled app.
type authenticator struct {
	s        *servertest.Server
	user     string
	secret   string
	recovery []string
}

// code returns a code that has not been used, and forgets earlier attempts.
func (a authenticator) code(t *testing.T) string {
	t.Helper()
	a.s.DB.Exec(t, `update auth.totp_factors set last_used_step = 0 where user_id = $1`, a.user)
	a.s.DB.Exec(t, `delete from auth.second_factor_attempts where user_id = $1`, a.user)
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(a.secret)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, time.Now().Unix()/30)
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[offset:])&0x7fffffff%1000000)
}

// enroll gives somebody a second factor, and returns them with the tokens of the
// session that it has raised.
func enroll(t *testing.T, s *servertest.Server, p servertest.Person) (servertest.Person, authenticator) {
	t.Helper()
	var e struct{ ID, Secret string }
	want(t, as(s, p, "POST", "/2fa/enroll"), 200, "").JSON(t, &e)
	app := authenticator{s: s, user: p.ID, secret: e.Secret}
	var codes struct {
		RecoveryCodes []string `json:"recovery_codes"`
	}
	want(t, as(s, p, "POST", "/2fa/enroll/verify", "code", app.code(t)), 200, "").JSON(t, &codes)
	if len(codes.RecoveryCodes) != 10 {
		t.Fatalf("%d recovery codes", len(codes.RecoveryCodes))
	}
	app.recovery = codes.RecoveryCodes
	return s.Person(p.Email, post(s, "/refresh", "refresh_token", p.Refresh)), app
}

// claimsOf reads an access token.
func claimsOf(t *testing.T, p servertest.Person) map[string]any {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(p.Access, ".")[1])
	var claims map[string]any
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		t.Fatal(err)
	}
	return claims
}

// endReason is what a refresh says about why a session is over; "" is that it
// is not.
func endReason(t *testing.T, s *servertest.Server, p servertest.Person) string {
	t.Helper()
	var problem struct{ Reason string }
	post(s, "/refresh", "refresh_token", p.Refresh).JSON(t, &problem)
	return problem.Reason
}

// grown makes the last proof of a session older than the window.
func grown(t *testing.T, s *servertest.Server, p servertest.Person) {
	t.Helper()
	s.DB.Exec(t, `update auth.sessions set authenticated_at = now() - interval '16 minutes' where id = $1`, p.Session)
}

// count is the number that a query returns.
func count(t *testing.T, s *servertest.Server, sql string, args ...any) (n int) {
	t.Helper()
	s.DB.Scan(t, sql, args, &n)
	return n
}

// letters waits for a number of messages to an address and returns them with
// their tokens and codes, newest first.
func letters(t *testing.T, s *servertest.Server, to string, number int) (found []letter) {
	t.Helper()
	mailed(t, s, to, number)
	var page struct{ Items []message }
	s.Do("GET", "/dev/mail/messages?to="+url.QueryEscape(to), "", "").JSON(t, &page)
	for _, m := range page.Items {
		one := letter{message: m}
		if part := linkPattern.FindStringSubmatch(m.Text); part != nil {
			one.token = part[1]
		}
		if part := codePattern.FindStringSubmatch(m.Text); part != nil {
			one.code = part[1]
		}
		found = append(found, one)
	}
	return found
}

// next is the letter that comes of what is asked for, whatever else is on its
// way to the address: messages overtake each other. It has a link or a code.
func next(t *testing.T, s *servertest.Server, to string, ask func()) letter {
	t.Helper()
	seen := map[string]bool{"": true}
	for _, l := range letters(t, s, to, 0) {
		seen[l.token+l.code] = true
	}
	ask()
	for number := 1; ; number++ {
		for _, l := range letters(t, s, to, number) {
			if !seen[l.token+l.code] {
				return l
			}
		}
	}
}

// letter is a message with what is in it.
type letter struct {
	message

	token, code string
}

var (
	linkPattern = regexp.MustCompile(`/verify\?token=([A-Z0-9]+)`)
	codePattern = regexp.MustCompile(`\b(\d{6})\b`)
)

// redirected returns the token in the fragment to which a button led.
func redirected(t *testing.T, a servertest.Answer) string {
	t.Helper()
	_, fragment, ok := strings.Cut(want(t, a, 303, "").Header.Get("Location"), "token=")
	token, _, _ := strings.Cut(fragment, "&")
	if !ok || token == "" {
		t.Fatalf("%v", a.Header)
	}
	return token
}

// contains says whether a text has each of some words.
func contains(text string, words ...string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}
