package rotation_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/leaktest"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/rotation"
	"github.com/fluxbase/fluxbase/internal/webhook"
)

// TestDamagedNotificationSecret: it makes room for another, once, and this is
// said.
func TestDamagedNotificationSecret(t *testing.T) {
	t.Parallel()
	const whole = "update auth.sealed_values set envelope = %s where purpose = 'webhook_secret'"
	for name, damage := range map[string]string{
		"its text":    "set_byte(envelope, 30, get_byte(envelope, 30) # 1)",
		"its version": "set_byte(envelope, 4, 77)",
		"its form":    "set_byte(envelope, 0, 9)",
		"all of it":   `'\x01'`,
	} {
		for _, configured := range []string{"", webhook.NewSecret()} {
			t.Run(fmt.Sprintf("%s, configured %v", name, configured != ""), func(t *testing.T) {
				t.Parallel()
				db := pgtest.New(t)
				p := start(t, db, 1, 1)
				var log bytes.Buffer
				p.Logger = slog.New(slog.NewTextHandler(leaktest.Tee(&log), nil))
				secret := func() string {
					t.Helper()
					if err := p.NotifyBy(t.Context(), &webhook.Service{}, rotation.Notifications{URL: "https://example.com/", Secret: configured}); err != nil {
						t.Fatal(err)
					}
					n, err := p.NotificationSecret(t.Context(), audit.Actor{})
					if err != nil {
						t.Fatal(err)
					}
					return n.Secret
				}
				first := secret()
				db.Exec(t, fmt.Sprintf(whole, damage))
				second := secret()
				if _, err := webhook.ParseSecret(second); err != nil || (second == first) != (configured != "") {
					t.Errorf("%v: from %q to %q", err, first, second)
				}
				if third := secret(); third != second {
					t.Errorf("from %q to %q without damage", second, third)
				}
				var records int
				db.Scan(t, "select count(*) from auth.audit_log where action = 'encryption.notification_secret_replaced' and actor_kind = 'system'", nil, &records)
				if records != 1 || strings.Count(log.String(), "level=WARN") != 1 || strings.Contains(log.String(), second) {
					t.Errorf("%d records; log %s", records, &log)
				}
			})
		}
	}
}
