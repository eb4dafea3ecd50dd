package rotation_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/rotation"
	"github.com/fluxbase/fluxbase/internal/sealed"
)

func TestTmp(t *testing.T) {
	db := pgtest.New(t)
	p := start(t, db, 0, 1, 2)
	ring, _ := keyring.New(1, map[uint32][]byte{1: pgtest.SecretKey()})
	conn, _ := pgx.Connect(t.Context(), db.OwnerURL)
	at := time.Now()
	value := make([]byte, 1024)
	conn.CopyFrom(t.Context(), pgx.Identifier{"auth", "sealed_values"}, []string{"id", "purpose", "subject", "key_version", "envelope"},
		pgx.CopyFromSlice(100000, func(i int) ([]any, error) {
			s, subject := id.Sealed(id.New(at)), fmt.Sprint(i)
			return []any{[16]byte(s), "bench", subject, 1, ring.Seal(keyring.Binding{Table: sealed.Place, Column: "envelope", Row: s.String(), Purpose: "bench", Subject: subject}, value)}, nil
		}))
	db.Exec(t, "vacuum analyze auth.sealed_values")
	if err := p.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	run, err := p.ReEncrypt(t.Context(), audit.Actor{}, 1, 2, rotation.DefaultPace)
	began := time.Now()
	run = p.do(run, err)
	t.Log(time.Since(began), counts(run))
}

func xTmpExplain(t *testing.T) {
	db := pgtest.New(t)
	start(t, db, 0, 1, 2)
	db.Exec(t, `insert into auth.sealed_values (id, purpose, subject, key_version, envelope) select gen_random_uuid(), 'b', g::text, 1, convert_to(repeat(md5(g::text), 33), 'utf8') from generate_series(1, 100000) g`)
	db.Exec(t, "vacuum analyze auth.sealed_values")
	conn, _ := pgx.Connect(t.Context(), db.OwnerURL)
	rows, _ := conn.Query(t.Context(), `select id from auth.sealed_values where key_version = 1 order by id limit 100`)
	ids, _ := pgx.CollectRows(rows, pgx.RowTo[[16]byte])
	heads, envs := [][]byte{}, [][]byte{}
	for range ids {
		heads = append(heads, []byte("x"))
		envs = append(envs, make([]byte, 1053))
	}
	for name, sql := range map[string]string{
		"ours": `explain (analyze, buffers, wal) with active as (select version from auth.encryption_keys where version = $1 and state = 'active' for share),
moved as (
	update auth.sealed_values v set envelope = u.envelope, key_version = active.version
	from active, unnest($2::uuid[], $3::bytea[], $4::bytea[]) as u (id, head, envelope)
	where v.id = u.id and substr(v.envelope, 1, 17) <> u.head
	returning 1)
select (select count(*) from moved), exists (select from active)`,
	} {
		for range 2 {
			rows, err := conn.Query(t.Context(), sql, 1, ids, heads, envs)
			if err != nil {
				t.Fatal(err)
			}
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			t.Log(name, err)
			for _, l := range lines {
				t.Log(l)
			}
		}
	}
	rows, err := conn.Query(t.Context(), `explain (analyze, buffers, wal) update auth.sealed_values set envelope = overlay(envelope placing $1 from 2 for 4), key_version = $2
where key_version = $3 and id > $4 and id <= $5`, []byte("abcd"), 3, 1, [16]byte{}, ids[99])
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	t.Log(err)
	for _, l := range lines {
		t.Log(l)
	}
}
