package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// startLimit bounds a start, which may include recovery after a crash.
const startLimit = time.Minute

// launchOnFreePort launches c. A port is free only until somebody takes it, so
// a server that ended because of that gets another.
func (s *site) launchOnFreePort(ctx context.Context, c *Cluster, settings map[string]string) (*Cluster, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("no answer within %s", startLimit))
	defer cancel()
	c.log, c.bin, c.data, c.version = s.log, s.server.bin, s.data(), s.server.version
	port, err := s.choosePort(ctx)
	for range 5 {
		if err != nil {
			return nil, err
		}
		c.port = port
		if err = s.launch(ctx, c, settings); err != nil {
			return nil, err
		}
		if err = c.awaitReady(ctx); err == nil {
			err = s.rememberPort(port)
		}
		if err == nil {
			return c, nil
		}
		err = errors.Join(err, c.end(context.WithoutCancel(ctx), abortSteps))
		if text := s.logTail(); text != "" {
			err = fmt.Errorf("%w: %s", err, text)
		}
		if ctx.Err() != nil || portIsFree(ctx, port) {
			return nil, err
		}
		port, err = newPort(ctx)
	}
	return nil, errors.New("every port tried was taken by another program")
}

// launch starts the server's process. c.exited is closed when it has ended.
func (s *site) launch(ctx context.Context, c *Cluster, settings map[string]string) error {
	logFile, err := s.openLog()
	if err != nil {
		return err
	}
	args := arguments(c.data, c.socket, c.port, settings)
	c.cmd = exec.CommandContext(context.WithoutCancel(ctx), program(c.bin, "postgres"), args...) //nolint:gosec // a program that was probed
	c.cmd.Dir, c.cmd.Env = s.home, environment()
	c.cmd.Stdout, c.cmd.Stderr = logFile, logFile
	c.cmd.SysProcAttr = childAttr(s.account, syscall.SIGINT)
	c.exited = make(chan struct{})
	exited := c.exited
	started := make(chan error)
	go func() {
		defer holdThread()() // the end of this thread would end the server
		err := c.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		c.outcome = c.cmd.Wait()
		_ = logFile.Close()
		close(exited)
	}()
	if err := <-started; err != nil {
		return errors.Join(fmt.Errorf("run postgres as %s: %w", s.account, err), logFile.Close())
	}
	go boundLog(logFile, exited)
	return nil
}

// awaitReady returns when the server has written "ready" into its pid file and
// lets the superuser in.
func (c *Cluster) awaitReady(ctx context.Context) error {
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for postgres: %w", context.Cause(ctx))
		case <-c.exited:
			return fmt.Errorf("postgres ended before it was ready: %w", c.outcome)
		case <-tick.C:
		}
		if p := readPIDFile(c.data); p.pid == c.cmd.Process.Pid && p.status == "ready" {
			break
		}
	}
	conn, err := pgx.Connect(ctx, c.AdminURL("postgres"))
	if err != nil {
		return fmt.Errorf("sign in as the superuser with the password in the data directory: %w", err)
	}
	return conn.Close(ctx)
}

// watch waits for the end of a started server and frees the data directory.
func (c *Cluster) watch(ctx context.Context, unlock func()) {
	<-c.exited
	if !c.stopping.Load() {
		c.log.ErrorContext(ctx, "embedded postgres ended by itself", "outcome", c.outcome)
	}
	if c.socket != "" {
		_ = os.Remove(c.socket) // when it is empty
	}
	unlock()
	close(c.done)
}
