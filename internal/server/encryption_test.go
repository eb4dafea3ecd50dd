package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/keyring/kmstest"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/rotation"
	"github.com/fluxbase/fluxbase/internal/server"
	"github.com/fluxbase/fluxbase/internal/servertest"
	"github.com/fluxbase/fluxbase/internal/telemetry"
	"github.com/fluxbase/fluxbase/internal/webhook"
)

// encryption is a setting below security.encryption.
func encryption(key, value string) servertest.Option {
	return servertest.With("security.encryption."+key, value)
}

// started starts a run and waits until it is over.
func started(t *testing.T, s *servertest.Server, path, body string) rotation.Run {
	t.Helper()
	a := s.Do("POST", "/api/v1/admin/keys/"+path, s.ServiceKey, body)
	if a.Status != 202 {
		t.Fatalf("%s: %d %s", path, a.Status, a.Body)
	}
	var run rotation.Run
	a.JSON(t, &run)
	for deadline := time.Now().Add(30 * time.Second); !run.Over(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not end: %+v", path, run)
		}
		s.Do("GET", "/api/v1/admin/keys/runs/"+run.ID.String(), s.ServiceKey, "").JSON(t, &run)
	}
	return run
}

// receiver is an endpoint of webhooks.
type receiver struct {
	url string

	mu  sync.Mutex
	got []received
}

type received struct {
	header http.Header
	body   []byte
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, received{q.Header.Clone(), body})
	}))
	t.Cleanup(s.Close)
	r.url = s.URL + "/security"
	return r
}

