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
	step func(b *rig, w *worker, pool []member, chance *random) func() error
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
	workers := make([]worker, count)
	defer func() { closeAll(workers) }()
	for i := range workers {
		conn, err := b.dial(ctx)
		if err != nil {
			return nil, err
		}
		workers[i].conn = conn
		chance := random(round*maxUsers + i)                    //nolint:gosec // small numbers
		part := pool[i*len(pool)/count : (i+1)*len(pool)/count] // a session is refreshed by one worker
		workers[i].step = route.step(b, &workers[i], part, &chance)
	}
	if _, err := drive(ctx, workers, d/10); err != nil {
		return nil, err
	}
	return drive(ctx, workers, d)
}

func memberSignIns(b *rig, w *worker, pool []member, chance *random) func() error {
	return func() error {
		m := &pool[chance.below(len(pool))]
		e, err := enter(w.conn, b.signInRequest(m.live.User.Email), 200)
		if err == nil && e.User.Email != m.live.User.Email {
			err = errors.New("a sign-in let in somebody else")
		}
		return err
	}
}

func memberUsers(b *rig, w *worker, pool []member, chance *random) func() error {
	var m *member
	next := func() []byte {
		m = &pool[chance.below(len(pool))]
		return b.request("GET", "/api/v1/auth/user", m.access[chance.below(len(m.access))], "")
	}
	return get(w, 200, next, func(body []byte) error { return contains(body, `"email":"`+m.live.User.Email+`"`, 1) })
}

// memberRefreshes rotates sessions at random. The next token takes the place of
// the one that was used.
func memberRefreshes(b *rig, w *worker, pool []member, chance *random) func() error {
	marker := []byte(`"refresh_token":"`)
	return func() error {
		m := &pool[chance.below(len(pool))]
		status, body, err := w.conn.Do(b.request("POST", "/api/v1/auth/refresh", "", `{"refresh_token":"`+m.refresh+`"}`))
		if err != nil {
			return err //nolint:wrapcheck // says what it was doing
		}
		start := bytes.LastIndex(body, marker) + len(marker)
		if status != 200 || start < len(marker) || len(body) < start+len(m.refresh) {
			return unexpected(status, body)
		}
		next := string(body[start : start+len(m.refresh)])
		if next == m.refresh {
			return errors.New("a refresh token was answered with itself")
		}
		m.refresh = next
		return nil
	}
}

// searches asks for users as an administrator. items is how many a page has, 0
// if that depends on the place.
func searches(items int, query func(m *member) string) func(*rig, *worker, []member, *random) func() error {
	return func(b *rig, w *worker, pool []member, chance *random) func() error {
		next := func() []byte {
			return b.request("GET", "/api/v1/admin/users?"+query(&pool[chance.below(len(pool))]), b.server.ready.ServiceKey, "")
		}
		return get(w, 200, next, func(body []byte) error {
			if items == 0 && bytes.Contains(body, []byte(`"is_anonymous"`)) {
				return nil
			}
			return contains(body, `"is_anonymous"`, items)
		})
	}
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
