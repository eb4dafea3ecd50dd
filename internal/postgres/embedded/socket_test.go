//go:build unix

package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestLongPathHasItsSocketElsewhere(t *testing.T) {
	t.Parallel()
	for _, name := range []string{strings.Repeat("long", 25), "one,two"} {
		dir := filepath.Join(openDir(t), name)
		c := begin(t, dir, nil)
		if strings.HasPrefix(c.socket, dir) || c.socket == "" {
			t.Errorf("socket in %q", c.socket)
		}
		socket := c.socket
		if got := ask(t, c.AdminURL("postgres"), "select inet_server_addr() is null"); got != "t" {
			t.Error("the superuser's URL does not use the socket")
		}
		// What a killed server leaves there must not matter, nor may its name change.
		if err := c.cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-c.Done()
		if c = begin(t, dir, nil); c.socket != socket {
			t.Errorf("socket moved from %s to %s", socket, c.socket)
		}
		end(t, c)
		if _, err := os.Stat(socket); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("folder of the socket is left: %v", err)
		}
	}
}

func TestSocketIsNotPutIntoAStrangersFolder(t *testing.T) {
	t.Parallel()
	home, temp := openDir(t), openDir(t)
	s := &site{home: home}
	planted := filepath.Join(temp, "fluxbase-"+shortHash(home))
	if err := os.Mkdir(planted, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(planted, 0o777); err != nil {
		t.Fatal(err)
	}
	dir, err := s.tempSocketDir(t.Context(), temp)
	if err != nil || dir == planted {
		t.Fatalf("socket in %s, %v", dir, err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder of the socket: %v, %v", info, err)
	}
}
