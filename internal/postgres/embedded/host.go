package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
)

// host is what a cluster depends on outside its options.
type host struct {
	stateRoot string   // where root keeps what its account cannot reach elsewhere
	accounts  []string // that root may run the server as, best first
	programs  []string // patterns of folders with the server's programs
	path      bool     // also look for the programs on PATH
}

func thisHost() host {
	return host{
		stateRoot: "/var/lib/fluxbase",
		accounts:  []string{"fluxbase", "postgres", "nobody"},
		programs: []string{
			"/usr/lib/postgresql/*/bin",
			"/usr/pgsql-*/bin",
			"/opt/homebrew/opt/postgresql@*/bin",
			"/usr/local/opt/postgresql@*/bin",
		},
		path: true,
	}
}

// account is the user that root runs the server as; a nil account stands for
// the user of this process.
type account struct {
	name string
	uid  int
	gid  int
}

func (a *account) String() string {
	if a == nil {
		return "this user"
	}
	return "user " + a.name
}

// give hands a file that this process has just made to the account.
func (a *account) give(path string) error {
	if a == nil {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

// giveTree is give for a folder and all below it.
func (a *account) giveTree(dir string) error {
	return walkRoot(dir, func(root *os.Root, path string, _ fs.DirEntry) error {
		return root.Lchown(path, a.uid, a.gid)
	})
}

// walkRoot visits a folder and all below it; no link leads the visit outside.
func walkRoot(dir string, visit func(root *os.Root, path string, entry fs.DirEntry) error) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return visit(root, path, entry)
	})
}

// account picks who the server runs as: PostgreSQL refuses user 0, and data
// that exists stays with its owner.
func (h host) account(data string) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // documented at account
	}
	if info, err := os.Lstat(data); err == nil {
		if uid, gid := ownerOf(info); uid > 0 {
			return &account{name: strconv.Itoa(uid), uid: uid, gid: gid}, nil
		}
	}
	for _, name := range h.accounts {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(found.Uid)
		if err != nil || uid == 0 {
			continue
		}
		gid, err := strconv.Atoi(found.Gid)
		if err != nil {
			return nil, fmt.Errorf("read the group of user %s: %w", name, err)
		}
		return &account{name: name, uid: uid, gid: gid}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root: " +
		"make an account for it (useradd --system fluxbase), or start as an ordinary user")
}
