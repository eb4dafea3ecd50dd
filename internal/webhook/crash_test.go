package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

// child is an instance that works the queue until it is killed.
func child(url string) {
	db, err := postgres.Open(context.Background(), postgres.Config{OwnerURL: url, MaxConns: 4})
	if err == nil {
		_, jobs, err := instance(db, os.Stderr)
		if err == nil {
			jobs.Run(context.Background())
		}
	}
	fmt.Fprintln(os.Stderr, "the child ended:", err)
	os.Exit(1)
}

// TestKilledInTheMiddle kills a server while it delivers. Another delivers the
// message, under the same id, as soon as the time of the job and its margin are
// over. The test makes the job that old, and the killed one the leader no more,
// instead of waiting for both.
func TestKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var n atomic.Int64
	url, got := receiver(t, func(_ http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			<-r.Context().Done() // it never learns whether this was taken
		}
	})
	victim := exec.Command(os.Args[0])
	victim.Env = append(os.Environ(), childURL+"="+h.db.OwnerURL)
	victim.Stderr = h.log
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = victim.Process.Kill() })
	h.send(t, url)
	first := next(t, got, h.secret, wait)
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait()
	h.db.Exec(t, `update auth.river_job set attempted_at = attempted_at - interval '25 seconds' where state = 'running'`)
	h.db.Exec(t, `delete from auth.river_leader`)
	h.run(t)
	second := next(t, got, h.secret, 90*time.Second)
	if a, b := first.header.Get("Webhook-Id"), second.header.Get("Webhook-Id"); a != b || string(first.body) != string(second.body) {
		t.Errorf("another message: %s, %s", a, b)
	}
	if attempts, _ := h.state(t, "completed"); attempts != 2 {
		t.Errorf("%d attempts", attempts)
	}
}
