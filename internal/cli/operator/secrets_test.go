package operator_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fluxbase/fluxbase/internal/cli"
	"github.com/fluxbase/fluxbase/internal/cli/operator"
)

// marker is a value that must be nowhere but in the body of a request.
const marker = "hunter2"

const tenant = "01000000-0000-7000-8000-000000000000"

// ran is a command line that has ended.
type ran struct {
	status         int
	stdout, stderr string
	requests       []string // method, path and body of each
}

// run runs fluxbase-cli beside a server that agrees with everything.
func run(t *testing.T, stdin string, args ...string) ran {
	t.Helper()
	var r ran
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		mu.Lock()
		defer mu.Unlock()
		r.requests = append(r.requests, fmt.Sprintf("%s %s %s", request.Method, request.URL, body))
		if request.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		_, _ = io.WriteString(w, `{"id":"01000000-0000-7000-8000-000000000001","name":"KEY","version":3,"value":"`+marker+`","items":[],"next_cursor":"KEY"}`)
	}))
	defer server.Close()
	root := operator.Root()
	root.SetIn(strings.NewReader(stdin))
	var stdout, stderr bytes.Buffer
	r.status = cli.Execute(root, append(args, "--url", server.URL, "--service-key", "fb_service_x"), &stdout, &stderr)
	r.stdout, r.stderr = stdout.String(), stderr.String()
	return r
}

// refused expects that a command line is told what is wrong with it, that
// nothing is sent, and that nothing is repeated.
func (r ran) refused(t *testing.T, what, because string) {
	t.Helper()
	if r.status != 1 || len(r.requests) > 0 || r.stdout != "" || !strings.Contains(r.stderr, because) || strings.Contains(r.stderr, marker) {
		t.Errorf("%s: %+v; want %q", what, r, because)
	}
}

func TestValuesAreNotTakenFromTheCommandLine(t *testing.T) {
	t.Parallel()
	for _, args := range []string{
		"KEY hunter2", "KEY=hunter2", "KEY = hunter2", "KEY:hunter2", "KEY -- -hunter2", "hunter2 KEY more", "", "KEY -phunter2", "KEY -hunter2", "KEY -p hunter2",
		"KEY --hunter2", "KEY --value hunter2", "KEY --value=hunter2", "KEY --description", "KEY --expires-in=hunter2", "KEY --expires-in hunter2", "KEY --json=hunter2",
	} {
		run(t, "x", append([]string{"secrets", "set"}, strings.Fields(args)...)...).refused(t, args, "secrets set")
	}
	if r := run(t, marker, "secrets", "set", "KEY"); r.status != 0 || len(r.requests) != 1 || r.stdout != "Set KEY, version 3.\n" || r.stderr != "" ||
		r.requests[0] != `PUT /api/v1/admin/secrets/KEY? {"value":"hunter2"}` {
		t.Errorf("control: %+v", r)
	}
}

func TestExpiryFlag(t *testing.T) {
	t.Parallel()
	for expiry, want := range map[string]string{"1s": `"expires_in":1`, "720h": `"expires_in":2592000`, "1m30s": `"expires_in":90`} {
		if r := run(t, "x", "secrets", "set", "KEY", "--expires-in", expiry); r.status != 0 || !strings.Contains(r.requests[0], want) {
			t.Errorf("%s: %+v", expiry, r)
		}
	}
	for _, expiry := range []string{"0", "0s", "-1h", "999ms", "-1ns"} {
		run(t, "x", "secrets", "set", "KEY", "--expires-in="+expiry).refused(t, expiry, "--expires-in")
	}
}

// TestSubTenantFlag never takes a sub-tenant that is not one, such as a variable
// that is not set, for the whole installation.
func TestSubTenantFlag(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"set KEY", "get KEY", "list", "delete KEY", "delete KEY --purge", "history KEY", "restore KEY", "restore KEY --version 1"} {
		args := append([]string{"secrets"}, strings.Fields(command)...)
		for _, bad := range []string{"", " ", "acme", "01000000000070008000000000000000", tenant + " "} {
			run(t, "x", append(args, "--sub-tenant", bad)...).refused(t, command+" of "+bad, "--sub-tenant")
		}
		r := run(t, "x", append(args, "--sub-tenant", tenant)...)
		if r.status != 0 || len(r.requests) != 1 || !strings.Contains(r.requests[0], "sub_tenant_id="+tenant) {
			t.Errorf("%s: %+v", command, r)
		}
		// What is said about the next command is about the same sub-tenant.
		if strings.Contains(r.stdout, "fluxbase-cli") && !strings.Contains(r.stdout, "--sub-tenant "+tenant) {
			t.Errorf("%s: %s", command, r.stdout)
		}
		if r := run(t, "x", args...); r.status != 0 || len(r.requests) != 1 || strings.Contains(r.requests[0], "sub_tenant_id") {
			t.Errorf("%s: %+v", command, r)
		}
	}
}

