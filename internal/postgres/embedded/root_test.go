//go:build unix

package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// closedDir is a folder that only root can enter, like /root.
func closedDir(t *testing.T) string {
	t.Helper()
	dir := openDir(t)
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestRootRunsItAsAnAccount(t *testing.T) {
	t.Parallel()
	needRoot(t)
	h := thisHost()
	h.accounts = []string{"no-such-user", "root", "nobody"}
	c := beginOn(t, h, Options{Dir: openDir(t)})
	info, err := os.Stat(fmt.Sprintf("/proc/%d", c.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	nobody, err := h.account("")
	if err != nil {
		t.Fatal(err)
	}
	if uid, _ := ownerOf(info); uid != nobody.uid || nobody.name != "nobody" {
		t.Errorf("runs as %d, want %s (%d)", uid, nobody.name, nobody.uid)
	}
	end(t, c)
	// Later it stays with the owner, also when the data came back as root's.
	if again := beginOn(t, thisHost(), Options{Dir: filepath.Dir(filepath.Dir(c.data))}); again.AdminURL("x") != c.AdminURL("x") {
		t.Errorf("%s became %s", c.AdminURL("x"), again.AdminURL("x"))
	} else {
		end(t, again)
	}
	if err := exec.CommandContext(t.Context(), "chown", "-R", "root:root", c.data).Run(); err != nil {
		t.Fatal(err)
	}
	beginOn(t, thisHost(), Options{Dir: filepath.Dir(filepath.Dir(c.data))})
}

func TestRootWithoutAnAccount(t *testing.T) {
	t.Parallel()
	needRoot(t)
	h := thisHost()
	h.accounts = []string{"no-such-user"}
	if _, err := start(t.Context(), Options{Dir: openDir(t)}, h); err == nil || !strings.Contains(err.Error(), "useradd") {
		t.Errorf("error is %v", err)
	}
}

func TestUnreachableDataIsKeptElsewhere(t *testing.T) {
	t.Parallel()
	needRoot(t)
	h := thisHost()
	h.stateRoot = filepath.Join(openDir(t), "state")
	dir := closedDir(t)
	c := beginOn(t, h, Options{Dir: dir})
	home := filepath.Dir(c.data)
	if filepath.Dir(home) != h.stateRoot {
		t.Fatalf("the data is in %s", c.data)
	}
	ask(t, c.AdminURL("postgres"), "create table kept ()")
	if _, err := start(t.Context(), Options{Dir: dir}, h); !errors.Is(err, ErrInUse) {
		t.Errorf("a second start: %v", err)
	}
	end(t, c)
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the user's folder was changed: %v, %v", info, err)
	}
	c = beginOn(t, h, Options{Dir: dir})
	ask(t, c.AdminURL("postgres"), "select from kept")
	end(t, c)

	// Without its record, the old data is nobody's: it is neither used nor lost.
	if err := os.RemoveAll(filepath.Join(dir, "postgres")); err != nil {
		t.Fatal(err)
	}
	c = beginOn(t, h, Options{Dir: dir})
	if filepath.Dir(c.data) == home {
		t.Errorf("an empty data directory has the data of another: %s", home)
	}
	end(t, c)
	if err := os.RemoveAll(h.stateRoot); err != nil {
		t.Fatal(err)
	}
	if _, err := start(t.Context(), Options{Dir: dir}, h); err == nil || !strings.Contains(err.Error(), "to start empty, remove") {
		t.Errorf("the data is gone, and the error is %v", err)
	}
}

func TestRecordedLocationCannotPointAnywhere(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	base := filepath.Join(dir, "postgres")
	if err := makeDirs(base); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(base, "location"), []byte("/var/lib/fluxbase/../other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "outside") {
		t.Errorf("error is %v", err)
	}
}

func TestUnreachableBundleIsCopied(t *testing.T) {
	t.Parallel()
	needRoot(t)
	h := host{accounts: thisHost().accounts, stateRoot: filepath.Join(openDir(t), "state")}
	root := closedDir(t)
	pack, version := bundleOf(t, root)
	c := beginOn(t, h, Options{Dir: openDir(t), BundleRoots: []string{root}})
	if want := filepath.Join(h.stateRoot, "bundle-"+version+".0-beta.1", "native", "bin"); c.bin != want {
		t.Errorf("runs from %s, want %s", c.bin, want)
	}
	if _, err := h.bundle(t.Context(), pack, 0, targetAccount(t)); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

func TestFolderOfAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := openDir(t)
	base := filepath.Join(dir, "postgres")
	if err := makeDirs(base); err != nil {
		t.Fatal(err)
	}
	if err := targetAccount(t).give(base); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(context.Background(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "start as that user") {
		t.Errorf("error is %v", err)
	}
}
