package rotation_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/rotation"
)

// smallDisk is a disk of its own for a table.
type smallDisk struct {
	t   *testing.T
	dir string

	admin, tablespace string // of the cluster that it is a part of
}

// mountSmall mounts a disk. It skips the test where that is not allowed. The
// test makes its database afterwards, so that it goes before the disk does.
func mountSmall(t *testing.T) *smallDisk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a disk can be mounted by root")
	}
	dir, err := os.MkdirTemp("", "fluxbase-disk-") //nolint:usetesting // t.TempDir is below a folder that PostgreSQL's account cannot enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=64m,mode=0711", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("a disk cannot be mounted here: %v: %s", err, out)
	}
	d := &smallDisk{t: t, dir: dir}
	t.Cleanup(d.unmount)
	return d
}

func (d *smallDisk) unmount() {
	if d.tablespace != "" {
		if err := d.do(d.admin, "drop tablespace "+d.tablespace); err != nil {
			d.t.Error(err)
		}
	}
	_ = exec.CommandContext(context.Background(), "umount", "-l", d.dir).Run()
}

// do runs a statement as a superuser.
func (d *smallDisk) do(url, statement string) error {
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.Background()) }()
	_, err = conn.Exec(context.Background(), statement)
	return err
}

// leave makes the disk so small that some bytes are free.
func (d *smallDisk) leave(bytes int64) {
	d.t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(d.dir, &s); err != nil {
		d.t.Fatal(err)
	}
	size := int64(s.Blocks-s.Bfree)*s.Bsize + bytes
	if out, err := exec.CommandContext(d.t.Context(), "mount", "-o", fmt.Sprintf("remount,size=%d", size), d.dir).CombinedOutput(); err != nil {
		d.t.Fatalf("%v: %s", err, out)
	}
}

// hold moves a table to the disk.
func (d *smallDisk) hold(db *pgtest.Database, table string) {
	d.t.Helper()
	conn, err := pgx.Connect(d.t.Context(), db.AdminURL)
	if err != nil {
		d.t.Fatal(err)
	}
	var data string
	if err := conn.QueryRow(d.t.Context(), `show data_directory`).Scan(&data); err != nil {
		d.t.Fatal(err)
	}
	_ = conn.Close(d.t.Context())
	info, err := os.Stat(data)
	if err != nil {
		d.t.Skipf("the files of PostgreSQL are elsewhere: %v", err)
	}
	place := filepath.Join(d.dir, "place")
	if err := os.Mkdir(place, 0o700); err != nil {
		d.t.Fatal(err)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := os.Chown(place, int(stat.Uid), int(stat.Gid)); err != nil {
			d.t.Skipf("PostgreSQL cannot be given a folder: %v", err)
		}
	}
	d.admin, d.tablespace = strings.Replace(db.AdminURL, db.Name, "postgres", 1), "disk_of_"+db.Name
	for _, statement := range []string{
		"create tablespace " + d.tablespace + " location '" + place + "'",
		"alter table " + table + " set tablespace " + d.tablespace,
	} {
		if err := d.do(db.AdminURL, statement); err != nil {
			d.t.Fatalf("%s: %v", statement, err)
		}
	}
}

// TestDiskIsReallyFull has the table of sealed values on a disk that is too
// small for its new contents beside the old ones.
func TestDiskIsReallyFull(t *testing.T) {
	t.Parallel()
	disk := mountSmall(t)
	db := roomy(t)
	p := start(t, db, 0, 1, 2)
	f := &traffic{t: t}
	f.seed(t.Context(), p, 3000)
	disk.hold(db, "auth.sealed_values")
	if err := p.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	reader, err := pgx.Connect(t.Context(), db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Exec(t.Context(), `begin isolation level repeatable read; select count(*) from auth.sealed_values`); err != nil {
		t.Fatal(err) // it may want to see the old contents, which therefore stay
	}
	log := listen(p)
	disk.leave(200 << 10)
	ended := make(chan rotation.Run, 1)
	go func() {
		defer close(ended)
		ended <- p.do(p.reEncrypt(1, 2))
	}()
	until(t, "the disk is full", func() bool { return log.has("No space left on device") })
	until(t, "some values are moved", func() bool { return p.under(2) > 0 })
	if p.under(1) == 0 {
		t.Error("nothing is left")
	}
	f.check(p)
	disk.leave(32 << 20)
	if run := <-ended; run.State != rotation.Succeeded || run.Scanned != 3002 || run.Failed != 0 || run.Attempts != 1 {
		t.Errorf("%s in %d attempts", counts(run), run.Attempts)
	}
	f.check(p)
	_ = reader.Close(t.Context())
}
