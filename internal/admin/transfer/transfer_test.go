package transfer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"

	"github.com/fluxbase/fluxbase/internal/admin"
	"github.com/fluxbase/fluxbase/internal/admin/transfer"
	"github.com/fluxbase/fluxbase/internal/apikey"
	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/user"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// digests keeps digests of bcrypt where passwords are kept.
type digests struct{}

func (digests) Recognize(digest string) error {
	_, err := bcrypt.Cost([]byte(digest))
	return err
}

func (digests) SetDigest(ctx context.Context, q postgres.Querier, userID id.User, digest string) error {
	_, err := q.Exec(ctx, `insert into auth.passwords (user_id, digest) values ($1, $2) on conflict (user_id) do update set digest = excluded.digest`, userID, digest)
	return err
}

// seeds keeps seeds in memory, for users that are there.
type seeds struct {
	mu   sync.Mutex
	kept map[id.User][]transfer.Seed
}

func (s *seeds) Import(_ context.Context, _ postgres.Querier, userID id.User, seed transfer.Seed) error {
	if strings.ContainsAny(seed.Secret, "01 89") {
		return fault.Input("/secret", "invalid_secret", "It is not base32.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[userID] = append(s.kept[userID], seed)
	return nil
}

func (s *seeds) Export(_ context.Context, _ postgres.Querier, userID id.User) ([]transfer.Seed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept[userID], nil
}

func service(t *testing.T) (*pgtest.Database, *transfer.Service) {
	t.Helper()
	db := pgtest.New(t)
	return db, &transfer.Service{
		DB: db, Factors: &seeds{kept: map[id.User][]transfer.Seed{}}, Now: time.Now,
		Desk: &admin.Service{
			DB: db, Users: &user.Service{DB: db, Now: time.Now}, Keys: &apikey.Keeper{DB: db, Now: time.Now}, Digests: digests{}, Now: time.Now,
			Sessions: &session.Service{DB: db, Now: time.Now, Revoked: session.NewRevoked(time.Minute, time.Now), Config: session.Config{MaxLifetime: time.Hour}},
		},
	}
}

var operator = admin.By{Actor: audit.Actor{Kind: "key", ID: id.UUID{1}}}

const digest = "$2a$04$wnFsIMS9P3jOK48XWbRrIusEKm2JlIdaqCBCqjeZkrG7nFF/HUMKm"

func load(t *testing.T, s *transfer.Service, o transfer.Options, lines ...string) transfer.Report {
	t.Helper()
	r, err := s.Import(context.Background(), operator, strings.NewReader(strings.Join(lines, "\n")), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// codes are the lines and codes of a report's errors.
func codes(r transfer.Report) (found []string) {
	for _, e := range r.Errors {
		found = append(found, fmt.Sprintf("%d %s %s", e.Line, e.Pointer, e.Code))
	}
	return found
}

func dump(t *testing.T, s *transfer.Service, credentials bool) string {
	t.Helper()
	var out bytes.Buffer
	if err := s.Export(context.Background(), operator, credentials, &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestRoundTrip imports what was exported into another database, and exports
// the same.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	_, from := service(t)
	in := []string{
		`{"id":"11111111-1111-4111-8111-111111111111","email":"a@example.com","email_verified":true,"password_digest":"` + digest + `","user_metadata":{"name":"Ä","n":1e3},"app_metadata":{"roles":["x"]},"created_at":"2020-01-02T03:04:05.678901Z","last_sign_in_at":"2021-01-01T00:00:00Z","banned_until":"2999-01-01T00:00:00Z","identities":[{"provider":"google","subject":"g1"},{"provider":"https://idp.example.com","subject":"g1"}],"factors":[{"type":"totp","secret":"JBSWY3DPEHPK3PXP","name":"phone","last_used_step":59000000},{"type":"totp","secret":"JBSWY3DPEHPK3PXQ"}]}`,
		`{"id":"22222222-1111-4111-8111-111111111111","email":"b@example.com","email_verified":false,"created_at":"2020-01-02T03:04:05Z"}`,
		`{"id":"33333333-1111-4111-8111-111111111111","email_verified":false,"created_at":"2020-01-02T03:04:05Z","identities":[{"provider":"google","subject":"g3"}]}`,
		`{"id":"44444444-1111-4111-8111-111111111111","email_verified":false,"created_at":"2020-01-02T03:04:05Z"}`,
	}
	r := load(t, from, transfer.Options{OnConflict: transfer.Fail}, in...)
	if diff := cmp.Diff(transfer.Report{Lines: 4, Created: 4, Errors: []transfer.LineError{}}, r); diff != "" {
		t.Fatal(diff)
	}
	first := dump(t, from, true)
	if diff := cmp.Diff(members(t, strings.Join(in, "\n")), members(t, first)); diff != "" {
		t.Error(diff)
	}
	db, to := service(t)
	if r := load(t, to, transfer.Options{}, first); r.Created != 4 {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff(first, dump(t, to, true)); diff != "" {
		t.Error(diff)
	}
	if plain := dump(t, to, false); strings.Contains(plain, "digest") || strings.Contains(plain, "factors") || strings.Count(plain, "\n") != 4 {
		t.Errorf("without credentials: %s", plain)
	}
	var anonymous, identities, imports, exports int
	db.Scan(t, `select (select count(*) from auth.users where is_anonymous), (select count(*) from auth.identities),
		(select count(*) from auth.audit_log where action = 'user.imported' and actor_kind = 'key' and details->>'created' = '4' and details->>'last_line' = '4'),
		(select count(*) from auth.audit_log where action = 'user.exported' and details->>'credentials' = 'true')`, nil, &anonymous, &identities, &imports, &exports)
	if anonymous != 1 || identities != 5 || imports != 1 || exports != 1 {
		t.Errorf("%d anonymous, %d identities, %d records of imports and %d of exports", anonymous, identities, imports, exports)
	}
}

func members(t *testing.T, lines string) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(lines) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		all = append(all, m)
	}
	return all
}

// TestBadLines names lines and members, takes the others, and repeats nothing;
// a dry run says the same and writes nothing.
func TestBadLines(t *testing.T) {
	t.Parallel()
	db, s := service(t)
	load(t, s, transfer.Options{}, `{"email":"there@example.com","identities":[{"provider":"google","subject":"there"}]}`)
	const marker = "hunter2"
	lines := map[string]string{
		`{"email":"` + marker + `"}`:                                             "/email invalid_email",
		`{"email":"x1@example.com","password":"` + marker + `"}`:                 "/password unknown_key",
		`{"email":"x2@example.com","password_digest":"` + marker + `"}`:          "/password_digest invalid_password_digest",
		`{"email":"x3@example.com","role":"` + marker + `"}`:                     "/role unknown_key",
		`{"email":"x4@example.com","id":"` + marker + `"}`:                       "/id invalid_type",
		`{"email":"x5@example.com","id":"00000000-0000-0000-0000-000000000000"}`: "/id invalid_id",
		`{"email":"x6@example.com","email":"` + marker + `"}`:                    "/email duplicate_key",
		`{"email":"x7@example.com"`:                                              " invalid_json",
		`["` + marker + `"]`:                                                     " invalid_json",
		`null`:                                                                   " invalid_json",
		marker:                                                                   " invalid_json",
		`{"email":"x8@example.com","user_metadata":{"a":"` + strings.Repeat("x", 17000) + `"}}`:                   "/user_metadata metadata_too_large",
		`{"email":"x9@example.com","app_metadata":{"a":[1e300` + strings.Repeat(",1e300", 60) + `]}}`:             "/user_metadata metadata_too_large",
		`{"email":"z3@example.com","app_metadata":{"a":1e20000}}`:                                                 "/app_metadata invalid_number",
		`{"email":"y1@example.com","user_metadata":{"a":"\u0000"}}`:                                               "/user_metadata/a invalid_value",
		`{"email":"y2@example.com","created_at":"1800-01-01T00:00:00Z"}`:                                          "/created_at invalid_instant",
		`{"email":"y3@example.com","banned_until":"` + marker + `"}`:                                              "/banned_until invalid_type",
		`{"email":"y4@example.com","factors":[{"type":"totp","secret":"0189"}]}`:                                  "/factors/0/secret invalid_factor_secret",
		`{"email":"y5@example.com","factors":[{"type":"` + marker + `","secret":"A"}]}`:                           "/factors/0/type invalid_factor_type",
		`{"email":"z1@example.com","factors":[{"type":"totp","secret":"A","last_used_step":-1}]}`:                 "/factors/0/last_used_step invalid_last_used_step",
		`{"email":"z2@example.com","factors":[{"type":"totp","secret":"A","last_used_step":99999999999}]}`:        "/factors/0/last_used_step invalid_last_used_step",
		`{"email":"y6@example.com","identities":[{"provider":"google","subject":"there"}]}`:                       "/identities identity_already_exists",
		`{"email":"y7@example.com","identities":[{"provider":"","subject":"a"}]}`:                                 "/identities/0/provider invalid_provider",
		`{"email":"y8@example.com","identities":[{"provider":"a","subject":"b"},{"provider":"a","subject":"b"}]}`: "/identities/1 duplicate_identity",
		`{"password_digest":"` + digest + `"}`:                                                                    "/email email_address_required",
		`{"email":"THERE@example.com"}`:                                                                           " user_already_exists",
		`{"email":"y9@example.com","x":"` + strings.Repeat("y", 256<<10) + `"}`:                                   " line_too_long",
	}
	var in, want []string
	for _, line := range slices.Sorted(func(yield func(string) bool) {
		for l := range lines {
			if !yield(l) {
				return
			}
		}
	}) {
		in = append(in, line, "", fmt.Sprintf(`{"email":"good%d@example.com"}`, len(in)), "  ")
		want = append(want, fmt.Sprintf("%d %s", len(in)-3, lines[line]))
	}
	for _, dryRun := range []bool{true, false} {
		r := load(t, s, transfer.Options{DryRun: dryRun, OnConflict: transfer.Fail}, in...)
		expected := want
		if dryRun { // what only PostgreSQL and the keeper of factors can tell is found when it is written
			expected = slices.DeleteFunc(slices.Clone(want), func(w string) bool {
				return strings.Contains(w, "invalid_factor_secret") || strings.HasSuffix(w, "/user_metadata metadata_too_large") && lineOf(w, in, "1e300")
			})
		}
		got := codes(r)
		slices.Sort(got)
		expected = slices.Sorted(slices.Values(expected))
		if diff := cmp.Diff(expected, got); diff != "" {
			t.Errorf("dry run %v: %s", dryRun, diff)
		}
		if r.Lines != 2*len(lines) || r.Failed != len(expected) || r.Created != 2*len(lines)-len(expected) {
			t.Errorf("dry run %v: %+v", dryRun, r)
		}
		if text, err := json.Marshal(r); err != nil || strings.Contains(string(text), marker) {
			t.Errorf("it repeats what was sent: %s", text)
		}
		var users int
		db.Scan(t, `select count(*) from auth.users`, nil, &users)
		if users != map[bool]int{true: 1, false: 1 + len(lines)}[dryRun] {
			t.Errorf("dry run %v: %d users", dryRun, users)
		}
	}
}

// lineOf says whether the line that an expected error names holds a text.
func lineOf(want string, in []string, text string) bool {
	var n int
	_, err := fmt.Sscan(want, &n)
	return err == nil && strings.Contains(in[n-1], text)
}

// TestConflicts meets accounts that are there in each of the three ways, and
// those that earlier lines of the same import have made.
func TestConflicts(t *testing.T) {
	t.Parallel()
	const one, two = "11111111-1111-4111-8111-111111111111", "22222222-1111-4111-8111-111111111111"
	lines := []string{
		`{"email":"new@example.com"}`,
		`{"email":"one@example.com","user_metadata":{"b":2}}`,
		`{"id":"` + two + `","email":"moved@example.com","email_verified":true}`,
		`{"id":"` + one + `","email":"two@example.com"}`,
		`{"email":"NEW@example.com","user_metadata":{"again":true}}`,
	}
	for on, want := range map[transfer.Conflict]transfer.Report{
		transfer.Fail:   {Created: 1, Failed: 4},
		transfer.Skip:   {Created: 1, Skipped: 3, Failed: 1},
		transfer.Update: {Created: 1, Updated: 3, Failed: 1},
	} {
		db, s := service(t)
		load(t, s, transfer.Options{}, `{"id":"`+one+`","email":"one@example.com","user_metadata":{"a":1}}`, `{"id":"`+two+`","email":"two@example.com"}`)
		for _, dryRun := range []bool{true, false} {
			got := load(t, s, transfer.Options{OnConflict: on, DryRun: dryRun}, lines...)
			if got.Created != want.Created || got.Updated != want.Updated || got.Skipped != want.Skipped || got.Failed != want.Failed {
				t.Errorf("%s, dry run %v: %+v", on, dryRun, got)
			}
		}
		var data, email string
		db.Scan(t, `select (select user_metadata::text || (select user_metadata::text from auth.users where email = 'new@example.com') from auth.users where id = $1),
			(select email || (email_verified_at is not null) from auth.users where id = $2)`, []any{one, two}, &data, &email)
		expected := []string{`{"a": 1}{}`, "two@example.comfalse"}
		if on == transfer.Update {
			expected = []string{`{"a": 1, "b": 2}{"again": true}`, "moved@example.comtrue"}
		}
		if diff := cmp.Diff(expected, []string{data, email}); diff != "" {
			t.Errorf("%s: %s", on, diff)
		}
		if again := load(t, s, transfer.Options{OnConflict: transfer.Skip}, lines...); again.Created != 0 {
			t.Errorf("%s: once more: %+v", on, again)
		}
	}
}

// TestUpdateEndsSessions for another digest and for a ban, and not when the same
// import runs again.
func TestUpdateEndsSessions(t *testing.T) {
	t.Parallel()
	db, s := service(t)
	ctx := context.Background()
	load(t, s, transfer.Options{}, `{"email":"a@example.com"}`)
	var userID id.User
	db.Scan(t, `select id from auth.users`, nil, &userID)
	begin := func() id.Session {
		t.Helper()
		live, err := s.Desk.Sessions.Create(ctx, db.Single(), userID, "aal1", []string{"pwd"}, session.Origin{})
		if err != nil {
			t.Fatal(err)
		}
		return live.ID
	}
	reason := func(sessionID id.Session) (why string) {
		t.Helper()
		db.Scan(t, `select coalesce(end_reason, '') from auth.sessions where id = $1`, []any{sessionID}, &why)
		return why
	}
	line := `{"email":"a@example.com","password_digest":"` + digest + `","factors":[{"type":"totp","secret":"JBSWY3DPEHPK3PXP"}]}`
	update := transfer.Options{OnConflict: transfer.Update}
	first := begin()
	load(t, s, update, line)
	second := begin()
	load(t, s, update, line)
	if reason(first) != "password_changed" || reason(second) != "" {
		t.Errorf("%q and %q", reason(first), reason(second))
	}
	if revoked, _ := s.Desk.Sessions.Revoked.Contains("session", id.UUID(first)); !revoked {
		t.Error("this instance does not know")
	}
	if held, _ := s.Factors.Export(ctx, db.Single(), userID); len(held) != 1 {
		t.Errorf("%d factors", len(held))
	}
	db.Scan(t, `insert into auth.users (id, email) values (gen_random_uuid(), 'b@example.com') returning id`, nil, &userID)
	third := begin()
	kept := transfer.Options{OnConflict: transfer.Update, Unproven: admin.KeepUnproven}
	load(t, s, kept, `{"email":"b@example.com","email_verified":true,"user_metadata":{"a":1}}`)
	if reason(third) != "" || s.Desk.Sessions.Revoked.Overtaken(userID, 0) {
		t.Errorf("control: %q", reason(third))
	}
	load(t, s, update, `{"email":"b@example.com","app_metadata":{"a":1},"factors":[{"type":"totp","secret":"JBSWY3DPEHPK3PXP"}]}`)
	if reason(third) != "factor_changed" || !s.Desk.Sessions.Revoked.Overtaken(userID, 0) {
		t.Errorf("%q; this instance takes old tokens: %v", reason(third), !s.Desk.Sessions.Revoked.Overtaken(userID, 0))
	}
	load(t, s, update, `{"email":"a@example.com","banned_until":"2999-01-01T00:00:00Z"}`)
	if reason(second) != "banned" {
		t.Errorf("%q", reason(second))
	}
}

// many makes n lines, and counts what of them has been read.
type many struct {
	n, at int
	rest  []byte
}

func (m *many) Read(p []byte) (int, error) {
	if len(m.rest) == 0 {
		if m.at == m.n {
			return 0, io.EOF
		}
		m.at++
		m.rest = fmt.Appendf(m.rest[:0], `{"email":"user%d@example.com","password_digest":"%s","identities":[{"provider":"google","subject":"%d"}],"user_metadata":{"n":%d}}`+"\n", m.at, digest, m.at, m.at)
	}
	n := copy(p, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

// TestBatchesAndRestart cuts an import off in the middle: what is reported is
// there, and once more with skip makes the rest.
func TestBatchesAndRestart(t *testing.T) {
	t.Parallel()
	db, s := service(t)
	broken := io.MultiReader(io.LimitReader(&many{n: 3000}, 300_000), &breaks{})
	r, err := s.Import(context.Background(), operator, broken, transfer.Options{})
	var users int
	db.Scan(t, `select count(*) from auth.users`, nil, &users)
	if fault.From(err).Code != "incomplete_body" || users == 0 || users != r.Created || users%500 != 0 {
		t.Fatalf("%v: %d users, %+v", err, users, r)
	}
	r, err = s.Import(context.Background(), operator, &many{n: 3000}, transfer.Options{OnConflict: transfer.Skip})
	if err != nil || r.Skipped != users || r.Created != 3000-users || r.Failed != 0 {
		t.Errorf("%v, %+v", err, r)
	}
	var passwords, identities, data, records int
	db.Scan(t, `select (select count(*) from auth.passwords), (select count(*) from auth.identities),
		(select count(distinct user_metadata) from auth.users), (select count(*) from auth.audit_log where action = 'user.imported')`, nil, &passwords, &identities, &data, &records)
	if passwords != 3000 || identities != 6000 || data != 3000 || records != 6 {
		t.Errorf("%d passwords, %d identities, %d metadata, %d records", passwords, identities, data, records)
	}
	if lines := dump(t, s, true); strings.Count(lines, "\n") != 3000 || strings.Count(lines, digest) != 3000 {
		t.Errorf("exported %d", strings.Count(lines, "\n"))
	}
}

type breaks struct{}

func (*breaks) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// TestNoImportWithoutItsRecord takes the audit log away.
func TestNoImportWithoutItsRecord(t *testing.T) {
	t.Parallel()
	db, s := service(t)
	db.Exec(t, `alter table auth.audit_log rename to gone`)
	_, err := s.Import(context.Background(), operator, strings.NewReader(`{"email":"a@example.com"}`), transfer.Options{})
	var users int
	db.Scan(t, `select count(*) from auth.users`, nil, &users)
	if err == nil || users != 0 {
		t.Errorf("%v, %d users", err, users)
	}
	var out bytes.Buffer
	if err := s.Export(context.Background(), operator, true, &out); err == nil || out.Len() > 0 {
		t.Errorf("%v, %s", err, out.String())
	}
}

func digestOf(t *testing.T) string {
	t.Helper()
	made, err := bcrypt.GenerateFromPassword([]byte("password-elsewhere"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(made)
}
