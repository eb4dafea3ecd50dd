package webhook_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	reference "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/job"
	"github.com/fluxbase/fluxbase/internal/leaktest"
	"github.com/fluxbase/fluxbase/internal/outbound"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/webhook"
)

// childURL is the database of a process that this test is run again as, to be
// killed.
const childURL = "FLUXBASE_TEST_CHILD_URL"

func TestMain(m *testing.M) {
	if url := os.Getenv(childURL); url != "" {
		child(url)
	}
	pgtest.Main(m)
}

const wait = 20 * time.Second

// instance makes the services of one server; they do not run yet.
func instance(db *postgres.DB, log io.Writer) (*webhook.Service, *job.Service, error) {
	jobs, err := job.New(db, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), time.Second, time.Now)
	if err != nil {
		return nil, nil, err
	}
	s := &webhook.Service{
		DB: db, Jobs: jobs, Secrets: pgtest.Secrets(),
		Client: outbound.New(outbound.Options{AllowPrivate: true, Timeout: 15 * time.Second}), Now: time.Now,
	}
	s.Register()
	return s, jobs, nil
}

// house is a database, one instance on it, and a receiver.
type house struct {
	*webhook.Service

	db     *pgtest.Database
	jobs   *job.Service
	log    *pgtest.Log
	secret string
	sealed id.Sealed
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{db: pgtest.New(t), log: &pgtest.Log{}, secret: webhook.NewSecret()}
	leaktest.Secret(leaktest.WebhookSecret, h.secret)
	var err error
	if h.Service, h.jobs, err = instance(h.db.DB, h.log); err != nil {
		t.Fatal(err)
	}
	h.sealed, err = pgtest.Secrets().Put(t.Context(), h.db.Single(), webhook.SecretPurpose, "test", []byte(h.secret))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.jobs.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}

func (h *house) send(t *testing.T, url string) {
	t.Helper()
	err := h.db.InTx(context.Background(), func(q postgres.Querier) error {
		return h.Send(context.Background(), q, webhook.Message{
			Type: "test.happened", Data: map[string]any{"number": 7, "text": "<é>"}, Endpoint: webhook.Endpoint{URL: url, Secret: h.sealed, Subject: "test"},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// again has a job that waits for its next attempt make it now.
func (h *house) again(t *testing.T) {
	t.Helper()
	h.state(t, "retryable")
	h.db.Exec(t, "update auth.river_job set state = 'available', scheduled_at = now()")
}

// state waits for the only job to get into a state, and returns its attempts
// and the time to the next.
func (h *house) state(t *testing.T, want string) (attempts int, next time.Duration) {
	t.Helper()
	var state string
	for deadline := time.Now().Add(wait); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var seconds float64
		h.db.Scan(t, "select state::text, attempt, extract(epoch from scheduled_at - now())::float8 from auth.river_job", nil, &state, &attempts, &seconds)
		if state == want {
			return attempts, time.Duration(seconds * float64(time.Second))
		}
	}
	t.Fatalf("the job is %s and not %s\n%s", state, want, h.log)
	return 0, 0
}

// delivered is a request that a receiver got.
type delivered struct {
	header http.Header
	body   []byte
	path   string
}

// receiver serves, and passes on what it gets.
func receiver(t *testing.T, h http.HandlerFunc) (string, <-chan delivered) {
	t.Helper()
	got := make(chan delivered, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- delivered{r.Header, body, r.URL.RequestURI()}
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, got
}

func answer(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

// next waits for a delivery, and has the reference implementation verify it.
func next(t *testing.T, got <-chan delivered, secret string, wait time.Duration) delivered {
	t.Helper()
	select {
	case d := <-got:
		receiver, err := reference.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := receiver.Verify(d.body, d.header); err != nil {
			t.Errorf("not verified: %v", err)
		}
		return d
	case <-time.After(wait):
		t.Fatal("nothing is delivered")
		return delivered{}
	}
}
