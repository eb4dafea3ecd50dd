package webhook_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/webhook"
)

func TestDelivery(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	url, got := receiver(t, answer(http.StatusNoContent))
	h.run(t)
	from := time.Now().Truncate(time.Microsecond)
	h.send(t, url+"/hook?a=b")
	d := next(t, got, h.secret, wait)
	if d.path != "/hook?a=b" || d.header.Get("Content-Type") != "application/json" || d.header.Get("User-Agent") != "Fluxbase" {
		t.Errorf("%s, %v", d.path, d.header)
	}
	if id := d.header.Get("Webhook-Id"); !regexp.MustCompile(`^msg_[0-9a-f-]{36}$`).MatchString(id) {
		t.Errorf("id %q", id)
	}
	var body map[string]any
	if err := json.Unmarshal(d.body, &body); err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(time.RFC3339, body["timestamp"].(string))
	if err != nil || at.Before(from) || at.After(time.Now()) {
		t.Errorf("happened at %v, %v", body["timestamp"], err)
	}
	delete(body, "timestamp")
	if diff := cmp.Diff(map[string]any{"type": "test.happened", "data": map[string]any{"number": 7.0, "text": "<é>"}}, body); diff != "" {
		t.Error(diff)
	}
	h.state(t, "completed")
	if len(got) > 0 {
		t.Error("delivered twice")
	}
}

// TestUndoneDeedTellsNobody rolls back the transaction in which a webhook was
// sent.
func TestUndoneDeedTellsNobody(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	url, got := receiver(t, answer(http.StatusOK))
	h.run(t)
	undone := errors.New("undone")
	err := h.db.InTx(t.Context(), func(q postgres.Querier) error {
		if err := h.Send(t.Context(), q, webhook.Message{Type: "test.undone", Endpoint: webhook.Endpoint{URL: url, Secret: h.sealed}}); err != nil {
			t.Error(err)
		}
		return undone
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	h.send(t, url)
	if d := next(t, got, h.secret, wait); !strings.Contains(string(d.body), "test.happened") {
		t.Errorf("%s", d.body)
	}
	h.state(t, "completed")
	if len(got) > 0 {
		t.Error("something else was delivered")
	}
}

// TestAnswers has receivers that do not take the message.
func TestAnswers(t *testing.T) {
	t.Parallel()
	elsewhere, followed := receiver(t, answer(http.StatusOK))
	for name, c := range map[string]struct {
		answer   http.HandlerFunc
		state    string
		min, max time.Duration // until the next attempt
	}{
		"200":           {answer(200), "completed", 0, 0},
		"299":           {answer(299), "completed", 0, 0},
		"410":           {answer(410), "cancelled", 0, 0},
		"400":           {answer(400), "retryable", 5 * time.Second, 20 * time.Second},
		"404":           {answer(404), "retryable", 5 * time.Second, 20 * time.Second},
		"500":           {answer(500), "retryable", 5 * time.Second, 20 * time.Second},
		"redirect":      {http.RedirectHandler(elsewhere, http.StatusFound).ServeHTTP, "retryable", 5 * time.Second, 20 * time.Second},
		"same redirect": {http.RedirectHandler(elsewhere, http.StatusTemporaryRedirect).ServeHTTP, "retryable", 5 * time.Second, 20 * time.Second},
		"429 with seconds": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		}, "retryable", 3590 * time.Second, 3600 * time.Second},
		"503 with a date": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusServiceUnavailable)
		}, "retryable", 3590 * time.Second, 3600 * time.Second},
		"503 for ages": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "99999999")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, "retryable", 6*time.Hour - time.Minute, 6 * time.Hour},
		"503 with nonsense": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "-5")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, "retryable", 5 * time.Second, 20 * time.Second},
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}, "completed", 0, 0},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_ = conn.Close()
			}
		}, "retryable", 5 * time.Second, 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			url, got := receiver(t, c.answer)
			h.run(t)
			h.send(t, url)
			next(t, got, h.secret, wait)
			attempts, pause := h.state(t, c.state)
			if attempts != 1 || c.max > 0 && (pause < c.min || pause > c.max) {
				t.Errorf("%d attempts, the next in %s", attempts, pause)
			}
			if len(followed) > 0 {
				t.Error("the redirect was followed")
			}
		})
	}
}

// TestRetriesKeepTheID cuts the connection in the middle of two deliveries.
func TestRetriesKeepTheID(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var n atomic.Int64
	url, got := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) < 3 {
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_ = conn.Close()
			}
		}
	})
	h.run(t)
	h.send(t, url)
	first := next(t, got, h.secret, wait)
	h.again(t)
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // another second, and so another timestamp
	second := next(t, got, h.secret, wait)
	h.again(t)
	third := next(t, got, h.secret, wait)
	for _, d := range []delivered{second, third} {
		if d.header.Get("Webhook-Id") != first.header.Get("Webhook-Id") || string(d.body) != string(first.body) {
			t.Errorf("%v %s\n%v %s", first.header, first.body, d.header, d.body)
		}
	}
	if a, b := first.header.Get("Webhook-Timestamp"), third.header.Get("Webhook-Timestamp"); a >= b {
		t.Errorf("the timestamp is that of another attempt: %s, %s", a, b)
	}
	h.state(t, "completed")
}

