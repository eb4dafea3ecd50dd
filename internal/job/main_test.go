package job_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/job"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// note is the work of these tests.
type note struct {
	Text string `json:"text"`
}

func (note) Kind() string { return "test.note" }

const wait = 20 * time.Second

// journal is a log that can be read.
type journal struct{ pgtest.Log }

// lines returns the entries with a message.
func (j *journal) lines(t *testing.T, message string) []map[string]any {
	t.Helper()
	var found []map[string]any
	for line := range strings.Lines(j.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry["msg"] == message {
			found = append(found, entry)
		}
	}
	return found
}

// queue makes a service for notes; it does not run yet.
func queue(t *testing.T, db *postgres.DB, k job.Kind[note]) (*job.Service, *journal) {
	t.Helper()
	log := &journal{}
	s, err := job.New(db, slog.New(slog.NewJSONHandler(log, nil)), time.Second, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	job.Register(s, k)
	return s, log
}

// run works the queue until the test ends, or the function is called.
func run(t *testing.T, s *job.Service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx)
	}()
	stop = func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(wait):
			t.Error("the queue does not stop")
		}
	}
	t.Cleanup(stop)
	return stop
}

func insert(t *testing.T, db *postgres.DB, s *job.Service, text, key string) {
	t.Helper()
	err := db.InTx(context.Background(), func(q postgres.Querier) error {
		return s.Insert(context.Background(), q, note{text}, job.Options{Key: key})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, c <-chan string) string {
	t.Helper()
	select {
	case text := <-c:
		return text
	case <-time.After(wait):
		t.Fatal("no job ran")
		return ""
	}
}

// finished waits for the only job to get to a state from which it goes nowhere.
func finished(t *testing.T, db *pgtest.Database) (state string, attempt int) {
	t.Helper()
	for deadline := time.Now().Add(wait); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		db.Scan(t, "select state::text, attempt from auth.river_job", nil, &state, &attempt)
		if state == "completed" || state == "discarded" || state == "cancelled" {
			return state, attempt
		}
	}
	t.Fatalf("the job is %s, at attempt %d", state, attempt)
	return "", 0
}
