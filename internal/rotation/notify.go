package rotation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/keyring"
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
	secretPurpose = webhook.SecretPurpose
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
			Type: "encryption." + eventNames[r.Kind] + "." + event, Data: r, Endpoint: webhook.Endpoint{URL: n.URL, Secret: sealedID, Subject: secretSubject, Inside: true},
		})
	}
	return nil
}

// eventNames are the kinds of runs in the types of messages.
var eventNames = map[Kind]string{ReEncryption: "re_encryption", Rollback: "rollback", Rotation: "rotation"}

// keepSecret seals the secret of the configuration, or one that is made at the
// first start. A secret that does not open any more makes room for another: what
// tells of runs must not keep a program from starting.
func (s *Service) keepSecret(ctx context.Context, configured string) (id.Sealed, error) {
	text, err := s.Values.Ensure(ctx, s.DB.Single(), secretPurpose, secretSubject, func() []byte {
		return []byte(cmp.Or(configured, webhook.NewSecret()))
	})
	damage := err
	if err != nil && !damaged(err) {
		return id.Sealed{}, err
	}
	sealedID, err := s.Values.Find(ctx, s.DB.Single(), secretPurpose, secretSubject)
	switch {
	case err != nil:
		return id.Sealed{}, err
	case damage != nil:
		return sealedID, s.replaceSecret(ctx, sealedID, configured, damage)
	case configured == "" || string(text) == configured:
		return sealedID, nil
	}
	return sealedID, s.DB.InTx(ctx, func(q postgres.Querier) error {
		return s.Values.Replace(ctx, q, sealedID, []byte(configured))
	})
}

// damaged says that a value will not open, with whatever this program knows.
func damaged(err error) bool {
	return errors.Is(err, keyring.ErrNotOpened) || errors.Is(err, keyring.ErrNoKey)
}

// replaceSecret puts another secret in the place of one that does not open. If
// somebody else has done so by now, there is nothing left to do.
func (s *Service) replaceSecret(ctx context.Context, sealedID id.Sealed, configured string, damage error) error {
	return s.DB.InTx(ctx, func(q postgres.Querier) error {
		if _, err := s.Values.Open(ctx, q, sealedID); !damaged(err) {
			return err
		}
		source := "configuration"
		if configured == "" {
			source = "generated"
		}
		s.Logger.WarnContext(ctx, "the secret of notifications did not open and was replaced; receivers have to know the new one",
			slog.String("source", source), slog.Any("error", damage))
		if err := s.Values.Replace(ctx, q, sealedID, []byte(cmp.Or(configured, webhook.NewSecret()))); err != nil {
			return err
		}
		return audit.Write(ctx, q, audit.Actor{}.Did(audit.EncryptionSecretReplaced, "sealed_value", id.UUID(sealedID),
			"purpose", secretPurpose, "source", source))
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
