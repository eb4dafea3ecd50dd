package script_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// secrets sets and gets secrets through servers.
type secrets struct {
	*cluster

	key  string
	file string
}

func (c *cluster) secrets(environ []string) *secrets {
	c.t.Helper()
	return &secrets{c, c.serviceKey(environ), filepath.Join(c.options.Dir, "value")}
}

func (s *secrets) through(p *process, args ...string) *command {
	s.t.Helper()
	environ := append(environment(os.Getenv("PATH")), "FLUXBASE_URL="+p.ready.APIURL, "FLUXBASE_SERVICE_KEY="+s.key)
	r := s.begin(environ, append([]string{"secrets"}, args...)...)
	if !r.over(time.Minute) {
		s.t.Fatalf("%s does not end", args)
	}
	return r
}

// set sets a secret, and returns the key version that it is sealed under.
func (s *secrets) set(p *process, name string) int {
	s.t.Helper()
	if err := os.WriteFile(s.file, []byte("the value of "+name), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if r := s.through(p, "set", name, "--file", s.file); r.err != nil {
		s.t.Errorf("setting %s: %v: %s", name, r.err, r.output.String())
	}
	return s.count(`select v.key_version from auth.sealed_values v join auth.secret_versions n on n.sealed_id = v.id
		join auth.secrets s on s.id = n.secret_id where s.name = '` + name + `'`)
}

func (s *secrets) get(name string, servers ...*process) {
	s.t.Helper()
	for _, p := range servers {
		if r := s.through(p, "get", name); r.err != nil || strings.TrimSpace(r.output.String()) != "the value of "+name {
			s.t.Errorf("%s is %q, %v", name, r.output.String(), r.err)
		}
	}
}

func (c *cluster) state(version int) string {
	c.t.Helper()
	return c.ask(`select state from auth.encryption_keys where version = ` + strconv.Itoa(version))
}

// TestServerWithoutTheKey runs a server of an old configuration beside one that
// has a new key and asks for it: the new key does not become active, and both
// read and write everything, until the old one ends.
func TestServerWithoutTheKey(t *testing.T) {
	t.Parallel()
	c := newCluster(t, map[string]string{"fsync": "off"})
	old := c.serve("old", c.environ(1)...)
	renewed := c.serve("renewed", append(c.environ(1, 2), "FLUXBASE_SECURITY_ENCRYPTION_ACTIVE_KEY_VERSION=2")...)
	s := c.secrets(c.environ(1, 2))
	for i, p := range []*process{old, renewed, old, renewed} {
		name := fmt.Sprint("EARLY_", i)
		if version := s.set(p, name); version != 1 {
			t.Errorf("%s is under version %d", name, version)
		}
		s.get(name, old, renewed)
		time.Sleep(1500 * time.Millisecond) // longer than a beat in all
	}
	if state := c.state(2); state != "standby" {
		t.Errorf("version 2 is %s", state)
	}
	r := c.begin(c.environ(1, 2), "secrets", "re-encrypt", "--from-version", "1", "--to-version", "2")
	if !r.over(time.Minute) || r.err == nil || !strings.Contains(r.output.String(), "Version 2 is standby") {
		t.Errorf("%v: %s", r.err, r.output.String())
	}

	if err := old.stop(); err != nil {
		t.Fatal(err)
	}
	within(t, 20*time.Second, "version 2 is active", func() bool { return c.state(2) == "active" })
	if version := s.set(renewed, "LATE"); version != 2 {
		t.Errorf("LATE is under version %d", version)
	}
	for i := range 4 {
		s.get(fmt.Sprint("EARLY_", i), renewed)
	}
	s.get("LATE", renewed)
	again := c.beginProgram("fluxbase", c.environ(1), "serve", "--address", "127.0.0.1:0")
	if !again.over(20*time.Second) || !strings.Contains(again.output.String(), "key version 2 is missing") {
		t.Errorf("the old configuration starts: %s", again.output.String())
	}
}

// TestRotationForEveryServer rotates beside a server that lacks the newest
// configured key: nothing is wrapped under that one, and every server can read
// what is sealed under the key that is made.
func TestRotationForEveryServer(t *testing.T) {
	t.Parallel()
	c := newCluster(t, map[string]string{"fsync": "off"})
	old := c.serve("old", c.environ(1)...)
	renewed := c.serve("renewed", c.environ(1, 2)...)
	s := c.secrets(c.environ(1, 2))
	s.set(old, "EARLY")
	r := c.begin(c.environ(1, 2), "secrets", "rotate")
	if !r.over(time.Minute) || r.err != nil && !strings.Contains(r.output.String(), fmt.Sprintf("process %d", old.cmd.Process.Pid)) {
		t.Errorf("%v: %s", r.err, r.output.String())
	}
	within(t, 60*time.Second, "the rotation is over", func() bool {
		return c.ask(`select state || ' ' || kind from auth.encryption_runs`) == "succeeded rotation"
	})
	if key := c.ask(`select version || ' under ' || wrapping_key from auth.encryption_keys where state = 'active'`); key != "3 under 1" {
		t.Errorf("active is %s", key)
	}
	s.get("EARLY", old, renewed)
	if n := c.count(`select count(*) from auth.sealed_values where key_version <> 3`); n != 0 {
		t.Errorf("%d values are left", n)
	}
}
