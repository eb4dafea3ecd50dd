package rotation

import (
	"context"
	"fmt"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/webhook"
)

// Notifications say who hears of runs.
type Notifications struct {
	URL    string // empty: nobody
	Secret string // "whsec_..."; empty: one that is made, and kept sealed
}

// Where the secret of the notifications is kept among the sealed values.
const (
	secretPurpose = "webhook_secret"
	secretSubject = "security.encryption.key_rotation"
)

// NotifyBy has runs told to an endpoint by webhook.
func (s *Service) NotifyBy(ctx context.Context, webhooks *webhook.Service, n Notifications) error {
	if n.URL == "" {
		return nil
	}
	sealedID, err := s.keepSecret(ctx, n.Secret)
	if err != nil {
		return fmt.Errorf("keeping the secret of notifications: %w", err)
	}
	s.Notify = func(ctx context.Context, q postgres.Querier, event string, r Run) error {
		return webhooks.Send(ctx, q, webhook.Message{
			Type: "encryption." + eventNames[r.Kind] + "." + event, Data: r, Endpoint: webhook.Endpoint{URL: n.URL, Secret: sealedID, Inside: true},
		})
	}
	return nil
}

// eventNames are the kinds of runs in the types of messages.
var eventNames = map[Kind]string{ReEncryption: "re_encryption", Rollback: "rollback", Rotation: "rotation"}

// keepSecret seals the secret of the configuration, or one that is made at the
// first start.
func (s *Service) keepSecret(ctx context.Context, configured string) (id.Sealed, error) {
	text, err := s.Values.Ensure(ctx, s.DB.Single(), secretPurpose, secretSubject, func() []byte {
		if configured != "" {
			return []byte(configured)
		}
		return []byte(webhook.NewSecret())
	})
	if err != nil {
		return id.Sealed{}, err
	}
	sealedID, err := s.Values.Find(ctx, s.DB.Single(), secretPurpose, secretSubject)
	if err != nil || configured == "" || string(text) == configured {
		return sealedID, err
	}
	return sealedID, s.DB.InTx(ctx, func(q postgres.Querier) error {
		return s.Values.Replace(ctx, q, sealedID, []byte(configured))
	})
}

// NotificationSecret is the answer of the route that shows it.
type NotificationSecret struct {
	Secret string `json:"secret"` // "whsec_..."
}

// NotificationSecret returns what notifications are signed with, and writes
// down who has asked.
func (s *Service) NotificationSecret(ctx context.Context, by audit.Actor) (NotificationSecret, error) {
	if s.Notify == nil {
		return NotificationSecret{}, fault.New(fault.NotFound, "no_notifications",
			"There is no security.encryption.key_rotation.notification_webhook in the configuration.")
	}
	var n NotificationSecret
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		sealedID, err := s.Values.Find(ctx, q, secretPurpose, secretSubject)
		if err != nil {
			return err
		}
		text, err := s.Values.Open(ctx, q, sealedID)
		if err != nil {
			return err
		}
		n.Secret = string(text)
		return audit.Write(ctx, q, by.Did(audit.SecretRead, "sealed_value", id.UUID(sealedID), "purpose", secretPurpose))
	})
	return n, err
}
