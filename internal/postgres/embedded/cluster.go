package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// superuser is the role that initdb makes; its password is in the data
// directory.
const superuser = "postgres"

// Cluster is a running PostgreSQL that accepts connections on 127.0.0.1 and on
// a private unix socket. Its methods may be called concurrently.
type Cluster struct {
	log      *slog.Logger
	cmd      *exec.Cmd
	outcome  error         // of the process; read it after exited
	exited   chan struct{} // the process has ended
	done     chan struct{} // and the data directory is free again
	bin      string
	data     string
	socket   string // directory of the unix socket, or ""
	password string
	version  string
	port     int
	stopping atomic.Bool
}

// Port is the TCP port on 127.0.0.1. It stays the same over restarts unless
// another program has taken it.
func (c *Cluster) Port() int { return c.port }

// Version is the server's version as "15.18" or "18.4".
func (c *Cluster) Version() string { return c.version }

// Done is closed when the server's process has ended, for whatever reason, and
// the data directory is free for another [Start].
func (c *Cluster) Done() <-chan struct{} { return c.done }

// AdminURL is the superuser's URL of a database. It holds the password and
// goes over the unix socket when there is one.
func (c *Cluster) AdminURL(database string) string {
	return c.SocketURL(superuser, c.password, database)
}

// URL is the address of a database over TCP, for people and their tools. An
// empty password is left out.
func (c *Cluster) URL(user, password, database string) string {
	u := c.url(user, password, database)
	u.Host = "127.0.0.1:" + strconv.Itoa(c.port)
	u.RawQuery = "sslmode=disable"
	return u.String()
}

// SocketURL is like [Cluster.URL] over the unix socket, which only this
// process' user (and root) can reach. Where there is none, as on Windows, it
// is the same as URL.
func (c *Cluster) SocketURL(user, password, database string) string {
	if c.socket == "" {
		return c.URL(user, password, database)
	}
	u := c.url(user, password, database)
	q := url.Values{"host": {c.socket}, "port": {strconv.Itoa(c.port)}}
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // libpq takes a plus for a plus
	return u.String()
}

func (c *Cluster) url(user, password, database string) *url.URL {
	u := &url.URL{Scheme: "postgres", User: url.User(user), Path: "/" + database}
	if password != "" {
		u.User = url.UserPassword(user, password)
	}
	return u
}

// Stop ends the server and returns when its process is gone: open transactions
// are rolled back and the data is flushed. After 10 s, or when ctx ends, it is
// ended at once and recovers on its next start, which loses nothing either.
// The only error is a process that survives even that. Stopping again is
// harmless.
func (c *Cluster) Stop(ctx context.Context) error {
	c.stopping.Store(true)
	if err := c.end(ctx, stopSteps); err != nil {
		return err
	}
	<-c.done
	return nil
}

// A step is a signal and how long to wait for its effect.
type step struct {
	signal syscall.Signal
	wait   time.Duration
}

// PostgreSQL takes SIGINT as "fast" and SIGQUIT as "immediate"; the latter
// gives its children 5 s before they are killed.
var (
	stopSteps  = []step{{syscall.SIGINT, 10 * time.Second}, {syscall.SIGQUIT, 7 * time.Second}, {syscall.SIGKILL, 3 * time.Second}}
	abortSteps = stopSteps[1:]
)

// end takes the steps until the process is gone. The end of ctx shortens the
// first step only.
func (c *Cluster) end(ctx context.Context, steps []step) error {
	patience := ctx.Done()
	for i, st := range steps {
		if i > 0 {
			c.log.WarnContext(ctx, "embedded postgres does not end, pressing harder", "signal", st.signal.String())
		}
		if err := send(context.WithoutCancel(ctx), c.cmd.Process, c.bin, st.signal); err != nil {
			c.log.DebugContext(ctx, "signal embedded postgres", "error", err)
		}
		timer := time.NewTimer(st.wait)
		select {
		case <-c.exited:
			timer.Stop()
			return nil
		case <-patience:
			timer.Stop()
		case <-timer.C:
		}
		patience = nil
	}
	return fmt.Errorf("stop PostgreSQL: process %d does not end", c.cmd.Process.Pid)
}
