package script_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/keyring/kmstest"
	"github.com/fluxbase/fluxbase/internal/postgres/embedded"
	"github.com/fluxbase/fluxbase/internal/postgres/migrate"
)

// TestRunbook runs docs/operations/key-rotation.md from top to bottom: files are
// written as they stand there, commands are given to one shell, and what they
// print is held against what the page prints, times aside.
func TestRunbook(t *testing.T) {
	t.Parallel()
	if ran := newBook(t).read(t, "operations", "key-rotation.md"); ran < 30 {
		t.Errorf("%d blocks were followed; the page was read wrong", ran)
	}
}

// TestSecretsPage runs docs/secrets.md beside a server.
func TestSecretsPage(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	b.run(t, "before", fence{text: `
export FLUXBASE_SECRET_KEY=$(openssl rand -hex 32) FLUXBASE_DATABASE_URL=$DATABASE_URL
export FLUXBASE_PUBLIC_URL=https://api.example.com
echo a key > server.key
systemctl restart fluxbase`})
	if ran := b.read(t, "secrets.md"); ran < 2 {
		t.Errorf("%d blocks were followed; the page was read wrong", ran)
	}
	if left := b.ask(t, "fluxbase-cli secrets list | wc -l"); left != "2" { // the heading, and TLS_KEY
		t.Errorf("%s lines of secrets", left)
	}
}

// TestDataPage runs docs/data-api.md as somebody who has signed up.
func TestDataPage(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	b.run(t, "before", fence{text: `
export FLUXBASE_SECRET_KEY=$(openssl rand -hex 32) FLUXBASE_DATABASE_URL=$DATABASE_URL FLUXBASE_AUTH_EMAIL_VERIFICATION=off
export FLUXBASE_PUBLIC_URL=https://api.example.com FLUXBASE_DATA_AGGREGATES=true
systemctl restart fluxbase
server=http://$(grep -o '"address":"[^"]*"' server.log | head -1 | cut -d'"' -f4)
TOKEN=$(curl -sS $server/api/v1/auth/signup -H 'Content-Type: application/json' \
  -d '{"email":"carol@example.com","password":"correct horse battery"}' | grep -o '"access_token":"[^"]*"' | cut -d'"' -f4)
API=$server/api/v1/tables`})
	if ran := b.read(t, "data-api.md"); ran < 9 {
		t.Errorf("%d blocks were followed; the page was read wrong", ran)
	}
}

// TestKeysPage runs docs/keys.md as somebody who has signed up.
func TestKeysPage(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	b.run(t, "before", fence{text: `
export FLUXBASE_SECRET_KEY=$(openssl rand -hex 32) FLUXBASE_DATABASE_URL=$DATABASE_URL FLUXBASE_AUTH_EMAIL_VERIFICATION=off
export FLUXBASE_PUBLIC_URL=https://api.example.com
mkdir -p migrations
cat > migrations/00001_todos.sql <<'SQL'
-- +goose Up
create table todos (id bigint generated always as identity primary key, owner uuid not null default auth.uid(), title text not null);
alter table todos enable row level security;
create policy own on todos using (owner = (select auth.uid()));
SQL
systemctl restart fluxbase
API=http://$(grep -o '"address":"[^"]*"' server.log | head -1 | cut -d'"' -f4)
TOKEN=$(curl -sS $API/api/v1/auth/signup -H 'Content-Type: application/json' \
  -d '{"email":"carol@example.com","password":"correct horse battery"}' | grep -o '"access_token":"[^"]*"' | cut -d'"' -f4)
curl -sS $API/api/v1/tables/todos -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"title":"Read about keys"}'`})
	if ran := b.read(t, "keys.md"); ran < 6 {
		t.Errorf("%d blocks were followed; the page was read wrong", ran)
	}
	if left := b.ask(t, "fluxbase-cli keys list --kind client | wc -l"); left != "4" { // the heading, website, app and what it was rotated into
		t.Errorf("%s lines of keys", left)
	}
}

