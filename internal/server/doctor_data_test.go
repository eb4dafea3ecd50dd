package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/pgtest"
)

func TestDoctorFlagsLooseDefiners(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	find := func() string {
		for _, f := range diagnose(t, db) {
			if f.Subject == "data API" {
				return fmt.Sprintf("%+v", f)
			}
		}
		return ""
	}
	db.Exec(t, `create function public.tight() returns int language sql security definer set search_path = '' as 'select 1';
		create function public.plain() returns int language sql as 'select 1'`)
	if text := find(); text == "" || strings.Contains(text, "public.") {
		t.Errorf("nothing is wrong: %s", text)
	}
	db.Exec(t, `create function public.loose() returns int language sql security definer as 'select 1'`)
	if text := find(); !strings.Contains(text, "public.loose.") || strings.Contains(text, "public.tight") {
		t.Error(text)
	}
}
