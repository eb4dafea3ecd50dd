package leaktest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// put writes a folder as tests leave it: logs by name, and the secrets of process 1.
func put(t *testing.T, secrets map[string]string, logs map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	var text strings.Builder
	for secret, kind := range secrets {
		fmt.Fprintf(&text, "%s\t%q\n", kind, secret)
	}
	logs["1"+secretsSuffix] = text.String()
	for name, content := range logs {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

const (
	opaque = "Zm9vYmFyYmF6cXV4LWEtcmFuZG9tLXRva2VuLW9mLXNvcnRz"
	jwt    = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJodW50ZXIyaHVudGVyMmh1bnRlcjIifQ.c2lnbmF0dXJlLXNpZ25hdHVyZS1zaWduYXR1cmU"
)

var planted = map[string]string{
	opaque: RefreshToken, jwt: AccessToken, `pass "word" <größe>`: Password, "someone@example.com": Address, "postgres://u:p%40ss@db/x": DatabaseURL, "493817": Code,
}

// TestEverySecretIsFound in the forms in which logs have it, whole and cut; and
// with its file, line and kind.
func TestEverySecretIsFound(t *testing.T) {
	t.Parallel()
	for line, kind := range map[string]string{
		`{"msg":"request","detail":"` + opaque + `"}`:                    RefreshToken,
		`msg="asked ` + opaque[:len(opaque)-10] + `..."`:                 RefreshToken,
		`msg=m error="` + opaque[9:] + `"`:                               RefreshToken,
		`msg=m authorization="Bearer ` + jwt + `"`:                       AccessToken,
		`msg=m claims=` + strings.Split(jwt, ".")[1]:                     AccessToken,
		`msg=m signature=` + strings.Split(jwt, ".")[2][4:]:              AccessToken,
		`pass "word" <größe>`:                                            Password,
		`{"error":"pass \"word\" <größe>"}`:                              Password,
		`msg=m url="https://x/?p=pass+%22word%22+%3Cgr%C3%B6%C3%9Fe%3E"`: Password,
		`level=ERROR msg="mail to someone@example.com: refused"`:         Address,
		`{"error":"dial postgres://u:p%40ss@db/x: refused"}`:             DatabaseURL,
		`msg=m code=493817`:                                              Code,
		`{"code":493817}`:                                                Code,
		`msg="the code 493817 is wrong"`:                                 Code,
	} {
		const innocent = "msg=request status=200 bytes=493817 duration=1.493817ms time=2026-01-02T03:04:05.493817Z id=019f0000-4938-7000-8000-493817493817\n"
		folder := put(t, planted, map[string]string{"1" + logSuffix: innocent + line + "\n" + innocent})
		found, err := Scan(folder)
		if err != nil || found.Lines != 3 || len(found.Leaks) != 1 {
			t.Errorf("%s: %+v, %v", line, found, err)
			continue
		}
		if l := found.Leaks[0]; l.Kind != kind || l.Line != 2 || filepath.Base(l.File) != "1.log" || l.Text != line {
			t.Errorf("%s: %+v", line, l)
		}
	}
}

// TestWhatIsNoSecret is not found: the header of tokens, ids, other numbers, and
// codes of other processes.
func TestWhatIsNoSecret(t *testing.T) {
	t.Parallel()
	text := strings.Join([]string{
		"msg=m header=" + strings.Split(jwt, ".")[0], "msg=m n=1493817 m=493817.5 d=493817ms bytes=493817", `{"bytes":493817}`, "someone@example.org", opaque[:15], "",
	}, "\n")
	found, err := Scan(put(t, planted, map[string]string{"1" + logSuffix: text, "program-1-1" + logSuffix: text, "2" + logSuffix: "code=493817\n"}))
	if err != nil || len(found.Leaks) != 0 || found.Files != 3 {
		t.Errorf("%+v, %v", found, err)
	}
	found, err = Scan(put(t, planted, map[string]string{"program-1-7" + logSuffix: "code=493817\n"}))
	if err != nil || len(found.Leaks) != 1 {
		t.Errorf("control: %+v, %v", found, err)
	}
	for text, kind := range map[string]string{"short": Password, "a@b.c": Address, "no address here": Address, "01977e5c-0000-7000-8000-000000000000": Flow, "12345": Code, "invalid_credentials": Code, strings.Repeat("x", 80): Password} {
		if !tooCommon(kind, text) {
			t.Errorf("%s %q is looked for", kind, text)
		}
	}
}

// TestNoSecretIsLogged comes after the tests of all packages, and looks through all
// that they have logged. That they have used secrets of every kind, and logged, and
// that what they used would be found, is looked at too.
func TestNoSecretIsLogged(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("SECRETS_ALL")
	if folder == "" {
		t.Skip("scripts/test-go runs it, after all others")
	}
	found, err := Scan(folder)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range found.Leaks {
		if i < 50 {
			t.Error(l)
		}
	}
	t.Logf("%d leaks in %d lines of %d files; secrets: %v", len(found.Leaks), found.Lines, found.Files, found.Kinds)
	programs, _ := filepath.Glob(filepath.Join(folder, "program-*"))
	if found.Lines < 10_000 || len(programs) < 10 {
		t.Errorf("control: %d lines, %d logs of programs", found.Lines, len(programs))
	}
	for _, kind := range []string{
		Password, AccessToken, RefreshToken, Token, Code, RecoveryCode, Flow, Seed, Key, WebhookSecret, Sealed, DatabaseURL, Address, Credential,
	} {
		if found.Kinds[kind] == 0 {
			t.Errorf("control: no test has used a %s", kind)
		}
	}
	plantEach(t, folder)
}

// plantEach logs one secret of each kind that the tests have used.
func plantEach(t *testing.T, folder string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*"+secretsSuffix))
	if err != nil {
		t.Fatal(err)
	}
	copied, kinds := t.TempDir(), map[string]bool{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(copied, filepath.Base(file)), content, 0o600); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(content)) {
			kind, secret, _ := strings.Cut(strings.TrimSpace(line), "\t")
			if kinds[kind] {
				continue
			}
			kinds[kind] = true
			name := strings.Replace(filepath.Base(file), secretsSuffix, logSuffix, 1)
			f, err := os.OpenFile(filepath.Join(copied, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fmt.Fprintf(f, "level=INFO msg=planted %s=%s\n", strings.ReplaceAll(kind, " ", "_"), secret); err != nil {
				t.Fatal(err)
			}
			_ = f.Close()
		}
	}
	found, err := Scan(copied)
	if err != nil || len(found.Leaks) != len(kinds) {
		t.Errorf("control: %d kinds planted, %d found: %v, %v", len(kinds), len(found.Leaks), found.Leaks, err)
	}
}
