package embedded

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRestartKeepsRowsAndURLs(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(openDir(t), "data", "of fluxbase")
	first := begin(t, dir, nil)
	ask(t, first.AdminURL("postgres"), "create table kept as select 'row' as v")
	ask(t, first.AdminURL("postgres"), "create role app login password 'a/b c+d%'", `create database "a b" owner app`)
	urls := func(c *Cluster) []string {
		return []string{c.AdminURL("postgres"), c.URL("app", "a/b c+d%", "a b"), c.SocketURL("app", "a/b c+d%", "a b")}
	}
	before := urls(first)
	end(t, first)
	select {
	case <-first.Done():
	default:
		t.Error("Done is open after Stop")
	}

	began := time.Now()
	second := begin(t, dir, nil)
	t.Logf("started again in %s", time.Since(began))
	if diff := cmp.Diff(before, urls(second)); diff != "" {
		t.Errorf("URLs after the restart (-before +after):\n%s", diff)
	}
	for _, url := range urls(second)[1:] {
		if got := ask(t, url, "select current_user || ' ' || current_database()"); got != "app a b" {
			t.Errorf("%s: connected to %q", url, got)
		}
	}
	if got := ask(t, second.AdminURL("postgres"), "select v from kept"); got != "row" {
		t.Errorf("row after the restart: %q", got)
	}
	end(t, second)
	end(t, second) // harmless
}

func TestClusterIsMadeAsDocumented(t *testing.T) {
	t.Parallel()
	c := begin(t, openDir(t), map[string]string{"Max_Connections": "17", "app.flag": "it's = on"})
	for sql, want := range map[string]string{
		"show server_encoding":      "UTF8",
		"show data_checksums":       "on",
		"show password_encryption":  "scram-sha-256",
		"show shared_buffers":       "64MB",
		"show max_connections":      "17",
		"show app.flag":             "it's = on",
		"show fsync":                "off",
		"show listen_addresses":     "127.0.0.1",
		"show port":                 strconv.Itoa(c.Port()),
		"show server_version":       c.Version(),
		"select 'a' < 'B'":          "f", // in the order of bytes
		"select upper('ä') <> ''":   "t",
		"select session_user::text": superuser,
		"select string_agg(distinct auth_method, ',') from pg_hba_file_rules": "scram-sha-256",
	} {
		got := ask(t, c.AdminURL("postgres"), sql)
		if sql == "show server_version" {
			got, _, _ = strings.Cut(got, " ")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
	info, err := os.Stat(filepath.Dir(c.data) + "/password")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("password file: %v, %v", info, err)
	}
	if info, err = os.Stat(c.socket); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder of the socket: %v, %v", info, err)
	}
}

// The server must not be reachable from other machines, whatever the database
// is told.
func TestNeverListensPublicly(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"listen_addresses", "LISTEN_addresses", "port", "hba_file", "unix_socket_directories"} {
		if _, err := Start(t.Context(), Options{Dir: openDir(t), Settings: map[string]string{name: "*"}}); err == nil {
			t.Fatalf("setting %s was accepted", name)
		}
	}
	if _, err := Start(t.Context(), Options{Dir: openDir(t), Settings: map[string]string{"listen-addresses": "*"}}); err == nil {
		t.Fatal("setting listen-addresses was accepted")
	}
	dir := openDir(t)
	c := begin(t, dir, nil)
	ask(t, c.AdminURL("postgres"), "alter system set listen_addresses = '*'")
	ask(t, c.AdminURL("postgres"), "alter system set port = 5")
	end(t, c)
	c = begin(t, dir, nil)

	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	reached := 0
	for _, address := range addresses {
		ip, _, err := net.ParseCIDR(address.String())
		if err != nil {
			t.Fatal(err)
		}
		if ip.IsLinkLocalUnicast() {
			continue
		}
		dialer := net.Dialer{Timeout: time.Second}
		conn, err := dialer.DialContext(t.Context(), "tcp", net.JoinHostPort(ip.String(), strconv.Itoa(c.Port())))
		if err == nil {
			_ = conn.Close()
			reached++
		}
		if local := ip.String() == "127.0.0.1"; local != (err == nil) {
			t.Errorf("dial %s: %v", ip, err)
		}
	}
	if reached != 1 {
		t.Errorf("listens on %d addresses of %v", reached, addresses)
	}
}

func TestTakenPortIsReplaced(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	c := begin(t, dir, nil)
	old := c.Port()
	end(t, c)
	other, err := net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(old))
	if err != nil {
		t.Fatal(err)
	}
	c = begin(t, dir, nil)
	moved := c.Port()
	if moved == old {
		t.Errorf("port is still %d, which another program has", old)
	}
	end(t, c)
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if c = begin(t, dir, nil); c.Port() != moved {
		t.Errorf("port %d was not remembered: now %d", moved, c.Port())
	}
}

func TestStopIsBoundedByItsContext(t *testing.T) {
	t.Parallel()
	c := begin(t, openDir(t), nil)
	conn := connect(t, c.AdminURL("postgres"))
	defer func() { _ = conn.Close(context.Background()) }()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	if err := c.Stop(gone); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("stopping took %s", took)
	}
}

func TestCancelledStartLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	for _, after := range []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		if c, err := Start(ctx, Options{Dir: dir}); err == nil {
			end(t, c)
		} else if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("cancelled after %s: %v", after, err)
		}
		cancel()
	}
	begin(t, dir, nil)
}

func TestBrokenSettingIsTold(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Options{Dir: openDir(t), Settings: map[string]string{"fsync": "off", "work_mem": "much"}})
	if err == nil || !strings.Contains(err.Error(), `invalid value for parameter "work_mem"`) {
		t.Errorf("error is %v", err)
	}
}

func TestUnusableDirIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := Start(t.Context(), Options{}); err == nil {
		t.Error("no directory was accepted")
	}
	file := filepath.Join(openDir(t), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Options{Dir: file}); err == nil {
		t.Error("a file was accepted")
	}
}
