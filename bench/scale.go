package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// What many users may cost those routes that everybody uses, in times of the
// p50 with few.
const targetScale = 1.3

const (
	fewUsers     = 1000    // that the database is called empty with: every page is full, and nothing is large
	membersAsked = 1 << 14 // sessions that are used, of all
	passes       = 1 << 15 // access tokens that are used: more than the server remembers the signatures of
	scaleRounds  = 3
	pageSize     = 20
)

// scaleRoute is what is measured with few users and with many.
type scaleRoute struct {
	name string
	one  bool // by one client, so that nothing waits and a hash can be subtracted
	step func(b *rig, w *worker, pool []member, whom chooser) func() error
}

func scaleRoutes(cursor []byte) []scaleRoute {
	search := func(name string, items int, query func(m *member) string) scaleRoute {
		return scaleRoute{name: "users " + name, step: searches(items, query)}
	}
	return []scaleRoute{
		{name: "sign-in less the hash", one: true, step: memberSignIns},
		{name: "refresh", step: memberRefreshes},
		{name: "current user", step: memberUsers},
		search("by email", 1, func(m *member) string { return "email=" + url.QueryEscape(m.live.User.Email) }),
		search("by prefix", pageSize, func(m *member) string { return "q=" + m.live.User.Email[:10] }),
		search("by metadata of 20", pageSize, func(m *member) string { return "metadata=team:" + m.team }),
		search("by metadata of many", pageSize, func(*member) string { return "metadata=plan:pro" }),
		search("first page", pageSize, func(*member) string { return "limit=20" }),
		search("page within", 0, func(m *member) string { return "cursor=" + cursorAt(cursor, m) }),
		search("by created range", 0, func(m *member) string {
			const form = "2006-01-02T15:04:05Z"
			from := m.createdAt.UTC()
			return "created_after=" + from.Format(form) + "&created_before=" + from.Add(pageSize*30*time.Second).Format(form)
		}),
	}
}

// scale measures sign-in, refresh, current user and user search with few users,
// seeds many, and measures again. Whom a request is about is drawn from all.
func (b *rig) scale(ctx context.Context, out io.Writer, results *Results) error {
	if !b.options.wants("scale") {
		return nil
	}
	if err := b.restart(ctx, "FLUXBASE_AUTH_BCRYPT_COST=4"); err != nil {
		return err
	}
	if err := b.seed(ctx, fewUsers); err != nil {
		return err
	}
	cursor, err := b.firstCursor(ctx)
	if err != nil {
		return err
	}
	routes := scaleRoutes(cursor)
	few, hashFew, err := b.scaleMedians(ctx, routes)
	if err != nil {
		return err
	}
	began := now()
	if err := b.seed(ctx, b.options.users); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "scale: seeded %d users and %d sessions in %s\n", b.seeded, 2*b.seeded, now().Sub(began).Round(time.Second))
	many, hashMany, err := b.scaleMedians(ctx, routes)
	if err != nil {
		return err
	}
	for i, route := range routes {
		name := route.name
		if route.one {
			few[i], many[i] = few[i]-hashFew, many[i]-hashMany
			name = fmt.Sprintf("%s (bcrypt 4 in a bare loop: %.3f, %.3f ms)", name, hashMany/1000, hashFew/1000)
		}
		f := newFigure(fmt.Sprintf("scale: p50 of %s with %d users (%.3f ms), times that with %d (%.3f ms)", name, b.seeded, many[i]/1000, fewUsers, few[i]/1000),
			many[i]/few[i], "", targetScale)
		printFigure(out, f)
		results.Figures = append(results.Figures, f)
	}
	return b.restart(ctx)
}

// scaleMedians returns the median of each route's p50 in several rounds, in
// microseconds, and that of one comparison of a password.
func (b *rig) scaleMedians(ctx context.Context, routes []scaleRoute) (medians []float64, hash float64, err error) {
	pool, err := b.members(ctx, membersAsked)
	if err != nil {
		return nil, 0, err
	}
	p50s, hashes := make([][]float64, len(routes)), []float64(nil)
	for i := range routes {
		if err := b.scalePass(ctx, &routes[i], pool); err != nil {
			return nil, 0, fmt.Errorf("%s: %w", routes[i].name, err)
		}
	}
	each := time.Duration(b.options.seconds) * time.Second / scaleRounds
	for round := range scaleRounds {
		for i := range routes {
			l, err := b.scaleLoad(ctx, &routes[i], pool, round, each)
			if err != nil {
				return nil, 0, fmt.Errorf("%s: %w", routes[i].name, err)
			}
			p50s[i] = append(p50s[i], micros(l.latencies.Quantile(0.5)))
		}
		h, err := bareHash(ctx, each)
		if err != nil {
			return nil, 0, err
		}
		hashes = append(hashes, h)
	}
	for _, p := range p50s {
		medians = append(medians, median(p))
	}
	return medians, median(hashes), nil
}

