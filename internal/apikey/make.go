package apikey

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// New is a key to be made.
type New struct {
	Name           string   `json:"name"` // what it is for
	AllowedOrigins []string `json:"allowed_origins,omitzero"`
	ExpiresIn      *int64   `json:"expires_in,omitzero"` // seconds; null: as long as its maker
}

// Made is a key that has just been made.
type Made struct {
	Key

	Text     string    `json:"key"`               // cannot be had again
	Replaces *Replaced `json:"replaces,omitzero"` // the key that was rotated
}

// Replaced is a key that has been rotated.
type Replaced struct {
	ID        id.Key    `json:"id"`
	ExpiresAt time.Time `json:"expires_at"` // until when it goes on
}

const (
	maxName    = 100 // characters
	maxOrigins = 50
	maxLife    = 10 * 365 * 24 * time.Hour
)

// Create makes a client or service key. If it is made by a service key, ErrBeyond
// is returned for more than that has.
func (k *Keeper) Create(ctx context.Context, kind Kind, n New, by audit.Actor) (Made, error) {
	if err := checkName(n.Name); err != nil {
		return Made{}, err
	}
	if err := checkOrigins(n.AllowedOrigins); err != nil {
		return Made{}, err
	}
	life, err := lifeOf(n.ExpiresIn)
	if err != nil {
		return Made{}, err
	}
	var made Made
	err = k.DB.InTx(ctx, func(q postgres.Querier) error {
		made = k.draft(kind, n.Name, n.AllowedOrigins, life)
		if err := fit(ctx, q, &made, life > 0, by); err != nil {
			return err
		}
		if made.CreatedAt, err = insert(ctx, q, made.Key, digest(made.Text)); err != nil {
			return err
		}
		return audit.Write(ctx, q, by.Did(audit.KeyCreated, "key", id.UUID(made.ID), "kind", string(kind), "name", made.Name))
	})
	if err != nil {
		return Made{}, fmt.Errorf("creating a key: %w", err)
	}
	return made, nil
}

func (k *Keeper) draft(kind Kind, name string, origins []string, life time.Duration) Made {
	now, text := k.Now(), generate(kind)
	made := Made{Text: text, Key: Key{
		ID: id.Key(id.New(now)), Kind: kind, Name: name, Prefix: prefix(kind, text), AllowedOrigins: append([]string{}, origins...),
	}}
	if life > 0 {
		until := now.Add(life).UTC().Truncate(time.Microsecond)
		made.ExpiresAt = &until
	}
	return made
}

// fit keeps a key within what its maker has, whom nobody ends meanwhile. asked
// says that somebody has chosen when it expires; otherwise it is cut to its
// maker's time.
func fit(ctx context.Context, q postgres.Querier, made *Made, asked bool, by audit.Actor) error {
	if by.Kind != "key" {
		return nil
	}
	maker, err := lockLive(ctx, q, id.Key(by.ID))
	if errors.Is(err, ErrNotFound) {
		return ErrInvalid // it has ended since the request began
	}
	if err != nil {
		return err
	}
	made.CreatedBy = &maker.ID
	return made.within(maker, asked)
}

// within refuses a service key that may do more than its maker. A client key can
// do nothing that a service key cannot.
func (m *Made) within(maker Key, asked bool) error {
	if m.Kind != Service {
		return nil
	}
	for _, origin := range m.AllowedOrigins {
		if !slices.Contains(maker.AllowedOrigins, origin) {
			return beyond("/allowed_origins", "The key that makes it may not be sent by a page of each of these origins.")
		}
	}
	if maker.ExpiresAt != nil && (m.ExpiresAt == nil || m.ExpiresAt.After(*maker.ExpiresAt)) {
		if asked {
			return beyond("/expires_in", "The key that makes it expires before that.")
		}
		m.ExpiresAt = maker.ExpiresAt
	}
	return nil
}

func beyond(pointer, detail string) error {
	f := *ErrBeyond
	f.Fields = []fault.Field{{Pointer: pointer, Detail: detail}}
	return &f
}

func checkName(name string) error {
	if name == "" || utf8.RuneCountInString(name) > maxName || strings.TrimSpace(name) != name || strings.ContainsFunc(name, unicode.IsControl) {
		return fault.Input("/name", "invalid_name", "A name has 1 to 100 characters, none of them a control character, and no spaces around it.")
	}
	return nil
}

// lifeOf reads a life in seconds; 0 is without end.
func lifeOf(seconds *int64) (time.Duration, error) {
	if seconds == nil {
		return 0, nil
	}
	if *seconds < 1 || *seconds > int64(maxLife/time.Second) {
		return 0, fault.Input("/expires_in", "invalid_expiry", "A key expires after 1 second to 10 years.")
	}
	return time.Duration(*seconds) * time.Second, nil
}

func checkOrigins(origins []string) error {
	if len(origins) > maxOrigins {
		return fault.Input("/allowed_origins", "invalid_origin", "There are at most 50 origins.")
	}
	for i, origin := range origins {
		if !isOrigin(origin) {
			return fault.Input(fmt.Sprintf("/allowed_origins/%d", i), "invalid_origin",
				"An origin is as browsers send it: scheme://host or scheme://host:port in lower case, without a default port, a path or a slash at its end.")
		}
	}
	return nil
}

// isOrigin says whether a text is an origin as a browser writes it in the field
// Origin (RFC 6454, section 6.1): anything else would never be equal to one.
func isOrigin(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Hostname() == "" || text != u.Scheme+"://"+u.Host || text != strings.ToLower(text) || len(text) > 300 {
		return false
	}
	defaults := map[string]string{"http": "80", "https": "443"}
	return !strings.HasSuffix(u.Host, ":") && (u.Port() == "" || u.Port() != defaults[u.Scheme]) && !strings.Contains(u.Host, "*")
}
