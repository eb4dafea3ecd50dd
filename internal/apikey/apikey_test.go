package apikey_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/apikey"
	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/principal"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var ctx = context.Background()

// keeper keeps keys of a database of its own.
func keeper(t *testing.T) (*apikey.Keeper, *pgtest.Database) {
	t.Helper()
	db := pgtest.New(t)
	return &apikey.Keeper{DB: db, Now: time.Now}, db
}

func create(t *testing.T, k *apikey.Keeper, kind apikey.Kind, n apikey.New, by audit.Actor) apikey.Made {
	t.Helper()
	if n.Name == "" {
		n.Name = "test"
	}
	made, err := k.Create(ctx, kind, n, by)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func seconds(n int64) *int64 { return &n }

func byKey(key apikey.Made) audit.Actor { return audit.Actor{Kind: "key", ID: id.UUID(key.ID)} }

func TestKeys(t *testing.T) {
	t.Parallel()
	k, db := keeper(t)
	for kind, role := range map[apikey.Kind]principal.Role{apikey.Client: principal.Anonymous, apikey.Service: principal.Service} {
		made := create(t, k, kind, apikey.New{}, audit.Actor{})
		if !strings.HasPrefix(made.Text, "fb_"+string(kind)+"_") || !strings.HasPrefix(made.Text, made.Prefix) || len(made.Prefix) > len(made.Text)/2 {
			t.Errorf("a key of the form %s... with prefix %s", made.Text[:12], made.Prefix)
		}
		v, err := k.Verify(ctx, made.Text)
		if err != nil || v.Principal.Role != role || v.ID != made.ID {
			t.Errorf("%s: %+v, %v", kind, v, err)
		}
		var kept int
		db.Scan(t, `select count(*) from auth.api_keys where position($1 in row_to_json(api_keys)::text) > 0`, []any{made.Text}, &kept)
		if kept != 0 {
			t.Error("the text of the key is in the table")
		}
		other := map[apikey.Kind]apikey.Kind{apikey.Client: apikey.Service, apikey.Service: apikey.Client}[kind]
		if err := k.Revoke(ctx, other, made.ID, audit.Actor{}); !errors.Is(err, apikey.ErrNotFound) {
			t.Errorf("revoked as one of another kind: %v", err)
		}
		if err := k.Revoke(ctx, kind, made.ID, audit.Actor{}); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Verify(ctx, made.Text); !errors.Is(err, apikey.ErrInvalid) {
			t.Errorf("revoked: %v", err)
		}
		if err := k.Revoke(ctx, kind, made.ID, audit.Actor{}); !errors.Is(err, apikey.ErrNotFound) {
			t.Errorf("revoked again: %v", err)
		}
		page, err := k.List(ctx, kind, "", 10)
		if err != nil || len(page.Items) != 1 || page.Items[0].RevokedAt == nil || page.NextCursor != nil {
			t.Errorf("%+v, %v", page, err)
		}
	}
}

// TestChecksum changes each character of a key: every slip is noticed before
// the database is asked.
func TestChecksum(t *testing.T) {
	t.Parallel()
	k, _ := keeper(t)
	text := create(t, k, apikey.Service, apikey.New{}, audit.Actor{}).Text
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
	for _, other := range []string{
		"", "fb_", "fb_service_", text[:len(text)-1], text + "A", " " + text, "fb_root_" + text[11:], text + "\n", text[:20] + "\r\n" + text[20:],
	} {
		if apikey.WellFormed(other) {
			t.Errorf("%q", other)
		}
	}
}

func TestInput(t *testing.T) {
	t.Parallel()
	k, _ := keeper(t)
	for name, c := range map[string]struct {
		in   apikey.New
		code string
	}{
		"no name":              {apikey.New{Name: ""}, "invalid_name"},
		"long name":            {apikey.New{Name: strings.Repeat("é", 101)}, "invalid_name"},
		"control character":    {apikey.New{Name: "a\x1bb"}, "invalid_name"},
		"spaces":               {apikey.New{Name: " a"}, "invalid_name"},
		"expired":              {apikey.New{Name: "a", ExpiresIn: seconds(0)}, "invalid_expiry"},
		"past":                 {apikey.New{Name: "a", ExpiresIn: seconds(-1)}, "invalid_expiry"},
		"overflow":             {apikey.New{Name: "a", ExpiresIn: seconds(1 << 62)}, "invalid_expiry"},
		"any origin":           {apikey.New{Name: "a", AllowedOrigins: []string{"*"}}, "invalid_origin"},
		"wildcard":             {apikey.New{Name: "a", AllowedOrigins: []string{"https://*.example.com"}}, "invalid_origin"},
		"null":                 {apikey.New{Name: "a", AllowedOrigins: []string{"null"}}, "invalid_origin"},
		"path":                 {apikey.New{Name: "a", AllowedOrigins: []string{"https://example.com/"}}, "invalid_origin"},
		"default port":         {apikey.New{Name: "a", AllowedOrigins: []string{"https://example.com:443"}}, "invalid_origin"},
		"upper case":           {apikey.New{Name: "a", AllowedOrigins: []string{"https://Example.com"}}, "invalid_origin"},
		"user":                 {apikey.New{Name: "a", AllowedOrigins: []string{"https://a@example.com"}}, "invalid_origin"},
		"no host":              {apikey.New{Name: "a", AllowedOrigins: []string{"https://"}}, "invalid_origin"},
		"letters beyond ASCII": {apikey.New{Name: "a", AllowedOrigins: []string{"https://bücher.example"}}, "invalid_origin"},
		"zero before a port":   {apikey.New{Name: "a", AllowedOrigins: []string{"https://example.com:08443"}}, "invalid_origin"},
		"default port, longer": {apikey.New{Name: "a", AllowedOrigins: []string{"https://example.com:0443"}}, "invalid_origin"},
		"no such port":         {apikey.New{Name: "a", AllowedOrigins: []string{"https://example.com:65536"}}, "invalid_origin"},
		"IPv6, longer":         {apikey.New{Name: "a", AllowedOrigins: []string{"https://[0:0::1]"}}, "invalid_origin"},
		"too many origins":     {apikey.New{Name: "a", AllowedOrigins: make([]string, 51)}, "invalid_origin"},
		"control":              {apikey.New{Name: strings.Repeat("é", 100), ExpiresIn: seconds(86400 * 365), AllowedOrigins: []string{"https://example.com", "http://localhost:3000", "http://[::1]:3000", "capacitor://localhost", "https://xn--bcher-kva.example"}}, ""},
	} {
		_, err := k.Create(ctx, apikey.Client, c.in, audit.Actor{})
		if code := codeOf(err); code != c.code {
			t.Errorf("%s: %q", name, code)
		}
	}
}

func codeOf(err error) string {
	if err == nil {
		return ""
	}
	return fault.From(err).Code
}

// TestRotate replaces a key: both hold until the overlap is over, and no longer.
func TestRotate(t *testing.T) {
	t.Parallel()
	k, db := keeper(t)
	old := create(t, k, apikey.Client, apikey.New{Name: "website", AllowedOrigins: []string{"https://a.example"}, ExpiresIn: seconds(90 * 86400)}, audit.Actor{})
	made, err := k.Rotate(ctx, apikey.Client, old.ID, apikey.Rotation{Overlap: seconds(3600)}, audit.Actor{})
	if err != nil {
		t.Fatal(err)
	}
	left := time.Until(made.Replaces.ExpiresAt)
	if made.Name != "website" || made.AllowedOrigins[0] != "https://a.example" || made.Text == old.Text || made.Replaces.ID != old.ID ||
		left > time.Hour || left < 50*time.Minute || time.Until(*made.ExpiresAt) < 89*24*time.Hour {
		t.Errorf("%+v", made)
	}
	holds := func(text string) bool {
		_, err := k.Verify(ctx, text)
		if err != nil && !errors.Is(err, apikey.ErrInvalid) {
			t.Fatal(err)
		}
		return err == nil
	}
	if !holds(old.Text) || !holds(made.Text) {
		t.Error("within the overlap both hold")
	}
	db.Exec(t, `update auth.api_keys set expires_at = now() where id = $1`, old.ID)
	if holds(old.Text) || !holds(made.Text) {
		t.Error("after the overlap the new one alone holds")
	}
	if _, err := k.Rotate(ctx, apikey.Client, old.ID, apikey.Rotation{}, audit.Actor{}); !errors.Is(err, apikey.ErrOver) {
		t.Errorf("rotated again: %v", err)
	}
	last, err := k.Rotate(ctx, apikey.Client, made.ID, apikey.Rotation{Overlap: seconds(0)}, audit.Actor{})
	if err != nil || holds(made.Text) || !holds(last.Text) {
		t.Errorf("without an overlap: %v", err)
	}
	for _, overlap := range []int64{-1, 1, 59, 90*86400 + 1, 1 << 62} {
		if _, err := k.Rotate(ctx, apikey.Client, last.ID, apikey.Rotation{Overlap: seconds(overlap)}, audit.Actor{}); codeOf(err) != "invalid_overlap" {
			t.Errorf("an overlap of %d: %v", overlap, err)
		}
	}
	for name, err := range map[string]error{
		"another kind": func() error {
			_, err := k.Rotate(ctx, apikey.Service, last.ID, apikey.Rotation{}, audit.Actor{})
			return err
		}(),
		"nobody's": func() error {
			_, err := k.Rotate(ctx, apikey.Client, id.Key{1}, apikey.Rotation{}, audit.Actor{})
			return err
		}(),
	} {
		if !errors.Is(err, apikey.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRotateAtOnce has many rotate one key: one succeeds, and no other key is
// left behind.
func TestRotateAtOnce(t *testing.T) {
	t.Parallel()
	k, db := keeper(t)
	old := create(t, k, apikey.Service, apikey.New{}, audit.Actor{})
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, err := k.Rotate(ctx, apikey.Service, old.ID, apikey.Rotation{}, byKey(old))
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, apikey.ErrOver) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var keys int
	db.Scan(t, `select count(*) from auth.api_keys`, nil, &keys)
	if won.Load() != 1 || keys != 2 {
		t.Errorf("%d succeeded, %d keys", won.Load(), keys)
	}
}

// TestMakerIsTheMeasure has a service key that lasts a day try to make itself
// one that lasts longer, or that pages may send.
func TestMakerIsTheMeasure(t *testing.T) {
	t.Parallel()
	k, db := keeper(t)
	const day = 86400
	lasting := create(t, k, apikey.Service, apikey.New{Name: "lasting", AllowedOrigins: []string{"https://a.example"}}, audit.Actor{})
	brief := create(t, k, apikey.Service, apikey.New{Name: "brief", ExpiresIn: seconds(day), AllowedOrigins: []string{"https://a.example"}}, byKey(lasting))
	if *brief.CreatedBy != lasting.ID || lasting.CreatedBy != nil {
		t.Errorf("made by %v and %v", brief.CreatedBy, lasting.CreatedBy)
	}
	try := func(n apikey.New) (apikey.Made, error) {
		n.Name = "child"
		return k.Create(ctx, apikey.Service, n, byKey(brief))
	}
	if _, err := try(apikey.New{ExpiresIn: seconds(2 * day)}); !errors.Is(err, apikey.ErrBeyond) {
		t.Errorf("for longer: %v", err)
	}
	if _, err := try(apikey.New{AllowedOrigins: []string{"https://b.example"}}); !errors.Is(err, apikey.ErrBeyond) {
		t.Errorf("for another page: %v", err)
	}
	if child, err := try(apikey.New{}); err != nil || !child.ExpiresAt.Equal(*brief.ExpiresAt) {
		t.Errorf("without a word about it: %v, %v", child.ExpiresAt, err)
	}
	if child, err := try(apikey.New{ExpiresIn: seconds(60), AllowedOrigins: []string{"https://a.example"}}); err != nil || child.ExpiresAt.After(*brief.ExpiresAt) {
		t.Errorf("control: less: %v", err)
	}
	if child, err := k.Rotate(ctx, apikey.Service, lasting.ID, apikey.Rotation{}, byKey(brief)); err != nil || child.ExpiresAt == nil || child.ExpiresAt.After(*brief.ExpiresAt) {
		t.Errorf("by rotating one that lasts: %v, %v", child.ExpiresAt, err)
	}
	if child, err := k.Rotate(ctx, apikey.Service, brief.ID, apikey.Rotation{Overlap: seconds(0)}, byKey(brief)); err != nil || child.ExpiresAt.After(*brief.ExpiresAt) {
		t.Errorf("by rotating itself: %v, %v", child.ExpiresAt, err)
	}
	if _, err := try(apikey.New{}); !errors.Is(err, apikey.ErrInvalid) {
		t.Errorf("after it has ended: %v", err)
	}
	if _, err := k.Create(ctx, apikey.Client, apikey.New{Name: "page", AllowedOrigins: []string{"https://b.example"}}, byKey(lasting)); err != nil {
		t.Errorf("control: a client key for any page: %v", err)
	}
	var by string
	db.Scan(t, `select string_agg(distinct actor_id::text, ' ') from auth.audit_log where action = 'key.rotated'`, nil, &by)
	if by != brief.ID.String() {
		t.Errorf("rotations are recorded as of %s", by)
	}
}

// TestPages goes through all keys of a kind, and no other, a few at a time.
func TestPages(t *testing.T) {
	t.Parallel()
	k, _ := keeper(t)
	want := map[id.Key]bool{}
	for range 5 {
		want[create(t, k, apikey.Service, apikey.New{}, audit.Actor{}).ID] = true
		create(t, k, apikey.Client, apikey.New{}, audit.Actor{})
	}
	cursor, pages := "", 0
	for ; pages < 10; pages++ {
		page, err := k.List(ctx, apikey.Service, cursor, 2)
		if err != nil || len(page.Items) > 2 {
			t.Fatal(len(page.Items), err)
		}
		for _, key := range page.Items {
			if !want[key.ID] {
				t.Errorf("%s twice, or of another kind", key.ID)
			}
			delete(want, key.ID)
		}
		if page.NextCursor == nil {
			break
		}
		cursor = *page.NextCursor
	}
	if len(want) != 0 || pages != 2 {
		t.Errorf("%d missing after %d pages", len(want), pages)
	}
	if _, err := k.List(ctx, apikey.Service, "x", 2); codeOf(err) != "invalid_cursor" {
		t.Error(err)
	}
}
