// Package script_test drives the built programs, as a person at a terminal
// would: one script for each story, and one for each weakness that must not
// come back. A script begins with what it is about.
//
// Besides the commands of testscript there are:
//
//	server NAME [VAR=value...] [flag...]   run "fluxbase dev" and wait for it; sets NAME_URL, NAME_CLIENT_KEY,
//	                                       NAME_SERVICE_KEY, NAME_DATABASE_URL and NAME_DATA (the folder)
//	serve NAME [VAR=value...] [flag...]    run "fluxbase serve" and wait for it; sets NAME_URL
//	end NAME, kill9 NAME                   end it, in good order or not (stop is taken: it ends the script)
//	killpg9 NAME                           kill -9 for its PostgreSQL
//	restart NAME                           end it in good order if it runs, and run it again as before
//	[!] http METHOD URL [-H 'k: v'] [-d body]   the body of the answer becomes stdout; ! expects no answer
//	status CODE                            of the last answer
//	[!] header REGEXP                      a line "Name: value" of the last answer
//	await DURATION CODE METHOD URL ...     repeat until that status; later is a failure
//	json PATH VAR                          a value out of the JSON on stdout ("items.0.id") into the environment
//	[!] same TEXT TEXT                     whether two texts are the same
//	signup NAME PERSON, signin NAME PERSON as person@example.com; sets PERSON_ID, _SESSION, _ACCESS and _REFRESH
//	forge VAR TOKEN HEADER SIGNATURE [claim=JSON...]   a token with another header, claims and signature
//	                                       (keep, empty, or hmac:KEY)
//	[!] sql NAME STATEMENTS|FILE.sql       as the owner of the database; rows become stdout, an error stderr
//
// The log of a server is in $WORK/NAME.log.
package script_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	// What go test remembers of these tests must end when the programs change,
	// which it notices by what the tests import and not by what they build.
	_ "github.com/fluxbase/fluxbase/internal/cli"
	_ "github.com/fluxbase/fluxbase/internal/cli/operator"
)

// place is the folder of everything here. PostgreSQL's own account can pass it.
var place string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if place, err = os.MkdirTemp("", "fluxbase-script-"); err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(place) }()
	if err := os.Chmod(place, 0o711); err != nil {
		panic(err)
	}
	for _, program := range []string{"fluxbase", "fluxbase-cli"} {
		if _, err := os.ReadFile(filepath.Join("..", "..", "cmd", program, "main.go")); err != nil { // see the imports
			panic(err)
		}
	}
	tools, err := filepath.Abs(filepath.Join("..", "..", "tools")) // where the programs look for a PostgreSQL of last resort
	if err == nil {
		err = os.Symlink(tools, filepath.Join(place, "tools"))
	}
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(place, "bin")+string(filepath.Separator), "../../cmd/...")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "building the programs: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// program is the path of one of the built programs.
func program(name string) string { return filepath.Join(place, "bin", name) }

// environment is what programs see: nothing of who runs the tests.
func environment(path string) []string {
	return []string{"BIN=" + filepath.Join(place, "bin"), "PATH=" + filepath.Join(place, "bin") + string(filepath.ListSeparator) + path, "FLUXBASE_AUTH_BCRYPT_COST=4"}
}

// folder makes a folder of a test's own that PostgreSQL's account can pass.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(place, "") //nolint:usetesting // t.TempDir is below a folder that only this user can enter
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestScripts(t *testing.T) {
	t.Parallel()
	root := folder(t)
	testscript.Run(t, testscript.Params{
		Dir:                ".",
		WorkdirRoot:        root,
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Vars = append(env.Vars, environment(os.Getenv("PATH"))...)
			s := &state{environ: append([]string{}, env.Vars...), servers: map[string]*process{}}
			env.Values[stateKey{}] = s
			env.Defer(s.end)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"server":  serverCmd,
			"serve":   serveCmd,
			"end":     endCmd,
			"kill9":   kill9Cmd,
			"killpg9": killpg9Cmd,
			"restart": restartCmd,
			"http":    httpCmd,
			"status":  statusCmd,
			"header":  headerCmd,
			"await":   awaitCmd,
			"json":    jsonCmd,
			"same":    sameCmd,
			"signup":  signupCmd,
			"signin":  signinCmd,
			"forge":   forgeCmd,
			"sql":     sqlCmd,
		},
	})
}
