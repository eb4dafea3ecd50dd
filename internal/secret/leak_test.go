package secret_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// forms are the ways in which a value might be written down: as it is, cut off,
// or in one of the usual encodings.
func forms(value string) []string {
	quoted := fmt.Sprintf("%q", value)
	return []string{
		value, value[:12], value[len(value)-12:], quoted[1 : len(quoted)-1], url.QueryEscape(value), url.PathEscape(value),
		hex.EncodeToString([]byte(value)), strings.ToUpper(hex.EncodeToString([]byte(value))),
		base64.RawStdEncoding.EncodeToString([]byte(value)), base64.RawURLEncoding.EncodeToString([]byte(value)),
	}
}

// use is somebody at work with a secret of their own, whose mistakes are those
// that people make. It returns the values it has sent, and every answer that
// has no business to hold one.
func (d *desk) use(i int) (values, answers []string) {
	name := fmt.Sprintf("/KEY_%d", i)
	sent := 0
	value := func() string {
		sent++
		v := fmt.Sprintf("pa$$ word/%d/%d/%s", i, sent, hex.EncodeToString([]byte{byte(i * 7), byte(sent * 31), 0xa5, byte(i + sent)}))
		values = append(values, v)
		return v
	}
	do := func(method, path, bearer, body string) {
		answers = append(answers, d.Do(method, secrets+path, bearer, body).Body)
	}
	read := func(path string) { d.Do("GET", secrets+path, d.ServiceKey, "") }
	for range 3 {
		do("PUT", name, d.ServiceKey, fmt.Sprintf(`{"value":%q,"expires_in":60,"description":"the key of %d"}`, value(), i))
		do("PUT", name+acmeQuery, d.ServiceKey, fmt.Sprintf(`{"value":%q}`, value()))
		read(name + "/value")
		read(name + "/value" + umbraQuery)
		read(name + "/value?version=1")
	}
	for _, body := range []string{
		`{"value":%q,"value":"x"}`, `{"value":%q`, `{"value":%q}}`, `{"value":[%q]}`, `{"value":%q,"expires_at":"yesterday"}`, `{"value":%q,"expires_in":-1}`,
		`{"value":%q,"description":"a\u0000"}`, `{"VALUE":%q}`, `%q`, `{"value":%q,"expires_at":%[1]q}`, `{"value":"x","description":[%q]}`,
	} {
		do("PUT", name, d.ServiceKey, fmt.Sprintf(body, value()))
	}
	do("PUT", name, d.ServiceKey, fmt.Sprintf(`{"value":%q}`, value()+strings.Repeat("x", 65536)))
	do("PUT", name, d.ServiceKey, fmt.Sprintf(`{"value":%q}`, value()+strings.Repeat("x", 1<<20)))
	do("PUT", name, d.ClientKey, fmt.Sprintf(`{"value":%q}`, value()))
	do("PUT", "/not%20a%20name", d.ServiceKey, fmt.Sprintf(`{"value":%q}`, value()))
	do("POST", name, d.ServiceKey, fmt.Sprintf(`{"value":%q}`, value()))
	do("POST", name+"/restore", d.ServiceKey, fmt.Sprintf(`{"version":%q}`, value()))
	do("GET", name+"/value?version="+url.QueryEscape(value()), d.ServiceKey, "")
	do("GET", name+"?sub_tenant_id="+url.QueryEscape(value()), d.ServiceKey, "")
	do("GET", "?limit="+url.QueryEscape(value()), d.ServiceKey, "")
	do("POST", name+"/restore", d.ServiceKey, `{"version":1}`)
	do("DELETE", name, d.ServiceKey, "")
	do("POST", name+"/restore", d.ServiceKey, "")
	for _, path := range []string{"", name, name + "/versions", "?sub_tenant_id=01000000-0000-0000-0000-000000000000"} {
		do("GET", path, d.ServiceKey, "")
	}
	return values, answers
}

// damage makes the server fail at what it does with values: one that does not
// open, one whose record cannot be written, one whose key is gone.
func (d *desk) damage() (values, answers []string) {
	value := "a-value-on-a-bad-day"
	d.wants(200, "", "PUT", "/DAMAGED", fmt.Sprintf(`{"value":%q}`, value))
	answers = append(answers, d.wants(200, "", "GET", "/DAMAGED", "").Body)
	d.DB.Exec(d.t, `alter table auth.audit_log add constraint broken check (action not like 'secret.%') not valid`)
	answers = append(answers, d.wants(500, "internal_error", "GET", "/DAMAGED/value", "").Body)
	answers = append(answers, d.wants(500, "internal_error", "PUT", "/DAMAGED", fmt.Sprintf(`{"value":%q}`, value)).Body)
	d.DB.Exec(d.t, `alter table auth.audit_log drop constraint broken`)
	for _, attack := range []struct {
		sql    string
		status int
		code   string
	}{
		{`envelope = set_byte(envelope, 30, get_byte(envelope, 30) # 1)`, 500, "internal_error"},
		{`envelope = set_byte(envelope, 4, 9)`, 503, "encryption_key_unavailable"},
		{`envelope = 'x'`, 500, "internal_error"},
	} {
		d.DB.Exec(d.t, `update auth.sealed_values set `+attack.sql+` where purpose = 'secret' and subject like (select id || '/%' from auth.secrets where name = 'DAMAGED')`)
		answers = append(answers, d.wants(attack.status, attack.code, "GET", "/DAMAGED/value", "").Body)
	}
	d.DB.Exec(d.t, `alter table auth.sealed_values rename to hidden`)
	answers = append(answers, d.wants(500, "internal_error", "PUT", "/DAMAGED", fmt.Sprintf(`{"value":%q}`, value)).Body)
	d.DB.Exec(d.t, `alter table auth.hidden rename to sealed_values`)
	return []string{value}, answers
}

// TestValuesAreNowhereButWhereTheyAreAskedFor reads every log line, every audit
// record and every answer of a busy day.
func TestValuesAreNowhereButWhereTheyAreAskedFor(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var mu sync.Mutex
	var values, answers []string
	add := func(v, a []string) {
		mu.Lock()
		defer mu.Unlock()
		values, answers = append(values, v...), append(answers, a...)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() { add(d.use(i)) })
	}
	wg.Wait()
	add(d.damage())

	var records string
	d.DB.Scan(t, `select string_agg(to_jsonb(l)::text, E'\n') from auth.audit_log l`, nil, &records)
	places := map[string]string{"the log": d.LogText(), "the audit log": records, "an answer": strings.Join(answers, "\n")}
	for place, text := range places {
		if lines := strings.Count(text, "\n"); lines < 50 {
			t.Errorf("control: %s has %d lines", place, lines)
		}
		for _, value := range values {
			for _, form := range forms(value) {
				if at := strings.Index(text, form); at >= 0 {
					t.Errorf("%s holds %q: %q", place, form, text[max(0, at-200):min(len(text), at+200)])
					break
				}
			}
		}
	}
	if len(values) < 100 || !strings.Contains(records, "KEY_1") || !strings.Contains(places["the log"], "secrets/{name}/value") {
		t.Errorf("control: %d values were used", len(values))
	}
}
