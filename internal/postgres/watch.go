package postgres

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// lost says that a connection ended under a statement.
func lost(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// Watcher is told of what happens in the database. Notified may be missed (a
// pooler, a broken connection); Poll runs at every turn and finds what was.
type Watcher struct {
	Channel  string                               // to LISTEN to
	Notified func(payload string) (poll bool)     // must not block; true asks for a poll at once
	Poll     func(context.Context, Querier) error // reads what has changed since it last ran
	Every    time.Duration                        // polls no more often, unless asked to; 0 is at every turn
}

// Watch keeps one connection of the owner's on which it polls the watchers, at
// least once in each interval, and listens for them where it can: not behind a
// pooler. It returns when ctx is done, and reconnects, with growing pauses of at
// most one second, until then.
func Watch(ctx context.Context, c Config, interval time.Duration, logger *slog.Logger, watchers ...Watcher) {
	pause := 50 * time.Millisecond
	for ctx.Err() == nil {
		err := watch(ctx, c, interval, watchers, func() { pause = 50 * time.Millisecond })
		if ctx.Err() != nil {
			return
		}
		logger.WarnContext(ctx, "lost sight of the database", slog.Any("error", err), slog.Duration("retry_in", pause))
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, time.Second)
	}
}

func watch(ctx context.Context, c Config, interval time.Duration, watchers []Watcher, ready func()) error {
	config, err := pgx.ParseConfig(c.OwnerURL)
	if err != nil {
		return err
	}
	config.DefaultQueryExecMode = unprepared
	config.ConnectTimeout = time.Second
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()

	channels := map[string]func(string) bool{}
	for _, w := range watchers {
		channels[w.Channel] = w.Notified
		if c.Pooled { // some connection of the pooler's would listen, for nobody
			continue
		}
		if _, err := conn.Exec(ctx, "listen "+Quote(w.Channel)); err != nil {
			return err
		}
	}
	t := turns{conn: conn, last: map[string]time.Time{}}
	for {
		if err := t.poll(ctx, interval, watchers); err != nil {
			return err
		}
		ready()
		asked, err := drain(ctx, conn, interval, channels)
		if err != nil {
			return err
		}
		delete(t.last, asked)
	}
}

// turns remembers when each watcher last polled on a connection.
type turns struct {
	conn *pgx.Conn
	last map[string]time.Time
}

func (t turns) poll(ctx context.Context, limit time.Duration, watchers []Watcher) error {
	ctx, cancel := context.WithTimeout(ctx, max(2*limit, time.Second))
	defer cancel()

	for _, w := range watchers {
		if w.Poll == nil || time.Since(t.last[w.Channel]) < w.Every {
			continue
		}
		t.last[w.Channel] = time.Now()
		if err := w.Poll(ctx, t.conn); err != nil {
			return err
		}
	}
	return nil
}

// drain hands out notifications until the interval is over, or one of them
// asks for a poll: it returns the channel of that one.
func drain(ctx context.Context, conn *pgx.Conn, interval time.Duration, channels map[string]func(string) bool) (string, error) {
	turn, cancel := context.WithTimeout(ctx, interval)
	defer cancel()

	for {
		n, err := conn.WaitForNotification(turn)
		switch {
		case err == nil:
			if notified := channels[n.Channel]; notified != nil && notified(n.Payload) {
				return n.Channel, nil
			}
		case turn.Err() != nil && ctx.Err() == nil && !conn.IsClosed():
			return "", nil
		default:
			return "", err
		}
	}
}
