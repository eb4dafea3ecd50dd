package secret_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/secret"
)

// attacks are what somebody could do who can write the tables and has no key.
// MINE is version 1 of a secret of acme, THEIRS that of a secret of umbra.
var attacks = map[string]string{
	"": "",
	"the envelope of another secret": `update auth.sealed_values set envelope = (select envelope from auth.sealed_values where id = THEIRS)
		where id = MINE`,
	"the envelope of another version": `update auth.sealed_values set envelope = (select s.envelope from auth.sealed_values s
		join auth.secret_versions v on v.sealed_id = s.id where v.secret_id = $1 and v.version = 2) where id = MINE`,
	"the sealed value of another secret": `create temp table t as select THEIRS as id; delete from auth.secret_versions where secret_id = $2;
		update auth.secret_versions set sealed_id = t.id from t where secret_id = $1 and version = 1; drop table t`,
	"the sealed value of another version": `create temp table t as select sealed_id as id from auth.secret_versions where secret_id = $1 and version = 2;
		delete from auth.secret_versions where secret_id = $1 and version = 2;
		update auth.secret_versions set sealed_id = t.id from t where secret_id = $1 and version = 1; drop table t`,
	"a password of the server's": `update auth.secret_versions set sealed_id = (select id from auth.sealed_values
		where purpose = 'database_login' order by id limit 1) where secret_id = $1 and version = 1`,
	"the versions of another secret": `delete from auth.secret_versions where secret_id = $1;
		update auth.secret_versions set secret_id = $1 where secret_id = $2`,
	"the secret of another sub-tenant": `update auth.secrets set sub_tenant_id = null where id = $1;
		update auth.secrets set sub_tenant_id = '01000000-0000-0000-0000-000000000000' where id = $2`,
	"another sub-tenant": `update auth.sealed_values set sub_tenant_id = '02000000-0000-0000-0000-000000000000' where id = MINE`,
	"no sub-tenant":      `update auth.sealed_values set sub_tenant_id = null where id = MINE`,
	"another number":     `update auth.sealed_values set subject = subject || '0' where id = MINE`,
	"another purpose":    `update auth.sealed_values set purpose = 'signing_key' where id = MINE`,
}

// TestCiphertextsStayWhereTheyAre puts other things in the place of a value.
// Whatever it is, it is not read.
func TestCiphertextsStayWhereTheyAre(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	for attack, statements := range attacks {
		name := "KEY_" + strings.Map(func(r rune) rune {
			if r < 'a' || r > 'z' {
				return '_'
			}
			return r
		}, attack)
		mine, theirs := v.set(of(acme, name), "of acme"), v.set(of(umbra, name), "of umbra")
		v.set(of(acme, name), "of acme, new")
		v.set(of(umbra, name), "of umbra, new")
		const first = `(select sealed_id from auth.secret_versions where secret_id = $ and version = 1)`
		quoted := func(kept secret.Secret) string { return "'" + kept.ID.String() + "'" }
		v.db.Exec(t, strings.NewReplacer("$1", quoted(mine), "$2", quoted(theirs),
			"MINE", strings.Replace(first, "$", quoted(mine), 1), "THEIRS", strings.Replace(first, "$", quoted(theirs), 1)).Replace(statements))
		if attack == "" {
			v.reads(of(acme, name), 1, "of acme")
			continue
		}
		got, err := v.Reveal(t.Context(), nobody, of(acme, name), 1)
		if !errors.Is(err, keyring.ErrNotOpened) || got != (secret.Value{}) {
			t.Errorf("%s: %+v, %v", attack, got, err)
		}
		if kept, err := v.Restore(t.Context(), nobody, of(acme, name), 1); !errors.Is(err, keyring.ErrNotOpened) {
			t.Errorf("%s: restored as %+v, %v", attack, kept, err)
		}
	}
}

// TestValuesLieSealed looks for values in every table of the server's.
func TestValuesLieSealed(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	const value = "a-value-to-look-for"
	v.setInput(of(acme, "KEY"), secret.Input{Value: value, Description: ptr("a-word-to-find")})
	v.reads(of(acme, "KEY"), 0, value)
	var dump []byte
	v.db.Scan(t, `select string_agg(query_to_xml('select * from auth.' || quote_ident(tablename), false, false, '')::text, '')
		from pg_tables where schemaname = 'auth'`, nil, &dump)
	if !bytes.Contains(dump, []byte("a-word-to-find")) || !bytes.Contains(dump, []byte("KEY")) {
		t.Error("control: the search finds nothing")
	}
	for _, form := range forms(value) {
		if bytes.Contains(dump, []byte(form)) {
			t.Errorf("%q lies in the open", form)
		}
	}
}
