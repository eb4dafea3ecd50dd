package secret_test

import (
	"net/http"
	"strings"
	"testing"
)

// caller is somebody who is refused, and how.
type caller struct {
	bearer, code string
	status       int
	fields       []string
}

func (d *desk) refusesCaller(c caller, method, path string) {
	d.t.Helper()
	a := d.Do(method, path, c.bearer, `{"value":"x"}`, c.fields...)
	if a.Status != c.status || a.Code() != c.code || strings.Contains(a.Body, "hunter2") || strings.Contains(a.Body, "KEY") {
		d.t.Errorf("%s %s as %.20s: %d %s", method, path, c.bearer, a.Status, a.Body)
	}
}

// TestOnlyServiceKeys asks for everything there is as everybody else.
func TestOnlyServiceKeys(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.wants(200, "", "PUT", "/KEY", `{"value":"hunter2"}`)
	user := d.SignUp()
	asked := 0
	for _, caller := range []caller{
		{"", "credential_required", 401, nil},
		{d.ClientKey, "credential_required", 401, nil},
		{user.Access, "not_allowed", 403, nil},
		{user.Access, "not_allowed", 403, []string{"apikey", d.ClientKey}},
		{user.Access, "ambiguous_credentials", 401, []string{"apikey", d.ServiceKey}},
		{user.Refresh, "invalid_token", 401, nil},
		{d.ServiceKey + "x", "invalid_key", 401, nil},
		{"", "credential_required", 401, []string{"X-User-Role", "service_role", "X-Forwarded-For", "127.0.0.1"}},
	} {
		for _, route := range d.Routes {
			if strings.HasPrefix(route.Path, secrets) {
				path := strings.ReplaceAll(route.Path, "{name}", "KEY")
				d.refusesCaller(caller, route.Method, path)
				d.refusesCaller(caller, route.Method, path+acmeQuery)
				asked++
			}
		}
	}
	if asked != 7*8 {
		t.Errorf("asked %d times; the routes are not all of them", asked)
	}
	if a := d.Do(http.MethodHead, secrets+"/KEY/value", user.Access, ""); a.Status != 403 {
		t.Errorf("HEAD: %d", a.Status)
	}
	if d.reads() != 0 {
		t.Error("somebody has read it")
	}
	if d.value("/KEY/value") != "hunter2" || d.reads() != 1 {
		t.Error("control: the service key")
	}
}
