package secret_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/fluxbase/fluxbase/internal/secret"
)

// marker is part of whatever an error document must not repeat.
const marker = "hunter2"

// notSettings are bodies and what is said about each.
func notSettings() map[string]string {
	long := marker + strings.Repeat("x", secret.MaxValue)
	past := time.Now().Add(-time.Second).UTC().Format(time.RFC3339Nano)
	return map[string]string{
		``:                                    "unsupported_media_type",
		`null`:                                "invalid_json",
		`"hunter2"`:                           "invalid_json",
		`["hunter2"]`:                         "invalid_json",
		`{"value":"hunter2"`:                  "invalid_json",
		`{"value":"hunter2"}}`:                "invalid_json",
		`{"value":"hunter2"} {"value":"x"}`:   "invalid_json",
		`{"value":'hunter2'}`:                 "invalid_json",
		`{"value":"hunter2\ud800"}`:           "invalid_json",
		"{\"value\":\"hunter2\xff\"}":         "invalid_json",
		"{\"value\":\"hunter2\x00\"}":         "invalid_json",
		"{\"value\":\"hunter2\n\"}":           "invalid_json",
		"\ufeff" + `{"value":"hunter2"}`:      "invalid_json",
		`{"value":"hunter2","value":"x"}`:     "duplicate_key /value",
		`{"value":"hunter2","Value":"x"}`:     "unknown_key /Value",
		`{"value":"hunter2","name":"x"}`:      "unknown_key /name",
		`{"value":"hunter2","version":7}`:     "unknown_key /version",
		`{"value":"hunter2","deleted_at":1}`:  "unknown_key /deleted_at",
		`{"value":["hunter2"]}`:               "invalid_type /value",
		`{"value":{"hunter2":"hunter2"}}`:     "invalid_type /value",
		`{"value":7}`:                         "invalid_type /value",
		`{"value":"hunter2","description":7}`: "invalid_type /description",
		`{}`:                                  "invalid_secret_value /value",
		`{"value":null}`:                      "invalid_secret_value /value",
		`{"value":""}`:                        "invalid_secret_value /value",
		`{"value":"` + long + `"}`:            "invalid_secret_value /value",
		`{"value":"hunter2","description":"` + strings.Repeat("ä", 251) + `"}`:    "invalid_description /description",
		`{"value":"hunter2","description":"hunter2\u0000"}`:                       "invalid_value /description",
		`{"value":"hunter2","expires_at":"` + past + `"}`:                         "invalid_expiry /expires_at",
		`{"value":"hunter2","expires_at":"0001-01-01T00:00:00Z"}`:                 "invalid_expiry /expires_at",
		`{"value":"hunter2","expires_at":"9999-12-31T23:59:59-23:59"}`:            "invalid_expiry /expires_at",
		`{"value":"hunter2","expires_at":"hunter2"}`:                              "invalid_type /expires_at",
		`{"value":"hunter2","expires_at":"2040-01-01"}`:                           "invalid_type /expires_at",
		`{"value":"hunter2","expires_at":2000000000}`:                             "invalid_type /expires_at",
		`{"value":"hunter2","expires_in":0}`:                                      "invalid_expiry /expires_in",
		`{"value":"hunter2","expires_in":-1}`:                                     "invalid_expiry /expires_in",
		`{"value":"hunter2","expires_in":3153600001}`:                             "invalid_expiry /expires_in",
		`{"value":"hunter2","expires_in":9223372036854775807}`:                    "invalid_expiry /expires_in",
		`{"value":"hunter2","expires_in":9223372036854775808}`:                    "invalid_type /expires_in",
		`{"value":"hunter2","expires_in":1.5}`:                                    "invalid_type /expires_in",
		`{"value":"hunter2","expires_in":"1h"}`:                                   "invalid_type /expires_in",
		`{"value":"hunter2","expires_in":60,"expires_at":"2040-01-01T00:00:00Z"}`: "invalid_expiry /expires_in",
	}
}

// bodies sends what is not a setting. Nothing of it is kept, and no value is
// repeated.
func bodies(d *desk) {
	d.t.Helper()
	for body, want := range notSettings() {
		d.refusesBody("PUT", "/BODY", body, want)
	}
	d.wants(404, "secret_not_found", "GET", "/BODY", "")
	d.wants(200, "", "PUT", "/BODY", `{"value":"x","description":"y","expires_at":"2040-01-01T00:00:00Z"}`)
	d.wants(200, "", "PUT", "/BODY", `{"value":"x","description":null,"expires_at":null,"expires_in":3153600000}`)

	for body, want := range map[string]string{
		`{"version":"hunter2"}`: "invalid_type /version", `{"version":1.5}`: "invalid_type /version", `{"Version":1}`: "unknown_key /Version",
		`{"version":1,"value":"hunter2"}`: "unknown_key /value", `{"version":-1}`: "invalid_version /version",
		`{"version":2147483648}`: "invalid_version /version", `{"version":9223372036854775808}`: "invalid_type /version", `[]`: "invalid_json",
	} {
		d.refusesBody("POST", "/BODY/restore", body, want)
	}
	d.wants(404, "secret_not_found", "POST", "/BODY/restore", `{"version":2147483647}`)
	d.wants(409, "secret_not_deleted", "POST", "/BODY/restore", `{}`)
	d.wants(200, "", "POST", "/BODY/restore", `{"version":1}`)
}