// TestDeletionForPrograms is JSON when JSON is asked for.
func TestDeletionForPrograms(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"secrets delete KEY --json":         "{\n  \"name\": \"KEY\",\n  \"purged\": false\n}\n",
		"secrets delete KEY --purge --json": "{\n  \"name\": \"KEY\",\n  \"purged\": true\n}\n",
	} {
		if r := run(t, "", strings.Fields(args)...); r.status != 0 || r.stdout != want || len(r.requests) != 1 {
			t.Errorf("%s: %+v", args, r)
		}
	}
}

// TestUnknownCommands do not look as if they had been done.
func TestUnknownCommands(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"put KEY hunter2", "purge KEY", "remove KEY --json", "hunter2", "KEY=hunter2", "SET KEY"} {
		run(t, "x", append([]string{"secrets"}, strings.Fields(args)...)...).refused(t, args, "no such command")
	}
	for group, has := range map[string]string{"users": "ban, create", "sessions": "list, revoke", "keys": "create, list, revoke", "secrets": "audit, delete"} {
		run(t, "", group, marker).refused(t, group, "fluxbase-cli "+group+" has: "+has)
		run(t, "", group, marker, "--json").refused(t, group, "has: "+has)
		if r := run(t, "", group); r.status != 0 || !strings.Contains(r.stdout, "Available Commands") || len(r.requests) > 0 {
			t.Errorf("%s alone: %+v", group, r)
		}
	}
	if r := run(t, "", "secrets"); r.status != 0 || !strings.Contains(r.stdout, "re-encrypt") || len(r.requests) > 0 {
		t.Errorf("the command alone: %+v", r)
	}
}

// TestValuesAreReadExactly from standard input without the line break at their
// end, and from a file as they are.
func TestValuesAreReadExactly(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 65536)
	for stdin, want := range map[string]string{
		"v": "v", "v\n": "v", "v\r\n": "v", "v\n\n": `v\n`, "v\r": `v\r`, " v ": " v ", "a\nb\n": `a\nb`, "\n\n": `\n`, "a\x00b": `a\u0000b`, "\ufeffv": "\ufeffv",
		long: long, long + "\n": long, long + "\r\n": long,
	} {
		r := run(t, stdin, "secrets", "set", "KEY")
		if r.status != 0 || len(r.requests) != 1 || !strings.HasSuffix(r.requests[0], ` {"value":"`+want+`"}`) {
			t.Errorf("%.80q: %d, %s, %.200q", stdin, r.status, r.stderr, r.requests)
		}
	}
	for stdin, because := range map[string]string{
		"": "empty", "\n": "empty", "\r\n": "empty", long + "x": "longer", long + "\n\n": "longer", strings.Repeat("y", 1<<20): "longer", marker + "\xff": "UTF-8",
	} {
		run(t, stdin, "secrets", "set", "KEY").refused(t, fmt.Sprintf("%.20q", stdin), because)
		file := filepath.Join(t.TempDir(), "value")
		if err := os.WriteFile(file, []byte(strings.TrimRight(stdin, "\r\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		if because != "longer" || len(stdin) > 1<<19 {
			run(t, "unread", "secrets", "set", "KEY", "--file", file).refused(t, fmt.Sprintf("a file of %.20q", stdin), because)
		}
	}
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte("of a file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := run(t, "unread", "secrets", "set", "KEY", "--file", file); r.status != 0 || !strings.HasSuffix(r.requests[0], `{"value":"of a file\r\n"}`) {
		t.Errorf("%+v", r)
	}
	run(t, "unread", "secrets", "set", "KEY", "--file", file+"x").refused(t, "no file", "reading the value")
}
