package apikey_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/apikey"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/principal"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestKeys(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := pgtest.New(t)
	keeper := &apikey.Keeper{DB: db, Now: time.Now}
	for kind, role := range map[apikey.Kind]principal.Role{apikey.Client: principal.Anonymous, apikey.Service: principal.Service} {
		key, text, err := keeper.Create(ctx, kind, "test")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(text, "fb_"+string(kind)+"_") || !strings.HasPrefix(text, key.Prefix) || len(key.Prefix) > len(text)/2 {
			t.Errorf("a key of the form %s... with prefix %s", text[:12], key.Prefix)
		}
		p, err := keeper.Verify(ctx, text)
		if err != nil || p.Role != role {
			t.Errorf("%s: %+v, %v", kind, p, err)
		}
		var kept int
		db.Scan(t, `select count(*) from auth.api_keys where position($1 in row_to_json(api_keys)::text) > 0`, []any{text}, &kept)
		if kept != 0 {
			t.Error("the text of the key is in the table")
		}
		if err := keeper.Revoke(ctx, key.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := keeper.Verify(ctx, text); !errors.Is(err, apikey.ErrInvalid) {
			t.Errorf("revoked: %v", err)
		}
		if err := keeper.Revoke(ctx, key.ID); !errors.Is(err, apikey.ErrNotFound) {
			t.Errorf("revoked again: %v", err)
		}
	}
	keys, err := keeper.List(ctx)
	if err != nil || len(keys) != 2 || keys[0].RevokedAt == nil {
		t.Errorf("%+v, %v", keys, err)
	}
}

// TestChecksum changes each character of a key: every slip is noticed before
// the database is asked.
func TestChecksum(t *testing.T) {
	t.Parallel()
	keeper := &apikey.Keeper{DB: pgtest.New(t), Now: time.Now}
	_, text, err := keeper.Create(context.Background(), apikey.Service, "test")
	if err != nil {
		t.Fatal(err)
	}
	if !apikey.WellFormed(text) {
		t.Fatal("control: the key itself")
	}
	for i := range text {
		wrong := []byte(text)
		wrong[i] = 'A'
		if text[i] == 'A' {
			wrong[i] = 'B'
		}
		if apikey.WellFormed(string(wrong)) {
			t.Errorf("a slip at %d is not noticed", i)
		}
	}
	for _, other := range []string{"", "fb_", "fb_service_", text[:len(text)-1], text + "A", " " + text, "fb_root_" + text[11:]} {
		if apikey.WellFormed(other) {
			t.Errorf("%q", other)
		}
	}
}