// refusesBody expects a 400 of a code and a pointer, which repeats nothing.
func (d *desk) refusesBody(method, path, body, want string) {
	d.t.Helper()
	a := d.Do(method, secrets+path, d.ServiceKey, body)
	var p struct {
		Errors []struct{ Pointer, Detail string }
	}
	a.JSON(d.t, &p)
	got := a.Code()
	for _, e := range p.Errors {
		got += strings.TrimRight(" "+e.Pointer, " ")
	}
	status := 400
	if want == "unsupported_media_type" {
		status = 415
	}
	if a.Status != status || got != want || strings.Contains(a.Body, marker) {
		d.t.Errorf("%.80q: %d %s, want %s; %.300s", body, a.Status, got, want, a.Body)
	}
}

// values sends values of every kind and length there and back.
func values(d *desk) {
	d.t.Helper()
	for name, value := range map[string]string{
		"one byte": "x", "the longest": strings.Repeat("x", 65536), "the longest, of two bytes each": strings.Repeat("ä", 32768),
		"controls": "\x00\x01\x1f\x7f\r\n\t\b\f\u0085\u2028\u2029\ufeff", "nothing but NUL": strings.Repeat("\x00", 65536),
		"JSON": `{"value":"x"}`, "escapes": `\u0000\n"'/\`, "spaces": " \t\n ", "HTML": "<script>&amp;</script>", "scripts": "\U0001f511 ключ 鍵 \u202emirrored",
	} {
		body := fmt.Sprintf(`{"value":%s}`, quote(value))
		d.wants(200, "", "PUT", "/VALUE", body)
		if got := d.value("/VALUE/value"); got != value {
			d.t.Errorf("%s: %.100q", name, got)
		}
	}
	d.wants(400, "invalid_secret_value", "PUT", "/VALUE", fmt.Sprintf(`{"value":%q}`, strings.Repeat("x", 65537)))
	d.wants(400, "invalid_secret_value", "PUT", "/VALUE", fmt.Sprintf(`{"value":%q}`, strings.Repeat("x", 65535)+"ä"))
	d.wants(413, "body_too_large", "PUT", "/VALUE", fmt.Sprintf(`{"value":%q}`, strings.Repeat("x", 1<<20)))
}

// quote writes a value with every byte below 0x80 escaped.
func quote(value string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range value {
		if r < 0x80 {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	b.WriteByte('"')
	return b.String()
}

func pages(d *desk) {
	d.t.Helper()
	for i := range 23 {
		d.wants(200, "", "PUT", fmt.Sprintf("/KEY_%02d%s", i, umbraQuery), `{"value":"hunter2"}`)
	}
	for query, code := range map[string]string{
		"limit=0": "invalid_limit", "limit=-1": "invalid_limit", "limit=101": "invalid_limit", "limit=1e1": "invalid_limit", "limit=9223372036854775808": "invalid_limit",
		"limit=x": "invalid_limit", "limit=%00": "invalid_limit", "cursor=%00": "invalid_cursor", "cursor=%FF": "invalid_cursor",
	} {
		d.wants(400, code, "GET", umbraQuery+"&"+query, "")
	}
	for query, want := range map[string]string{
		"": "20, more", "&limit=100": "23", "&limit=1": "1, more", "&limit=22": "22, more", "&limit=23": "23", "&cursor=KEY_19": "3",
		"&cursor=KEY_19&limit=2": "2, more", "&cursor=KEY_22": "0", "&cursor=KEY_20x": "2", "&cursor=%27%20or%20true--": "20, more",
		"&cursor=" + strings.Repeat("Z", 4000): "0",
	} {
		a := d.wants(200, "", "GET", umbraQuery+query, "")
		var page secret.Page
		a.JSON(d.t, &page)
		got := fmt.Sprint(len(page.Items))
		if page.NextCursor != nil {
			got += ", more"
		}
		if got != want || strings.Contains(a.Body, marker) {
			d.t.Errorf("%.40s: %s", query, got)
		}
	}
}

func queries(d *desk) {
	d.t.Helper()
	d.wants(200, "", "PUT", "/QUERY", `{"value":"x"}`)
	for _, version := range []string{"0", "-1", "2147483648", "1.0", "x", "%00", "hunter2"} {
		if a := d.wants(400, "invalid_version", "GET", "/QUERY/value?version="+version, ""); strings.Contains(a.Body, marker) {
			d.t.Error(a.Body)
		}
	}
	d.wants(404, "secret_not_found", "GET", "/QUERY/value?version=2", "")
	d.wants(200, "", "GET", "/QUERY/value?version=1", "")
	for _, purge := range []string{"yes", "1", "TRUE", "true%20", "hunter2"} {
		if a := d.wants(400, "invalid_purge", "DELETE", "/QUERY?purge="+purge, ""); strings.Contains(a.Body, marker) {
			d.t.Error(a.Body)
		}
	}
	d.wants(200, "", "GET", "/QUERY/value", "")
	d.wants(204, "", "DELETE", "/QUERY?purge=false", "")
	d.wants(200, "", "GET", "/QUERY", "")
	d.wants(204, "", "DELETE", "/QUERY?purge=true", "")
	d.wants(404, "secret_not_found", "GET", "/QUERY", "")
}
