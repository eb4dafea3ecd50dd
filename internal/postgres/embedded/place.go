package embedded

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ownBase is the folder "postgres" of the data directory. A folder of another
// user is refused: root must not write where somebody else may place links.
func ownBase(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("no data directory is set")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the data directory: %w", err)
	}
	if err := makeDirs(filepath.Join(dir, "postgres")); err != nil {
		return "", fmt.Errorf("make the data directory: %w", err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", fmt.Errorf("find the data directory: %w", err)
	}
	base := filepath.Join(dir, "postgres")
	info, err := os.Lstat(base)
	if err != nil {
		return "", fmt.Errorf("find the data directory: %w", err)
	}
	if uid, _ := ownerOf(info); !info.IsDir() || uid != os.Geteuid() {
		return "", fmt.Errorf("%s belongs to user %d: start as that user, or remove it to start empty", base, uid)
	}
	return base, nil
}

// makeDirs is MkdirAll whatever the umask. Folders made by root let other
// users pass, not look: the server's account needs the way through.
func makeDirs(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := makeDirs(filepath.Dir(dir)); err != nil {
		return err
	}
	mode := fs.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711
	}
	if err := os.Mkdir(dir, mode); errors.Is(err, fs.ErrExist) {
		return nil
	} else if err != nil {
		return err
	}
	return os.Chmod(dir, mode)
}

// recordedHome is the folder that base's file "location" names, else base. One
// that is gone is an error: an empty database in its stead would look like
// loss.
func (h host) recordedHome(base string) (home string, recorded bool, err error) {
	file := filepath.Join(base, "location")
	text, err := os.ReadFile(file) //nolint:gosec // a file of ours
	if errors.Is(err, fs.ErrNotExist) {
		return base, false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read where the data is: %w", err)
	}
	home = strings.TrimSpace(string(text))
	if filepath.Dir(home) != h.stateRoot {
		return "", false, fmt.Errorf("%s names a folder outside %s", file, h.stateRoot)
	}
	if _, err := os.Stat(home); err != nil { //nolint:gosec // below the state root, as was just checked
		return "", false, fmt.Errorf("find the data (to start empty, remove %s): %w", file, err)
	}
	return home, true, nil
}

// relocate makes a home below the state root and records it in base. A home
// that is not recorded belonged to a data directory that was removed since, so
// it is left alone and another name taken.
func (h host) relocate(base string) (string, error) {
	if err := makeDirs(h.stateRoot); err != nil {
		return "", fmt.Errorf("make a folder for the data: %w", err)
	}
	prefix := filepath.Join(h.stateRoot, shortHash(base))
	home := prefix
	for n := 2; ; n++ {
		err := os.Mkdir(home, 0o711) //nolint:gosec // the account has to pass
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("make a folder for the data: %w", err)
		}
		home = prefix + "-" + strconv.Itoa(n)
	}
	if err := os.Chmod(home, 0o711); err != nil { //nolint:gosec // whatever the umask
		return "", fmt.Errorf("make a folder for the data: %w", err)
	}
	file := filepath.Join(base, "location")
	if err := replaceFile(file, home+"\n", os.Link); err == nil {
		return home, nil
	} else if !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("record where the data is: %w", err)
	}
	_ = os.Remove(home) // another process was first
	home, _, err := h.recordedHome(base)
	return home, err
}

func shortHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}
