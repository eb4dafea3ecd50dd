package server_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	reference "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/fluxbase/fluxbase/internal/job"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/servertest"
	"github.com/fluxbase/fluxbase/internal/webhook"
)

// TestQueue has another process, such as the operator's command line, send a
// webhook, which the server delivers. Only in development does it reach this
// machine.
func TestQueue(t *testing.T) {
	t.Parallel()
	secret, got := webhook.NewSecret(), make(chan error, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		verifier, _ := reference.NewWebhook(secret)
		if err == nil {
			err = verifier.Verify(body, r.Header)
		}
		got <- err
	}))
	t.Cleanup(receiver.Close)
	send := func(s *servertest.Server) {
		jobs, err := job.New(s.DB.DB, slog.New(slog.DiscardHandler), time.Second, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		command := &webhook.Service{DB: s.DB.DB, Jobs: jobs, Now: time.Now}
		command.Register()
		err = s.DB.InTx(t.Context(), func(q postgres.Querier) error {
			sealed, err := pgtest.Secrets().Put(t.Context(), q, webhook.SecretPurpose, "test", []byte(secret))
			if err != nil {
				return err
			}
			return command.Send(t.Context(), q, webhook.Message{
				Type: "test.happened", Endpoint: webhook.Endpoint{URL: receiver.URL, Secret: sealed, Subject: "test"},
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	send(servertest.New(t))
	select {
	case err := <-got:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was delivered")
	}

	strict := servertest.New(t, servertest.With("environment", "staging"))
	send(strict)
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(strict.LogText(), "not on the public Internet"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the address was not refused")
		}
	}
	if len(got) > 0 {
		t.Error("a server that is no development server reached this machine")
	}
}
