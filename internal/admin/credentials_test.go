package admin_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/admin"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/servertest"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/user"
)

// TestCredentialsChanged changes each credential by itself and several at once.
func TestCredentialsChanged(t *testing.T) {
	t.Parallel()
	db, s, m := service(t)
	s.Sessions.Config.MaxLifetime = time.Hour
	ctx := context.Background()
	userID, err := s.Users.Add(ctx, db.Single(), user.New{Email: "a@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	before := user.Contact{Email: "a@example.com"}
	for name, c := range map[string]struct {
		changed admin.Changed
		reason  string
		told    []string
	}{
		"nothing":            {admin.Changed{Before: before, Email: before.Email}, "", nil},
		"address":            {admin.Changed{Before: before, Email: "b@example.com"}, "email_changed", []string{"email_changed to a@example.com b@example.com"}},
		"address, kept":      {admin.Changed{Before: before, Email: "b@example.com", Password: true, KeepSessions: true}, "email_changed", []string{"email_changed to a@example.com b@example.com", "password_changed to a@example.com "}},
		"password":           {admin.Changed{Before: before, Password: true}, "password_changed", []string{"password_changed to a@example.com "}},
		"password, kept":     {admin.Changed{Before: before, Password: true, KeepSessions: true}, "", []string{"password_changed to a@example.com "}},
		"factor":             {admin.Changed{Before: before, Factor: mail.FactorAdded}, "factor_changed", []string{"factor_added to a@example.com "}},
		"factor gone, kept":  {admin.Changed{Before: before, Factor: mail.FactorRemoved, KeepSessions: true}, "factor_changed", []string{"factor_removed to a@example.com "}},
		"no address to tell": {admin.Changed{Email: "b@example.com"}, "email_changed", nil},
	} {
		live, err := s.Sessions.Create(ctx, db.Single(), userID, "aal1", []string{"pwd"}, session.Origin{})
		if err != nil {
			t.Fatal(err)
		}
		m.told, m.voided = nil, nil
		var ended []id.Session
		err = db.InTx(ctx, func(q postgres.Querier) error {
			ended, err = s.CredentialsChanged(ctx, q, userID, c.changed)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		var reason string
		db.Scan(t, `select coalesce(end_reason, '') from auth.sessions where id = $1`, []any{live.ID}, &reason)
		if reason != c.reason || cmp.Diff(c.told, m.told) != "" || (len(m.voided) == 1) != (name != "nothing") {
			t.Errorf("%s: %q, told %q, voided %d times", name, reason, m.told, len(m.voided))
		}
		if (len(ended) > 0 && ended[0] == live.ID) != (c.reason != "") {
			t.Errorf("%s: %v are said to have ended", name, ended)
		}
		db.Exec(t, `update auth.sessions set ended_at = now(), end_reason = 'admin' where ended_at is null`)
	}
}

// subjects waits for a number of messages to an address.
func (d desk) subjects(to string, number int) (found []string) {
	d.t.Helper()
	later(d.t, fmt.Sprintf("%d messages to %s", number, to), func() bool {
		var page struct{ Items []struct{ Subject string } }
		d.Do("GET", "/dev/mail/messages?to="+url.QueryEscape(to), "", "").JSON(d.t, &page)
		found = nil
		for _, m := range page.Items {
			found = append(found, m.Subject)
		}
		return len(found) >= number
	})
	slices.Sort(found) // messages overtake each other
	return found
}

// refresh is why a session is over; "" if it is not.
func (d desk) refresh(p servertest.Person) string {
	d.t.Helper()
	var problem struct{ Reason string }
	d.Do("POST", "/api/v1/auth/refresh", "", fmt.Sprintf(`{"refresh_token":%q}`, p.Refresh)).JSON(d.t, &problem)
	return problem.Reason
}

// TestAnotherAddressLocksOut gives a user another address: whoever is in has to
// come in again, what was mailed opens nothing, and the old address is told. By
// hand and by an import alike.
func TestAnotherAddressLocksOut(t *testing.T) {
	t.Parallel()
	d := open(t)
	for name, change := range map[string]func(p servertest.Person, to string){
		"by hand": func(p servertest.Person, to string) {
			d.want(200, "PATCH", "/users/"+p.ID, fmt.Sprintf(`{"email":%q}`, to))
		},
		"import": func(p servertest.Person, to string) {
			a := d.Do("POST", base+"/users/import?on_conflict=update", d.ServiceKey, fmt.Sprintf(`{"id":%q,"email":%q}`, p.ID, to), "Content-Type", "application/x-ndjson")
			if !strings.Contains(a.Body, `"updated":1`) {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
		},
	} {
		p, other := d.SignUp(), d.SignUp()
		for _, o := range []servertest.Person{p, other} {
			if a := d.Do("POST", "/api/v1/auth/password/reset", "", fmt.Sprintf(`{"email":%q}`, o.Email)); a.Status != 202 {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
		}
		d.subjects(p.Email, 1)
		change(p, strings.ReplaceAll(name, " ", "")+"@example.com")
		if a := d.Do("GET", "/api/v1/auth/user", p.Access, ""); a.Status != 401 {
			t.Errorf("%s: the token is good for this instance: %d", name, a.Status)
		}
		if a, b := d.refresh(p), d.refresh(other); a != "email_changed" || b != "" {
			t.Errorf("%s: %q; control: %q", name, a, b)
		}
		links := func(email string) (n int) {
			d.DB.Scan(t, `select count(*) from auth.flows where email = $1 and consumed_at is null and expires_at > now()`, []any{email}, &n)
			return n
		}
		if a, b := links(p.Email), links(other.Email); a != 0 || b != 1 {
			t.Errorf("%s: %d links are good; control: %d", name, a, b)
		}
		if told := d.subjects(p.Email, 2); cmp.Diff(told, []string{"Reset your password", "Your e-mail address was changed"}) != "" {
			t.Errorf("%s: %q", name, told)
		}
	}
}
