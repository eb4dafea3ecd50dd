package script_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// contents is a digest of each table of the server's, except the register of
// the programs that run.
func (c *cluster) contents() string {
	c.t.Helper()
	var all strings.Builder
	for table := range strings.FieldsSeq(c.ask(`select tablename from pg_tables where schemaname = 'auth' and tablename <> 'instances' order by 1`)) {
		fmt.Fprintln(&all, table, c.ask(fmt.Sprintf(`select count(*), md5(string_agg(t::text, '|' order by t::text)) from auth.%s t`, table)))
	}
	return all.String()
}

// TestWrongKeys starts the server and every command that seals with keys that
// are not those of the database: each stops, says which version is wrong, and
// has changed nothing.
func TestWrongKeys(t *testing.T) {
	t.Parallel()
	c := newCluster(t, map[string]string{"fsync": "off"})
	right := c.environ(1, 2, 3)
	server := c.serve("server", right...) // prepares the database, and makes signing keys
	m := c.join(1, 2, 3)
	m.seed(t, "test", 50)
	if err := m.keys.Activate(t.Context(), 2); err != nil { // 1 has values, 2 is active
		t.Fatal(err)
	}
	m.keys.Close(t.Context())
	if err := server.stop(); err != nil {
		t.Fatal(err)
	}

	c.refuses(t, map[string]refusal{
		"of values":   {swap(right, 1, 9), []string{"key version 1 ", "is not the key that this database knows as version 1", "55 sealed values need it", "nothing has been changed"}},
		"active":      {swap(right, 2, 9), []string{"key version 2 ", "is not the key that this database knows as version 2", "it is the active one", "nothing has been changed"}},
		"swapped":     {swap(swap(right, 1, 8), 2, 1), []string{"is not the key that this database knows as version"}},
		"none of 1":   {c.environ(2, 3), []string{"key version 1 is missing", "55 sealed values need it"}},
		"none of 2":   {c.environ(1), []string{"key version 2 is missing", "it is the active one"}},
		"and a new 4": {append(c.environ(2, 4), "FLUXBASE_SECRET_KEY="+hex.EncodeToString(keyOf(7))), []string{"key version 1 ", "nothing has been changed"}},
	})
	r := c.begin(right, "secrets", "re-encrypt", "--from-version", "1", "--to-version", "2")
	if !r.over(time.Minute) || r.err != nil {
		t.Errorf("control: %v: %s", r.err, r.output.String())
	}

	// A generated key is under a configured one, and nothing else is.
	if r = c.begin(right, "secrets", "rotate"); !r.over(time.Minute) || r.err != nil {
		t.Fatalf("%v: %s", r.err, r.output.String())
	}
	c.refuses(t, map[string]refusal{
		"of a key":      {swap(right, 3, 9), []string{"key version 3 ", "is not the key that this database knows as version 3", "4", "nothing has been changed"}},
		"none of a key": {c.environ(1, 2), []string{"key version 4 is missing", "wrapped by local under 3"}},
	})
}

// swap puts the key of another version in the place of one.
func swap(environ []string, version, other uint32) []string {
	changed := slices.Clone(environ)
	keys := &changed[len(changed)-1]
	*keys = strings.ReplaceAll(*keys, hex.EncodeToString(keyOf(version)), hex.EncodeToString(keyOf(other)))
	return changed
}

// refusal is what programs say in an environment.
type refusal struct {
	environ []string
	words   []string
}

// refuses starts the server and every command that needs keys.
func (c *cluster) refuses(t *testing.T, refusals map[string]refusal) {
	t.Helper()
	value := filepath.Join(c.options.Dir, "value")
	if err := os.WriteFile(value, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, with := range refusals {
		before := c.contents()
		for _, args := range [][]string{
			{"fluxbase", "serve", "--address", "127.0.0.1:0"},
			{"fluxbase-cli", "secrets", "re-encrypt", "--from-version", "1", "--to-version", "2"},
			{"fluxbase-cli", "secrets", "rollback", "--to-version", "1", "--reason", "the test"},
			{"fluxbase-cli", "secrets", "rotate"},
			{"fluxbase-cli", "secrets", "set", "NAME", "--file", value},
			{"fluxbase-cli", "secrets", "audit", "--key-version", "1"},
		} {
			r := c.beginProgram(args[0], with.environ, args[1:]...)
			if !r.over(20*time.Second) || r.cmd.ProcessState.ExitCode() != 1 {
				t.Errorf("%s: %s does not stop: %s", name, args, r.output.String())
				continue
			}
			for _, word := range with.words {
				if !strings.Contains(r.output.String(), word) {
					t.Errorf("%s: %s does not say %q: %s", name, args, word, r.output.String())
				}
			}
		}
		if after := c.contents(); after != before {
			t.Errorf("%s: something has changed:\n%s\n%s", name, before, after)
		}
	}
}
