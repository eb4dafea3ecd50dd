package webhook_test

import (
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	reference "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/fluxbase/fluxbase/internal/webhook"
)

// TestPublishedVector is the one that the libraries of the specification share.
func TestPublishedVector(t *testing.T) {
	t.Parallel()
	key, err := webhook.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := webhook.Sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Error(got)
	}
}

// TestReference has the reference implementation verify what is signed here.
func TestReference(t *testing.T) {
	t.Parallel()
	for n := range 200 {
		secret, body := webhook.NewSecret(), make([]byte, rand.IntN(300))
		for i := range body {
			body[i] = byte(rand.Uint32())
		}
		key, err := webhook.ParseSecret(secret)
		if err != nil {
			t.Fatal(err)
		}
		receiver, err := reference.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		now, id := time.Now(), "msg_"+strconv.Itoa(n)
		header := http.Header{}
		header.Set("Webhook-Id", id)
		header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
		header.Set("Webhook-Signature", webhook.Sign(key, id, now, body))
		if err := receiver.Verify(body, header); err != nil {
			t.Errorf("%d bytes: %v", len(body), err)
		}
		if err := receiver.Verify(append(body, 'x'), header); err == nil {
			t.Error("another body is verified")
		}
		header.Set("Webhook-Id", id+"x")
		if err := receiver.Verify(body, header); err == nil {
			t.Error("another id is verified")
		}
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	of := func(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for text, length := range map[string]int{
		of(24): 24, of(32): 32, of(64): 64, "v1," + of(24): 24, webhook.NewSecret(): 32,
	} {
		if key, err := webhook.ParseSecret(text); err != nil || len(key) != length {
			t.Errorf("%s: %d bytes, %v", text, len(key), err)
		}
	}
	for _, text := range []string{
		"", "whsec_", of(23), of(65), strings.TrimPrefix(of(32), "whsec_"), "WHSEC_" + of(32)[6:], "v2," + of(32),
		"whsec_hunter2hunter2hunter2hunter2hunter2!", "whsk_" + of(32)[6:], of(32) + " ", strings.TrimRight(of(32), "="),
	} {
		if key, err := webhook.ParseSecret(text); !errors.Is(err, webhook.ErrSecret) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %d bytes, %v", text, len(key), err)
		}
	}
	if one, other := webhook.NewSecret(), webhook.NewSecret(); one == other {
		t.Error("two secrets are the same")
	}
}
