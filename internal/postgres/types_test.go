package postgres_test

import (
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// TestTypesOfArguments: what statements are given means the same behind a pooler.
func TestTypesOfArguments(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	u := id.User(id.New(time.Now()))
	const none = "00000000-0000-0000-0000-000000000000"
	for _, pooled := range []bool{false, true} {
		db, err := postgres.Open(t.Context(), postgres.Config{OwnerURL: d.OwnerURL, MaxConns: 1, Pooled: pooled})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(db.Close)
		for _, tt := range []struct {
			as   string
			arg  any
			want string
		}{
			{"uuid", u, u.String()},
			{"uuid", id.User{}, none},
			{"uuid", u.Nullable(), u.String()},
			{"uuid", id.User{}.Nullable(), "NULL"},
			{"uuid[]", []id.User{u, {}}, "{" + u.String() + "," + none + "}"},
			{"uuid[]", [][16]byte{u, {}}, "{" + u.String() + "," + none + "}"},
			{"bytea[]", [][]byte{{1}, {2, 3}}, `{"\\x01","\\x0203"}`},
			{"bytea", u[:], `\x` + hex.EncodeToString(u[:])},
			{"integer[]", []uint32{1, 2}, "{1,2}"},
			{"jsonb", map[string]string{"a": "b"}, `{"a": "b"}`},
			{"text[]", []string{"a", "b c"}, `{a,"b c"}`},
			{"interval", time.Minute, "00:01:00"},
		} {
			for range 2 { // asked for, and remembered
				var got string
				err := db.Single().QueryRow(t.Context(), fmt.Sprintf("select coalesce($1::%s::text, 'NULL')", tt.as), tt.arg).Scan(&got)
				if err != nil || got != tt.want {
					t.Errorf("pooled %v: %T as %s: %q, %v; want %q", pooled, tt.arg, tt.as, got, err, tt.want)
				}
			}
		}
	}
}