// TestNothingSecretIsToldOn looks for the secret in the job, and for what the
// URL hides in log and errors.
func TestNothingSecretIsToldOn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	url, got := receiver(t, answer(500))
	h.run(t)
	host := strings.TrimPrefix(url, "http://")
	h.send(t, "http://user:hunter2@"+host+"/hunter2?key=hunter2#hunter2")
	next(t, got, h.secret, wait)
	h.state(t, "retryable")
	h.db.Exec(t, `update auth.river_job set args = jsonb_set(args, '{args,url}', '"http://user:hunter2@nowhere.invalid/hunter2?key=hunter2"')`)
	h.again(t)
	var stored, mistakes string
	for deadline := time.Now().Add(wait); ; time.Sleep(20 * time.Millisecond) {
		h.db.Scan(t, "select to_jsonb(j)::text, coalesce(array_to_string(errors, ' '), '') from auth.river_job j", nil, &stored, &mistakes)
		if strings.Contains(mistakes, "nowhere.invalid") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(mistakes)
		}
	}
	if strings.Contains(stored, h.secret) || strings.Contains(stored, h.secret[10:40]) || !strings.Contains(stored, h.sealed.String()) {
		t.Errorf("the job is %s", stored)
	}
	if strings.Contains(mistakes, "hunter2") || !strings.Contains(mistakes, host) {
		t.Errorf("its errors are %s", mistakes)
	}
	if strings.Contains(h.log.String(), "hunter2") || strings.Contains(h.log.String(), "whsec") || !strings.Contains(h.log.String(), "nowhere.invalid") {
		t.Errorf("the log is %s", h.log)
	}
}

func TestSendRefuses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	good := webhook.Message{Type: "a.b_c.d1", Data: 1, Endpoint: webhook.Endpoint{URL: "https://example.com/x", Secret: h.sealed}}
	try := func(m webhook.Message) error {
		return h.db.InTx(t.Context(), func(q postgres.Querier) error { return h.Send(t.Context(), q, m) })
	}
	if err := try(good); err != nil {
		t.Errorf("control: %v", err)
	}
	for _, kind := range []string{"", ".", "a.", ".a", "a..b", "a b", "a-b", "a\nb"} {
		m := good
		m.Type = kind
		if err := try(m); err == nil {
			t.Errorf("type %q is sent", kind)
		}
	}
	for _, url := range []string{"", "example.com", "/x", "ftp://example.com/", "file:///etc/passwd", "https://", "https:hunter2", "http://u:hunter2@[::1/"} {
		m := good
		m.Endpoint.URL = url
		if err := try(m); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", url, err)
		}
	}
	m := good
	m.Endpoint.Secret = id.Sealed{}
	if err := try(m); err == nil {
		t.Error("sent without a secret")
	}
	m = good
	m.Data = func() {}
	if err := try(m); err == nil {
		t.Error("a function is sent")
	}
}

// TestBadSecret ends a message whose sealed value is no secret of a webhook.
func TestBadSecret(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	url, got := receiver(t, answer(http.StatusOK))
	if err := pgtest.Secrets().Replace(t.Context(), h.db.Single(), h.sealed, []byte("hunter2")); err != nil {
		t.Fatal(err)
	}
	h.run(t)
	h.send(t, url)
	h.state(t, "cancelled")
	if len(got) > 0 || strings.Contains(h.log.String(), "hunter2") {
		t.Errorf("%d delivered; the log is %s", len(got), h.log)
	}
}

// TestAnotherValueIsNoKey: whoever writes the id of another value into a job
// has nothing signed with it.
func TestAnotherValueIsNoKey(t *testing.T) {
	t.Parallel()
	for name, of := range map[string][2]string{"purpose": {"jwt_key", "test"}, "subject": {webhook.SecretPurpose, "another"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			url, got := receiver(t, answer(http.StatusOK))
			other, err := pgtest.Secrets().Put(t.Context(), h.db.Single(), of[0], of[1], []byte(webhook.NewSecret()))
			if err != nil {
				t.Fatal(err)
			}
			h.send(t, url)
			h.db.Exec(t, `update auth.river_job set args = jsonb_set(args, '{args,secret_id}', to_jsonb($1::text))`, other.String())
			h.run(t)
			h.state(t, "retryable")
			if len(got) > 0 {
				t.Error("it is delivered")
			}
			h.db.Exec(t, `update auth.river_job set args = jsonb_set(args, '{args,secret_id}', to_jsonb($1::text))`, h.sealed.String())
			h.again(t)
			next(t, got, h.secret, wait) // control
		})
	}
}