// types are the messages that have come, with their signatures checked.
func (r *receiver) types(t *testing.T, secret string) []string {
	t.Helper()
	key, err := webhook.ParseSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var types []string
	for _, g := range r.got {
		seconds, err := strconv.ParseInt(g.header.Get("Webhook-Timestamp"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if want := webhook.Sign(key, g.header.Get("Webhook-Id"), time.Unix(seconds, 0), g.body); g.header.Get("Webhook-Signature") != want {
			t.Errorf("signature %q, want %q", g.header.Get("Webhook-Signature"), want)
		}
		var message struct {
			Type string
			Data rotation.Run
		}
		if err := json.Unmarshal(g.body, &message); err != nil || message.Data.ID.IsZero() {
			t.Errorf("%s: %v", g.body, err)
		}
		types = append(types, message.Type)
	}
	slices.Sort(types)
	return types
}

func await(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !happened(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// TestRotationIsTold rotates, and rotates over a value that does not open:
// whoever watches hears of both, by webhook, metrics and doctor.
func TestRotationIsTold(t *testing.T) {
	t.Parallel()
	hook := newReceiver(t)
	s := servertest.New(t, encryption("key_rotation.notification_webhook", hook.url), servertest.With("server.admin_address", "127.0.0.1:0"))
	var secret rotation.NotificationSecret
	s.Do("GET", "/api/v1/admin/keys/notification-secret", s.ServiceKey, "").JSON(t, &secret)

	if run := started(t, s, "rotate", ""); run.State != rotation.Succeeded || run.ReEncrypted != 6 {
		t.Errorf("%+v", run)
	}
	await(t, "two messages", func() bool { return len(hook.types(t, secret.Secret)) == 2 })
	if got := strings.Join(hook.types(t, secret.Secret), " "); got != "encryption.rotation.started encryption.rotation.succeeded" {
		t.Error(got)
	}
	metrics := adminURL(t, s) + "/metrics"
	await(t, "a rotation in the metrics", func() bool {
		return strings.Contains(get(t, metrics), `fluxbase_encryption_last_run_failed{kind="rotation"} 0`)
	})
	if found := diagnose(t, s.DB); found[len(found)-1].Severity != telemetry.Fine {
		t.Errorf("%+v", found)
	}

	s.DB.Exec(t, `update auth.sealed_values set envelope = set_byte(envelope, 30, get_byte(envelope, 30) # 1) where subject = 'fluxbase_user'`)
	if run := started(t, s, "rotate", ""); run.State != rotation.Failed || run.Failed != 1 {
		t.Errorf("%+v", run)
	}
	await(t, "a failure by webhook", func() bool { return slices.Contains(hook.types(t, secret.Secret), "encryption.rotation.failed") })
	await(t, "a failure in the metrics", func() bool {
		return strings.Contains(get(t, metrics), `fluxbase_encryption_last_run_failed{kind="rotation"} 1`)
	})
	if text := fmt.Sprintf("%+v", diagnose(t, s.DB)); !strings.Contains(text, "latest rotation has failed") || !strings.Contains(text, "re-encrypt --from-version 2 --to-version 3") {
		t.Error(text)
	}
	if strings.Contains(s.LogText(), secret.Secret) {
		t.Error("the log holds the secret of the webhook")
	}
}

var adminLine = regexp.MustCompile(`msg="admin listener" address=(\S+)`)

func adminURL(t *testing.T, s *servertest.Server) string {
	t.Helper()
	var m []string
	await(t, "an admin listener", func() bool { m = adminLine.FindStringSubmatch(s.LogText()); return m != nil })
	return "http://" + m[1]
}

func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v", url, r.StatusCode, err)
	}
	return string(text)
}

func diagnose(t *testing.T, db *pgtest.Database) []telemetry.Finding {
	t.Helper()
	return server.Diagnose(t.Context(), servertest.Config(t, db), db.OwnerURL, true)
}

// startOn returns why a server does not start.
func startOn(t *testing.T, db *pgtest.Database, options ...servertest.Option) error {
	t.Helper()
	_, err := server.New(t.Context(), servertest.Config(t, db, options...), db.OwnerURL, slog.New(slog.DiscardHandler))
	return err
}

// TestMetricsAreNotForEverybody: they are on the admin listener only.
func TestMetricsAreNotForEverybody(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	if a := s.Do("GET", "/metrics", s.ServiceKey, ""); a.Status != 404 {
		t.Errorf("%d", a.Status)
	}
}

// TestKeyManagementService moves a database from a local key to AWS KMS, which
// is asked when keys are opened and made, and for no value.
func TestKeyManagementService(t *testing.T) { //nolint:paralleltest // the AWS SDK is configured by the environment
	for name, value := range kmstest.AWSEnvironment() {
		t.Setenv(name, value)
	}
	kms := kmstest.NewAWS(t)
	db := pgtest.New(t)
	first := servertest.On(t, db)
	set := first.Do("PUT", "/api/v1/admin/secrets/STRIPE_KEY", first.ServiceKey, `{"value":"sk_live_example"}`)
	if set.Status != 200 {
		t.Fatalf("%d %s", set.Status, set.Body)
	}
	first.Stop()

	with := []servertest.Option{
		encryption("provider", "aws_kms"), encryption("kms_key_id", "alias/fluxbase-secrets"), encryption("kms_endpoint", kms.URL),
		encryption("kms_region", kmstest.AWSRegion), encryption("active_key_version", "2"),
	}
	s := servertest.On(t, db, with...)
	if run := started(t, s, "re-encrypt", `{"from_version":1,"to_version":2}`); run.State != rotation.Succeeded || run.ReEncrypted != 6 {
		t.Errorf("%+v", run)
	}
	asked := kms.Requests()
	for range 20 {
		if a := s.Do("GET", "/api/v1/admin/secrets/STRIPE_KEY/value", s.ServiceKey, ""); !strings.Contains(a.Body, "sk_live_example") {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	}
	if kms.Requests() != asked {
		t.Errorf("the service was asked %d times for values", kms.Requests()-asked)
	}
	s.Stop()

	// The local key is gone from the configuration now.
	kms.Fail(kmstest.Unavailable)
	if err := startOn(t, db, append(with, servertest.With("secret_key", ""))...); err == nil || !strings.Contains(err.Error(), "version 2 is missing") {
		t.Errorf("started without its key: %v", err)
	}
	kms.Fail(kmstest.Works)
	last := servertest.On(t, db, append(with, servertest.With("secret_key", ""))...)
	if a := last.Do("GET", "/api/v1/admin/secrets/STRIPE_KEY/value", last.ServiceKey, ""); !strings.Contains(a.Body, "sk_live_example") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if run := started(t, last, "rotate", ""); run.State != rotation.Succeeded || *run.ToVersion != 3 {
		t.Errorf("%+v", run)
	}
	for id, warned := range map[string]bool{"alias/fluxbase-secrets": false, "arn:aws:kms:eu-west-1:111122223333:key/another": true} {
		c := servertest.Config(t, db, append(with, servertest.With("secret_key", ""), encryption("kms_key_id", id))...)
		if text := fmt.Sprintf("%+v", server.Diagnose(t.Context(), c, db.OwnerURL, true)); strings.Contains(text, "secrets rotate") != warned {
			t.Errorf("%s: %s", id, text)
		}
	}
}

// TestDoctorSaysWhatIsActive: to look at a configuration makes nothing active.
func TestDoctorSaysWhatIsActive(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	with := encryption("keys", `[{"version":2,"key":"`+strings.Repeat("0123456789abcdef", 4)+`"}]`)
	ahead := servertest.Config(t, s.DB, with, encryption("active_key_version", "2"))
	text := fmt.Sprintf("%+v", server.Diagnose(t.Context(), ahead, s.DB.OwnerURL, true))
	if strings.Contains(text, "under version 2") || !strings.Contains(text, "Version 2 becomes active when the server starts") {
		t.Error(text)
	}
	if text := fmt.Sprintf("%+v", diagnose(t, s.DB)); !strings.Contains(text, "Everything is sealed under version 1.") {
		t.Error(text)
	}
}

// TestKeysInVault reads keys where the configuration says they are.
func TestKeysInVault(t *testing.T) {
	t.Parallel()
	vault := kmstest.NewVault(t)
	vault.Put(t, "fluxbase/keys/v1", map[string]string{"key": fmt.Sprintf("%x", pgtest.SecretKey())})
	vault.Put(t, "fluxbase/keys/v2", map[string]string{"key": strings.Repeat("0123456789abcdef", 4)})
	db := pgtest.New(t)
	with := []servertest.Option{
		servertest.With("secret_key", ""), encryption("vault.address", vault.URL), encryption("vault.token", vault.Token),
		encryption("active_key_version", "2"),
	}
	keys := func(first, second string) servertest.Option {
		return encryption("keys", `[{"version":1,"key":"{{ vault `+"`"+first+"`"+` }}"},{"version":2,"key":"{{ vault `+"`"+second+"`"+` }}"}]`)
	}
	s := servertest.On(t, db, append(with, keys("secret/fluxbase/keys/v1", "secret/fluxbase/keys/v2"))...)
	if run := started(t, s, "re-encrypt", `{"from_version":1,"to_version":2}`); run.State != rotation.Succeeded {
		t.Errorf("%+v", run)
	}
	s.Stop()
	err := startOn(t, db, append(with, keys("secret/fluxbase/keys/v1", "secret/fluxbase/keys/v3"))...)
	if err == nil || !strings.Contains(err.Error(), "version 2") || !strings.Contains(err.Error(), "secret/fluxbase/keys/v3") {
		t.Errorf("a key that is not there: %v", err)
	}
}