// bareHash returns how long the comparison of a password takes that the server
// makes in each sign-in, in microseconds.
func bareHash(ctx context.Context, d time.Duration) (float64, error) {
	digest, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		return 0, fmt.Errorf("hashing a password: %w", err)
	}
	l, err := drive(ctx, []worker{{step: func() error {
		return bcrypt.CompareHashAndPassword(digest, []byte(password)) //nolint:wrapcheck // cannot fail
	}}}, d)
	return micros(l.latencies.Quantile(0.5)), err
}

// scaleLoad drives one route for a while, after a short while that does not count.
func (b *rig) scaleLoad(ctx context.Context, route *scaleRoute, pool []member, round int, d time.Duration) (*load, error) {
	count := b.options.workers[0]
	if route.one {
		count = 1
	}
	workers, err := b.scaleWorkers(ctx, route, pool, count, func(i int) chooser {
		chance := random(round*maxUsers + i) //nolint:gosec // small numbers
		return &chance
	})
	defer closeAll(workers)
	if err != nil {
		return nil, err
	}
	if _, err := drive(ctx, workers, d/10); err != nil {
		return nil, err
	}
	return drive(ctx, workers, d)
}

// scalePass makes one request of a route about each member of the pool, so that
// PostgreSQL has read what the measured requests are about.
func (b *rig) scalePass(ctx context.Context, route *scaleRoute, pool []member) error {
	count := b.options.workers[0]
	workers, err := b.scaleWorkers(ctx, route, pool, count, func(int) chooser { return new(sequence) })
	defer closeAll(workers)
	if err != nil {
		return err
	}
	return together(ctx, count, func(ctx context.Context, i int) error {
		for range share(pool, i, count) {
			err := errors.Join(ctx.Err(), workers[i].conn.SetDeadline(now().Add(grace)))
			if err == nil {
				err = workers[i].step()
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// share is the part of a pool that is one worker's, so that no session is
// refreshed by two.
func share(pool []member, i, count int) []member {
	return pool[i*len(pool)/count : (i+1)*len(pool)/count]
}

// scaleWorkers gives each worker a connection and its share of the pool.
func (b *rig) scaleWorkers(ctx context.Context, route *scaleRoute, pool []member, count int, choose func(i int) chooser) ([]worker, error) {
	workers := make([]worker, count)
	for i := range workers {
		conn, err := b.dial(ctx)
		if err != nil {
			return workers, err
		}
		workers[i].conn = conn
		workers[i].step = route.step(b, &workers[i], share(pool, i, count), choose(i))
	}
	return workers, nil
}

// firstCursor is what the first page of all users ends with.
func (b *rig) firstCursor(ctx context.Context) ([]byte, error) {
	conn, err := b.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	status, body, err := conn.Do(b.request("GET", "/api/v1/admin/users", b.server.ready.ServiceKey, ""))
	if err != nil {
		return nil, err //nolint:wrapcheck // says what it was doing
	}
	var page struct {
		NextCursor string `json:"next_cursor"`
	}
	if err := json.Unmarshal(body, &page); err != nil || status != 200 || page.NextCursor == "" {
		return nil, unexpected(status, body)
	}
	cursor, err := base64.RawURLEncoding.DecodeString(page.NextCursor)
	if err != nil || len(cursor) < positionSize {
		return nil, errors.New("a cursor is not as it was")
	}
	return cursor, nil
}

// positionSize is the length of what a cursor ends with: the instant and the id
// of the last user of a page.
const positionSize = 8 + 16

// cursorAt moves a cursor to a user, without reading all pages up to there. The
// server refuses what it did not understand as one.
func cursorAt(cursor []byte, m *member) string {
	c := bytes.Clone(cursor[:len(cursor)-positionSize])
	c = binary.BigEndian.AppendUint64(c, uint64(m.createdAt.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(c, m.live.User.ID[:]...))
}