// read follows a page of docs from top to bottom and returns how many blocks
// that were.
func (b *book) read(t *testing.T, path ...string) int {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(append([]string{"..", "..", "docs"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, s := range sections(string(page)) {
		if why := b.lacks(s); why != "" {
			t.Logf("%s: left out: %s", s.title, why)
			break // what follows builds on it
		}
		for _, f := range s.fences {
			b.follow(t, s.title, f)
			ran++
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	return ran
}

// section is a part of a page with a heading of its own.
type section struct {
	title  string
	fences []fence
}

// fence is a block of a page.
type fence struct {
	kind  string // sh, yaml, text
	file  string // what a yaml block is the content of
	text  string
	place int // its line
}

var fileLine = regexp.MustCompile("^`([^`]+)`:$")

func sections(page string) []section {
	var all []section
	var open *fence
	var file string
	for i, line := range strings.Split(page, "\n") {
		switch {
		case open != nil && line == "```":
			last := &all[len(all)-1]
			last.fences = append(last.fences, *open)
			open, file = nil, ""
		case open != nil:
			open.text += line + "\n"
		case strings.HasPrefix(line, "```"):
			open = &fence{kind: strings.TrimPrefix(line, "```"), file: file, place: i + 2}
		case strings.HasPrefix(line, "#"):
			all = append(all, section{title: strings.TrimLeft(line, "# ")})
		case fileLine.MatchString(line):
			file = fileLine.FindStringSubmatch(line)[1]
		}
	}
	return all
}

// book is a shell in which a page is followed.
type book struct {
	dir    string
	stdin  io.Writer
	stdout *bufio.Reader
	last   string // what the last commands printed
	vault  bool
}

// systemctl stands for the process manager.
const systemctl = `#!/bin/sh
# systemctl restart|stop fluxbase
if [ -f server.pid ]; then
  kill "$(cat server.pid)" 2>/dev/null
  n=0
  while kill -0 "$(cat server.pid)" 2>/dev/null; do
    n=$((n + 1)); [ $n -gt 300 ] && { echo "the server does not end" >&2; exit 1; }
    sleep 0.1
  done
  rm server.pid
fi
[ "$1" = stop ] && exit 0
: > server.log
fluxbase serve > /dev/null 2> server.log < /dev/null &
echo $! > server.pid
n=0
until grep -q '"msg":"serving"' server.log; do
  n=$((n + 1))
  [ $n -gt 300 ] && { echo "the server does not start" >&2; exit 1; }
  kill -0 "$(cat server.pid)" 2>/dev/null || { cat server.log >&2; exit 1; }
  sleep 0.1
done
`

func newBook(t *testing.T) *book {
	t.Helper()
	b := &book{dir: folder(t)}
	shims := filepath.Join(b.dir, "shims")
	if err := os.Mkdir(shims, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"systemctl": systemctl, "vault": "#!/bin/sh\nexit 0\n"} {
		syscall.ForkLock.RLock() // a child of another test would keep the file busy
		err := os.WriteFile(filepath.Join(shims, name), []byte(text), 0o700)
		syscall.ForkLock.RUnlock()
		if err != nil {
			t.Fatal(err)
		}
	}
	environ := append(environment(os.Getenv("PATH")),
		"DATABASE_URL="+ownCluster(t), "FLUXBASE_SERVER_ADDRESS=127.0.0.1:0", "FLUXBASE_AUTH_BCRYPT_COST=10", "HOME="+b.dir,
		"FLUXBASE_MAIL_SMTP_HOST=mail.example.com", "FLUXBASE_MAIL_FROM=Example <no-reply@example.com>")
	environ = append(environ, "PATH="+shims+string(filepath.ListSeparator)+filepath.Join(place, "bin")+string(filepath.ListSeparator)+os.Getenv("PATH"))
	if _, err := os.Stat(filepath.Join("..", "..", ".cache", "vault")); err == nil {
		v := kmstest.NewVault(t)
		environ = append(environ, "VAULT_ADDR="+v.URL, "VAULT_TOKEN="+v.Token)
		b.vault = true
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	shell := exec.CommandContext(ctx, "sh")
	shell.Env, shell.Dir, shell.Stderr = environ, b.dir, os.Stderr
	stdin, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	b.stdin, b.stdout = stdin, bufio.NewReader(stdout)
	t.Cleanup(func() {
		_, _ = io.WriteString(stdin, "systemctl stop fluxbase\nexit 0\n")
		_ = shell.Wait()
		cancel()
	})
	return b
}

// ownCluster runs a PostgreSQL for a page, and returns the URL of a database in
// it as its owner.
func ownCluster(t *testing.T) string {
	t.Helper()
	bundle, err := filepath.Abs(filepath.Join("..", "..", "tools", "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := embedded.Start(t.Context(), embedded.Options{
		Dir: folder(t), BundleRoots: []string{bundle}, Settings: map[string]string{"synchronous_commit": "off"}, // what the doctor takes
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_ = c.Stop(ctx)
	})
	if err := migrate.Bootstrap(t.Context(), c.AdminURL, "app", "owner", "word"); err != nil {
		t.Fatal(err)
	}
	return c.URL("owner", "word", "app")
}

// lacks says what this machine does not have of what a section needs.
func (b *book) lacks(s section) string {
	for _, f := range s.fences {
		if f.kind != "sh" {
			continue
		}
		for _, program := range []string{"pg_dump", "pg_restore", "psql", "openssl"} {
			if _, err := exec.LookPath(program); err != nil && strings.Contains(f.text, program) {
				return "there is no " + program
			}
		}
		if strings.Contains(f.text, "vault secrets enable") && !b.vault {
			return "there is no Vault; make test builds one"
		}
	}
	return ""
}

func (b *book) follow(t *testing.T, title string, f fence) {
	t.Helper()
	switch f.kind {
	case "yaml":
		if f.file == "" {
			return // an excerpt
		}
		if err := os.WriteFile(filepath.Join(b.dir, f.file), []byte(f.text), 0o600); err != nil {
			t.Fatal(err)
		}
	case "sh":
		b.run(t, title, f)
	case "text":
		if got, want := timeless(b.last), timeless(f.text); got != want {
			t.Errorf("%s, line %d: the page prints\n%s\nand the commands\n%s", title, f.place, want, got)
		}
	default:
		t.Fatalf("line %d: a block of no known kind %q", f.place, f.kind)
	}
}

func (b *book) run(t *testing.T, title string, f fence) {
	t.Helper()
	const mark = "=== the block is over, with "
	if _, err := fmt.Fprintf(b.stdin, "%secho\necho \"%s$?\"\n", strings.TrimSuffix(f.text, "\n")+"\nstatus=$?\n", mark); err != nil {
		t.Fatal(err)
	}
	b.last = ""
	for {
		line, err := b.stdout.ReadString('\n')
		if err != nil {
			t.Fatalf("%s, line %d: the shell ended: %v", title, f.place, err)
		}
		if _, found := strings.CutPrefix(line, mark); found {
			break
		}
		b.last += line
	}
	b.last = strings.TrimSuffix(b.last, "\n")
	if status := b.ask(t, "echo $status"); status != "0" {
		t.Fatalf("%s, line %d: exit status %s after\n%s\n%s", title, f.place, status, f.text, b.last)
	}
}

// ask gives the shell a command that prints one line.
func (b *book) ask(t *testing.T, command string) string {
	t.Helper()
	if _, err := io.WriteString(b.stdin, command+"\n"); err != nil {
		t.Fatal(err)
	}
	line, err := b.stdout.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

var (
	instants  = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	durations = regexp.MustCompile(`Completed in [0-9.a-zµ]+`)
	progress  = regexp.MustCompile(`(?m)^Scanned \d+ of \d+ secrets \(\d+%\)\n`) // on a slow machine
	spaces    = regexp.MustCompile(` +`)
)

// timeless is a text without what differs from run to run.
func timeless(text string) string {
	text = progress.ReplaceAllString(text, "")
	text = instants.ReplaceAllString(text, "INSTANT")
	text = durations.ReplaceAllString(text, "Completed in DURATION")
	return strings.TrimSpace(spaces.ReplaceAllString(text, " "))
}
