package secret_test

import (
	"cmp"
	"net/http"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/secret"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

const (
	secrets    = "/api/v1/admin/secrets"
	acmeQuery  = "?sub_tenant_id=01000000-0000-0000-0000-000000000000"
	umbraQuery = "?sub_tenant_id=02000000-0000-0000-0000-000000000000"
)

// desk is the secrets of a server, over HTTP.
type desk struct {
	*servertest.Server

	t *testing.T
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	return &desk{servertest.New(t), t}
}

// TestOverHTTP asks one server for everything, each time with other secrets.
func TestOverHTTP(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for name, f := range map[string]func(*desk){ //nolint:paralleltest // they are fast; a server each is not
		"methods": methods, "records": records, "names": names, "sub-tenants": subTenants,
		"bodies": bodies, "values": values, "pages": pages, "queries": queries,
	} {
		t.Run(name, func(t *testing.T) { f(&desk{d.Server, t}) })
	}
}

// wants asks with the service key and expects a status, and a code if it is an
// error.
func (d *desk) wants(status int, code, method, path, body string) servertest.Answer {
	d.t.Helper()
	a := d.Do(method, secrets+path, d.ServiceKey, body)
	if a.Status != status || status >= 400 && (a.Code() != code || a.Header.Get("Content-Type") != "application/problem+json") {
		d.t.Errorf("%s %.80s: %d %.300s; want %d %s", method, path, a.Status, a.Body, status, code)
	}
	return a
}

// value reads a value.
func (d *desk) value(path string) string {
	d.t.Helper()
	var v secret.Value
	d.wants(200, "", "GET", path, "").JSON(d.t, &v)
	return v.Value
}

func (d *desk) count(query string) int {
	d.t.Helper()
	var n int
	d.DB.Scan(d.t, query, nil, &n)
	return n
}

func (d *desk) reads() int {
	d.t.Helper()
	return d.count(`select count(*) from auth.audit_log where action = 'secret.read'`)
}

func methods(d *desk) {
	d.t.Helper()
	d.wants(200, "", "PUT", "/METHOD", `{"value":"hunter2"}`)

	// HEAD is told the length of a value, and is a read of it.
	before := d.reads()
	head := d.wants(200, "", http.MethodHead, "/METHOD/value", "")
	if head.Body != "" || head.Header.Get("Cache-Control") != "no-store" || d.reads() != before+1 {
		d.t.Errorf("HEAD: %+v, %d reads", head, d.reads()-before)
	}
	for path, allow := range map[string]string{
		"": "GET, HEAD, OPTIONS", "/METHOD": "DELETE, GET, HEAD, OPTIONS, PUT", "/METHOD/value": "GET, HEAD, OPTIONS",
		"/METHOD/versions": "GET, HEAD, OPTIONS", "/METHOD/restore": "OPTIONS, POST",
	} {
		a := d.Do(http.MethodOptions, secrets+path, "", "")
		if a.Status != 204 || a.Header.Get("Allow") != allow || a.Body != "" || a.Header.Get("Access-Control-Allow-Origin") != "" {
			d.t.Errorf("OPTIONS %s: %d %v", path, a.Status, a.Header)
		}
		for _, method := range []string{"GET", "POST", "PATCH", "DELETE", "TRACE", "PURGE"} {
			if !strings.Contains(allow, method) {
				d.wants(405, "method_not_allowed", method, path, `{"value":"x"}`)
			}
		}
	}
	// Another site's page may not ask, whatever it sends.
	if a := d.Do("GET", secrets+"/METHOD/value", d.ServiceKey, "", "Origin", "https://evil.example.com"); a.Header.Get("Access-Control-Allow-Origin") != "" {
		d.t.Errorf("a page of another site: %v", a.Header)
	}
}

// records reads who has done what, from where, in which request.
func records(d *desk) {
	d.t.Helper()
	for action, r := range map[string][3]string{
		"set": {"PUT", "/RECORD", `{"value":"hunter2"}`}, "read": {"GET", "/RECORD/value", ""}, "restored": {"POST", "/RECORD/restore", `{"version":1}`},
		"deleted": {"DELETE", "/RECORD", ""}, "purged": {"DELETE", "/RECORD?purge=true", ""},
	} {
		d.Do("PUT", secrets+"/RECORD", d.ServiceKey, `{"value":"first"}`)
		a := d.Do(r[0], secrets+r[1], d.ServiceKey, r[2])
		if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("X-Content-Type-Options") != "nosniff" {
			d.t.Errorf("%s: %v", action, a.Header)
		}
		var record string
		d.DB.Scan(d.t, `select coalesce(string_agg(concat_ws(' ', action, outcome, actor_kind, (select kind from auth.api_keys k where k.id = actor_id),
			target_kind, details->>'name', host(ip)), '; '), '') from auth.audit_log where request_id = $1`, []any{a.Header.Get("X-Request-Id")}, &record)
		if record != "secret."+action+" success key service secret RECORD 127.0.0.1" {
			d.t.Errorf("%s: %d %q", action, a.Status, record)
		}
	}
	var history secret.Versions
	d.wants(200, "", "PUT", "/RECORD", `{"value":"hunter2"}`)
	d.wants(200, "", "GET", "/RECORD/versions", "").JSON(d.t, &history)
	if history.Items[0].CreatedBy == nil {
		d.t.Error("the history does not say by whom")
	}
}

func names(d *desk) {
	d.t.Helper()
	before := d.count(`select count(*) from auth.secrets`)
	for _, name := range []string{"a", "A.b-c_9", "value", "versions", "%41%42", strings.Repeat("a", 128), "a..b"} {
		d.wants(200, "", "PUT", "/"+name, `{"value":"x"}`)
		d.wants(200, "", "GET", "/"+name+"/value", "")
	}
	d.wants(200, "", "GET", "/AB", "") // %41%42
	d.wants(404, "secret_not_found", "GET", "/ab", "")
	for name, get := range map[string]string{
		"1": "", "-": "", "a%20b": "", "a%2Fb": "", "a%252Fb": "", "a%0A": "", "%0Aa": "", "%C3%A4": "", "%EF%BC%A1": "", "a%27--": "", "a%22": "",
		"%F0%9F%94%91": "", "a%E2%80%AE": "", "a=hunter2": "", "a;b": "", "a*": "", strings.Repeat("a", 129): "", strings.Repeat("%C3%A4", 3000): "",
		"a%00": "invalid_value", "%FF": "invalid_value",
	} {
		refused := d.wants(400, cmp.Or(get, "invalid_secret_name"), "PUT", "/"+name, `{"value":"x"}`)
		if strings.Contains(refused.Body, "hunter2") {
			d.t.Errorf("repeated: %s", refused.Body)
		}
		status, code := 404, "secret_not_found"
		if get != "" {
			status, code = 400, get
		}
		for _, path := range []string{"", "/value", "/versions"} {
			d.wants(status, code, "GET", "/"+name+path, "")
		}
		d.wants(status, code, "DELETE", "/"+name+"?purge=true", "")
		d.wants(status, code, "POST", "/"+name+"/restore", "")
	}
	for _, path := range []string{"/", "/a/", "/a/b", "//a", "/.", "/..", "/%2E%2E", "/..%2Fkeys", "/a%2F..%2Fb", "/a/value/", "/a//value"} {
		for _, method := range []string{"GET", "PUT"} {
			d.wants(404, "route_not_found", method, path, `{"value":"x"}`)
		}
	}
	if n := d.count(`select count(*) from auth.secrets`) - before; n != 7 {
		d.t.Errorf("%d secrets", n)
	}
}

func subTenants(d *desk) {
	d.t.Helper()
	d.wants(200, "", "PUT", "/TENANT", `{"value":"of all"}`)
	d.wants(200, "", "PUT", "/TENANT"+acmeQuery, `{"value":"of acme"}`)
	for path, want := range map[string]string{
		"/TENANT/value": "of all", "/TENANT/value" + acmeQuery: "of acme", "/TENANT/value" + umbraQuery: "of all",
		"/TENANT/value" + acmeQuery + "&version=1": "of acme",
	} {
		if got := d.value(path); got != want {
			d.t.Errorf("%s is %q", path, got)
		}
	}
	d.wants(404, "secret_not_found", "GET", "/TENANT"+umbraQuery, "")
	d.wants(404, "secret_not_found", "DELETE", "/TENANT"+umbraQuery, "")
	d.wants(404, "secret_not_found", "POST", "/TENANT/restore"+umbraQuery, `{"version":1}`)

	// What names no sub-tenant is refused: taken for none, it would be the secret
	// of the whole installation that is changed.
	for _, tenant := range []string{
		"", "acme", "1", "null", "01000000000000000000000000000000", "01000000-0000-0000-0000-00000000000g", "00000000-0000-0000-0000-000000000000",
		"%7B01000000-0000-0000-0000-000000000000%7D", "01000000-0000-0000-0000-000000000000%20", "01000000-0000-0000-0000-000000000000%00",
		"01000000-0000-0000-0000-000000000000&sub_tenant_id=02000000-0000-0000-0000-000000000000",
	} {
		query := "?sub_tenant_id=" + tenant
		d.wants(400, "invalid_sub_tenant_id", "PUT", "/TENANT"+query, `{"value":"x"}`)
		d.wants(400, "invalid_sub_tenant_id", "DELETE", "/TENANT"+query, "")
		d.wants(400, "invalid_sub_tenant_id", "POST", "/TENANT/restore"+query, "")
		for _, path := range []string{"", "/TENANT", "/TENANT/value", "/TENANT/versions"} {
			d.wants(400, "invalid_sub_tenant_id", "GET", path+query, "")
		}
	}
	if got := d.value("/TENANT/value") + d.value("/TENANT/value"+acmeQuery); got != "of allof acme" {
		d.t.Error(got)
	}
}
