package dataapi_test

import (
	"testing"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

// featuresSQL stands in for PostGIS: a function of the same signature, and in a
// schema that is not exposed.
const featuresSQL = `create schema extensions; grant usage on schema extensions to anonymous, authenticated, service_role;
create function extensions.st_asgeojson(r record, geom_column text default '', maxdecimaldigits integer default 9, pretty_bool boolean default false)
returns text language plpgsql stable as $$ begin
	return json_build_object('type', 'Feature', 'geometry', null, 'properties', to_jsonb(r));
end $$`

// TestGeoJSON answers with features where PostGIS is, and refuses the media type
// elsewhere.
func TestGeoJSON(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Exec(t, schemaSQL)
	without := servertest.On(t, db)
	if a := without.Do("GET", todos, "", "", "Accept", "application/geo+json"); a.Status != 406 || a.Code() != "PGRST107" {
		t.Errorf("without PostGIS: %d %s", a.Status, a.Body)
	}
	if a := without.Do("GET", todos, "", "", "Accept", "application/geo+json, application/json;q=0.5"); a.Status != 200 || a.Body != "[]" {
		t.Errorf("control: %d %s", a.Status, a.Body)
	}
	db.Exec(t, featuresSQL)
	s := servertest.On(t, db)
	p := five(t, s)
	for name, c := range map[string]struct {
		method, path, body string
		fields             []string
		status             int
		want               string
	}{
		"rows": {"GET", todos + "?select=rank,task&order=id&limit=2", "", nil, 200, `{"type" : "FeatureCollection", "features" : [` +
			`{"type" : "Feature", "geometry" : null, "properties" : {"rank": 1, "task": "task 1"}}, {"type" : "Feature", "geometry" : null, "properties" : {"rank": null, "task": "task 2"}}]}`},
		"no rows": {"GET", todos + "?id=lt.0", "", nil, 200, `{"type" : "FeatureCollection", "features" : []}`},
		"a write": {
			"PATCH", todos + "?rank=eq.5&select=task", `{"task":"x"}`,
			[]string{"Prefer", "return=representation"},
			200,
			`{"type" : "FeatureCollection", "features" : [{"type" : "Feature", "geometry" : null, "properties" : {"task": "x"}}]}`,
		},
		"nothing to write": {"PATCH", todos + "?rank=eq.5", `{}`, []string{"Prefer", "return=representation"}, 200, `{"type" : "FeatureCollection", "features" : []}`},
	} {
		a := s.Do(c.method, c.path, p.Access, c.body, append([]string{"Accept", "application/geo+json"}, c.fields...)...)
		if a.Status != c.status || a.Body != c.want || a.Header.Get("Content-Type") != "application/geo+json; charset=utf-8" {
			t.Errorf("%s: %d %s %s", name, a.Status, a.Header.Get("Content-Type"), a.Body)
		}
	}
	if a := s.Do("GET", todos, "", "", "Accept", "application/geo+json"); a.Status != 200 || a.Body != `{"type" : "FeatureCollection", "features" : []}` {
		t.Errorf("nobody sees %d %s", a.Status, a.Body)
	}
}
