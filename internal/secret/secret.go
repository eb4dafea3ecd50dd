// Package secret keeps the secrets of applications: named, versioned, for a
// sub-tenant or for the whole installation, and expiring if they should.
//
// Values lie among the sealed values and are seen by nobody but whoever asks
// for one by name, which is written down each time. The database roles of API
// traffic have no way to them. A deleted secret can be restored until it is
// purged.
package secret

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/sealed"
)

// ErrNotFound is the fault of a secret, or a version of one, that does not exist.
var ErrNotFound = fault.New(fault.NotFound, "secret_not_found", "There is no such secret.")

// ErrExpired is the fault of a secret whose time is over.
var ErrExpired = fault.New(fault.NotFound, "secret_expired", "The secret has expired.")

const (
	// MaxValue is the length of the longest value, in bytes.
	MaxValue = 64 << 10

	maxDescription = 500
	maxLife        = 100 * 365 * 24 * time.Hour // JSON has no instants after the year 9999
	keptVersions   = 20                         // the oldest of more are destroyed
)

// Secret is a secret without its value.
type Secret struct {
	ID          id.Secret  `json:"id"`
	Name        string     `json:"name"`
	SubTenantID *id.Tenant `json:"sub_tenant_id"` // null: for the whole installation
	Description *string    `json:"description"`
	Version     int        `json:"version"` // the newest
	ExpiresAt   *time.Time `json:"expires_at"`
	CreatedAt   time.Time  `json:"created_at"`
	UpdatedAt   time.Time  `json:"updated_at"`
	DeletedAt   *time.Time `json:"deleted_at"`
}

// Version is a version of a secret without its value.
type Version struct {
	Version   int        `json:"version"`
	ExpiresAt *time.Time `json:"expires_at"`
	CreatedAt time.Time  `json:"created_at"`
	CreatedBy *id.Key    `json:"created_by"` // the key it was set with; null: at the database
	Deleted   bool       `json:"deleted"`    // from before the secret was deleted and set again: restored, not read

	sealed id.Sealed
}

// Value is a version of a secret with its value.
type Value struct {
	Name        string     `json:"name"`
	SubTenantID *id.Tenant `json:"sub_tenant_id"`
	Version     int        `json:"version"`
	Value       string     `json:"value"`
	ExpiresAt   *time.Time `json:"expires_at"`
}

// Input is a value to be set.
type Input struct {
	Value       string
	Description *string // nil leaves it as it is
	ExpiresAt   *time.Time
}

// Name is what a secret is found by.
type Name struct {
	Tenant id.Tenant // zero: the whole installation
	Name   string
}

// Database is the owner's door.
type Database interface {
	Single() postgres.Querier
	InTx(ctx context.Context, f func(postgres.Querier) error) error
}

// Service keeps secrets. It is safe for concurrent use.
type Service struct {
	DB     Database
	Values *sealed.Service
	Now    func() time.Time
}

var nameForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,127}$`)

// ValidName says whether a secret can have a name.
func ValidName(name string) bool { return nameForm.MatchString(name) }

func (s *Service) check(n Name, in Input) error {
	switch {
	case !ValidName(n.Name):
		return fault.New(fault.Invalid, "invalid_secret_name",
			"A name begins with a letter or an underscore and goes on with letters, digits, underscores, dots and hyphens, 128 at most.")
	case in.Value == "" || len(in.Value) > MaxValue:
		return fault.Input("/value", "invalid_secret_value", fmt.Sprintf("A value has from 1 to %d bytes.", MaxValue))
	case in.Description != nil && len(*in.Description) > maxDescription:
		return fault.Input("/description", "invalid_description", fmt.Sprintf("A description has at most %d bytes.", maxDescription))
	case in.ExpiresAt != nil && (!in.ExpiresAt.After(s.Now()) || in.ExpiresAt.Sub(s.Now()) > maxLife):
		return fault.Input("/expires_at", "invalid_expiry", "A secret expires in the future, within 100 years.")
	}
	return nil
}

// Set gives a secret a new version, and makes the secret if there is none. Of
// one that is deleted only the new value can be read: what was deleted stays so
// until it is restored.
func (s *Service) Set(ctx context.Context, by audit.Actor, n Name, in Input) (Secret, error) {
	if err := s.check(n, in); err != nil {
		return Secret{}, err
	}
	var kept Secret
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		var err error
		if kept, err = ensure(ctx, q, id.Secret(id.New(s.Now())), n); err != nil {
			return err
		}
		if kept.DeletedAt != nil {
			if err := bury(ctx, q, kept.ID); err != nil {
				return err
			}
		}
		if kept, err = s.add(ctx, q, by, kept, in); err != nil {
			return err
		}
		return audit.Write(ctx, q, kept.did(by, audit.SecretSet))
	})
	return kept, err
}

// add seals a value as the next version of a secret, and destroys versions that
// are too old to be kept.
func (s *Service) add(ctx context.Context, q postgres.Querier, by audit.Actor, kept Secret, in Input) (Secret, error) {
	next := kept.Version + 1
	sealedID, err := s.Values.PutFor(ctx, q, kept.tenant(), purpose, kept.subject(next), []byte(in.Value))
	if err != nil {
		return kept, err
	}
	if err := insertVersion(ctx, q, kept.ID, next, sealedID, in.ExpiresAt, by.ID); err != nil {
		return kept, err
	}
	kept, err = update(ctx, q, kept.ID, next, in.Description)
	if err != nil {
		return kept, err
	}
	old, err := deleteVersions(ctx, q, kept.ID, next-keptVersions)
	if err != nil {
		return kept, err
	}
	return kept, s.Values.Delete(ctx, q, old...)
}

// Reveal returns a value: of a version, or of the newest for 0. A sub-tenant
// without a secret of that name is given that of the whole installation. It
// returns ErrNotFound or ErrExpired.
func (s *Service) Reveal(ctx context.Context, by audit.Actor, n Name, version int) (Value, error) {
	var value Value
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		kept, v, err := s.find(ctx, q, n, version)
		if err != nil {
			return err
		}
		text, err := s.open(ctx, q, kept, v)
		if err != nil {
			return err
		}
		value = Value{Name: kept.Name, SubTenantID: kept.SubTenantID, Version: v.Version, Value: string(text), ExpiresAt: v.ExpiresAt}
		kept.Version = v.Version
		return audit.Write(ctx, q, kept.did(by, audit.SecretRead))
	})
	if err != nil {
		return Value{}, err // also if it has been opened: there is no record of it
	}
	return value, nil
}

func (s *Service) find(ctx context.Context, q postgres.Querier, n Name, version int) (Secret, Version, error) {
	kept, err := selectNearest(ctx, q, n)
	if err != nil {
		return Secret{}, Version{}, err
	}
	if version == 0 {
		version = kept.Version
	}
	v, err := selectVersion(ctx, q, kept.ID, version)
	if err == nil && v.Deleted {
		return kept, v, ErrNotFound
	}
	return kept, v, err
}

// open returns the value of a version. It returns ErrExpired, or ErrNotFound if
// the value has been destroyed since the version was read.
func (s *Service) open(ctx context.Context, q postgres.Querier, kept Secret, v Version) ([]byte, error) {
	if v.ExpiresAt != nil && !v.ExpiresAt.After(s.Now()) {
		return nil, ErrExpired
	}
	text, err := s.Values.OpenFor(ctx, q, v.sealed, kept.tenant(), purpose, kept.subject(v.Version))
	if errors.Is(err, sealed.ErrNotFound) {
		return nil, ErrNotFound
	}
	return text, err
}

// Get returns a secret without its value, deleted or not.
func (s *Service) Get(ctx context.Context, n Name) (Secret, error) {
	return selectSecret(ctx, s.DB.Single(), n)
}

// Page is some secrets, by name.
type Page struct {
	Items      []Secret `json:"items"`
	NextCursor *string  `json:"next_cursor"`
}

// List returns secrets that are not deleted and whose names come after one: of
// a sub-tenant, or those of the whole installation.
func (s *Service) List(ctx context.Context, tenant id.Tenant, after string, limit int) (Page, error) {
	found, err := selectSecrets(ctx, s.DB.Single(), tenant, after, limit+1)
	if err != nil {
		return Page{}, err
	}
	page := Page{Items: found}
	if len(found) > limit {
		page.Items = found[:limit]
		page.NextCursor = &page.Items[limit-1].Name
	}
	return page, nil
}

// History returns the versions of a secret that are kept, newest first.
func (s *Service) History(ctx context.Context, n Name) ([]Version, error) {
	kept, err := s.Get(ctx, n)
	if err != nil {
		return nil, err
	}
	return selectVersions(ctx, s.DB.Single(), kept.ID)
}

// Delete hides a secret, or destroys it with all its versions.
func (s *Service) Delete(ctx context.Context, by audit.Actor, n Name, purge bool) error {
	return s.DB.InTx(ctx, func(q postgres.Querier) error {
		kept, err := selectForUpdate(ctx, q, n)
		if err != nil {
			return err
		}
		if purge {
			return s.purge(ctx, q, by, kept)
		}
		if kept.DeletedAt != nil {
			return ErrNotFound
		}
		if err := hide(ctx, q, kept.ID); err != nil {
			return err
		}
		return audit.Write(ctx, q, kept.did(by, audit.SecretDeleted))
	})
}

func (s *Service) purge(ctx context.Context, q postgres.Querier, by audit.Actor, kept Secret) error {
	values, err := deleteVersions(ctx, q, kept.ID, kept.Version)
	if err != nil {
		return err
	}
	if err := s.Values.Delete(ctx, q, values...); err != nil {
		return err
	}
	if err := deleteSecret(ctx, q, kept.ID); err != nil {
		return err
	}
	return audit.Write(ctx, q, kept.did(by, audit.SecretPurged))
}

// Restore brings a deleted secret back as it was, and makes the value of a
// version the newest again unless that is 0: also of a version from before a
// deletion. It returns ErrNotFound, or ErrExpired for a
// version that nobody could read.
func (s *Service) Restore(ctx context.Context, by audit.Actor, n Name, version int) (Secret, error) {
	var kept Secret
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		var err error
		if kept, err = selectForUpdate(ctx, q, n); err != nil {
			return err
		}
		if version == 0 && kept.DeletedAt == nil {
			return fault.New(fault.Conflict, "secret_not_deleted", "The secret is not deleted; say which version of its value to bring back.")
		}
		if kept, err = s.restore(ctx, q, by, kept, version); err != nil {
			return err
		}
		return audit.Write(ctx, q, kept.did(by, audit.SecretRestored))
	})
	return kept, err
}

func (s *Service) restore(ctx context.Context, q postgres.Querier, by audit.Actor, kept Secret, version int) (Secret, error) {
	if version == 0 || version == kept.Version {
		return update(ctx, q, kept.ID, kept.Version, nil)
	}
	v, err := selectVersion(ctx, q, kept.ID, version)
	if err != nil {
		return kept, err
	}
	text, err := s.open(ctx, q, kept, v)
	if err != nil {
		return kept, err
	}
	return s.add(ctx, q, by, kept, Input{Value: string(text), ExpiresAt: v.ExpiresAt})
}

func (k Secret) tenant() id.Tenant {
	if k.SubTenantID == nil {
		return id.Tenant{}
	}
	return *k.SubTenantID
}

// purpose and subject are what a value is sealed for.
const purpose = "secret"

func (k Secret) subject(version int) string { return fmt.Sprintf("%s/%d", k.ID, version) }

func (k Secret) did(by audit.Actor, action audit.Action) audit.Event {
	details := []string{"name", k.Name, "version", fmt.Sprint(k.Version)}
	if k.SubTenantID != nil {
		details = append(details, "sub_tenant_id", k.SubTenantID.String())
	}
	return by.Did(action, "secret", id.UUID(k.ID), details...)
}
