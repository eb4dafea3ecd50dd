package operator_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/cli"
	"github.com/fluxbase/fluxbase/internal/cli/operator"
)

// TestFailedRun prints what a run has done that did not succeed: no mark says
// that anything is well.
func TestFailedRun(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":"01000000-0000-7000-8000-000000000001","kind":"re-encrypt","state":"failed","scanned":3,"re_encrypted":2,"failed":1,"error":"says the test"}`)
	}))
	defer server.Close()
	var stdout, stderr bytes.Buffer
	status := cli.Execute(operator.Root(), []string{"secrets", "re-encrypt", "--from-version", "1", "--to-version", "2", "--url", server.URL, "--service-key", "x"}, &stdout, &stderr)
	if status != 1 || strings.Contains(stdout.String(), "✓") || !strings.Contains(stdout.String(), "✗ Left 1 secret") || !strings.Contains(stderr.String(), "says the test") {
		t.Errorf("%d\n%s\n%s", status, &stdout, &stderr)
	}
}

// TestMissingVersions says which flag it is.
func TestMissingVersions(t *testing.T) {
	t.Parallel()
	for args, because := range map[string]string{
		"re-encrypt --from-version 1":                "--to-version N is missing",
		"re-encrypt --to-version 1":                  "--from-version N is missing",
		"rollback --reason x":                        "--to-version N is missing",
		"rollback --to-version 0 --reason x":         "--to-version 0: key versions are numbers from 1",
		"rollback --to-version 1":                    "--reason TEXT is missing",
		"re-encrypt --from-version 0 --to-version 1": "--from-version 0: key versions",
	} {
		run(t, "", append([]string{"secrets"}, strings.Fields(args)...)...).refused(t, args, because)
	}
}
