package main

import (
	"bytes"
	"errors"
)

// chooser picks the member of a pool that the next request is about.
type chooser interface{ below(n int) int }

// sequence picks one after the other.
type sequence int

func (t *sequence) below(n int) int {
	*t++
	return int(*t-1) % n
}

func memberSignIns(b *rig, w *worker, pool []member, whom chooser) func() error {
	return func() error {
		m := &pool[whom.below(len(pool))]
		e, err := enter(w.conn, b.signInRequest(m.live.User.Email), 200)
		if err == nil && e.User.Email != m.live.User.Email {
			err = errors.New("a sign-in let in somebody else")
		}
		return err
	}
}

func memberUsers(b *rig, w *worker, pool []member, whom chooser) func() error {
	var m *member
	var chance random
	next := func() []byte {
		m = &pool[whom.below(len(pool))]
		return b.request("GET", "/api/v1/auth/user", m.access[chance.below(len(m.access))], "")
	}
	return get(w, 200, next, func(body []byte) error { return contains(body, `"email":"`+m.live.User.Email+`"`, 1) })
}

// memberRefreshes rotates sessions at random. The next token takes the place of
// the one that was used.
func memberRefreshes(b *rig, w *worker, pool []member, whom chooser) func() error {
	marker := []byte(`"refresh_token":"`)
	return func() error {
		m := &pool[whom.below(len(pool))]
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
func searches(items int, query func(m *member) string) func(*rig, *worker, []member, chooser) func() error {
	return func(b *rig, w *worker, pool []member, whom chooser) func() error {
		next := func() []byte {
			return b.request("GET", "/api/v1/admin/users?"+query(&pool[whom.below(len(pool))]), b.server.ready.ServiceKey, "")
		}
		return get(w, 200, next, func(body []byte) error {
			if items == 0 && bytes.Contains(body, []byte(`"is_anonymous"`)) {
				return nil
			}
			return contains(body, `"is_anonymous"`, items)
		})
	}
}
