package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
)

// scenarios are all that are measured beside a floor, in this order.
var scenarios = []scenario{
	{name: "sign-up", slow: true, open: opener(signUps), floors: generateFloor},
	{name: "sign-in", slow: true, open: opener(signIns), floors: compareFloor},
	{name: "refresh", open: opener(refreshes), floors: rotateFloor},
	{name: "current-user", open: opener(currentUsers), floors: userFloor},
	{name: "one-row", open: opener(oneRow), floors: oneRowFloors},
	{name: "hundred-rows", open: opener(pages(100)), floors: hundredRowsFloors},
	{name: "thousand-rows", open: opener(pages(1000)), floors: thousandRowsFloors},
	{name: "embedding", open: opener(embeddings), floors: embeddingFloors},
	{name: "insert", open: opener(inserts), floors: insertFloors},
	{name: "bulk-insert", slow: true, after: emptyBulk, open: opener(bulkInserts), floors: bulkFloors},
}

// known returns everything that -scenario takes.
func known() []string {
	names := []string{"all"}
	for _, s := range scenarios {
		names = append(names, s.name)
	}
	return append(names, "storm", "slow", "wrong-passwords", "scale", "clean-up",
		"policy-helper", "api-key", "planning", "transactions", "idle", "sealing", "re-encryption", "requests-during-re-encryption", "limits")
}

// sample is how many answers one body is read of. The status is always checked.
const sample = 32

// opener gives each worker a connection and a person.
func opener(step func(b *rig, w *worker, p *person) func() error) func(context.Context, *rig, int) ([]worker, error) {
	return func(ctx context.Context, b *rig, count int) ([]worker, error) {
		workers := make([]worker, count)
		for i := range workers {
			conn, err := b.dial(ctx)
			if err != nil {
				return workers, err
			}
			workers[i].conn = conn
			workers[i].step = step(b, &workers[i], b.people[i%len(b.people)])
		}
		return workers, nil
	}
}

// get is a step that sends what next returns, and checks one body in sample.
func get(w *worker, want int, next func() []byte, check func(body []byte) error) func() error {
	n := 0
	return func() error {
		status, body, err := w.conn.Do(next())
		if err != nil {
			return err //nolint:wrapcheck // says what it was doing
		}
		if status != want {
			return unexpected(status, body)
		}
		if n++; n%sample != 1 {
			return nil
		}
		return check(body)
	}
}

// contains checks that a body has something a number of times.
func contains(body []byte, text string, times int) error {
	if n := bytes.Count(body, []byte(text)); n != times {
		return fmt.Errorf("an answer has %q %d times instead of %d: %s", text, n, times, body[:min(len(body), 400)])
	}
	return nil
}

func signUps(b *rig, w *worker, _ *person) func() error {
	return func() error {
		email := fmt.Sprintf("new-%d@bench.example", atomic.AddUint64(&b.serial, 1))
		e, err := enter(w.conn, b.signUpRequest(email), 201)
		if err == nil && e.User.Email != email {
			err = errors.New("a sign-up made somebody else's account")
		}
		return err
	}
}

func signIns(b *rig, w *worker, p *person) func() error {
	request := b.signInRequest(p.email)
	return func() error {
		e, err := enter(w.conn, request, 200)
		if err == nil && e.User.ID != p.id {
			err = errors.New("a sign-in let in somebody else")
		}
		return err
	}
}

// refreshes rotates the sessions of a person in turn. The token of the next
// request is written over that of the last one.
func refreshes(b *rig, w *worker, p *person) func() error {
	request := b.request("POST", "/api/v1/auth/refresh", "", `{"refresh_token":"`+p.refresh[0]+`"}`)
	at := bytes.LastIndex(request, []byte(p.refresh[0]))
	marker := []byte(`"refresh_token":"`)
	return func() error {
		token := &p.refresh[p.turn%sessionsEach]
		p.turn++
		copy(request[at:], *token)
		status, body, err := w.conn.Do(request)
		if err != nil {
			return err //nolint:wrapcheck // says what it was doing
		}
		start := bytes.LastIndex(body, marker) + len(marker)
		if status != 200 || start < len(marker) || len(body) < start+len(*token) {
			return unexpected(status, body)
		}
		next := string(body[start : start+len(*token)])
		if next == *token {
			return errors.New("a refresh token was answered with itself")
		}
		*token = next
		if p.turn%sample != 1 {
			return nil
		}
		return contains(body, p.email, 1)
	}
}

func currentUsers(b *rig, w *worker, p *person) func() error {
	request := b.request("GET", "/api/v1/auth/user", p.access, "")
	return get(w, 200, func() []byte { return request }, func(body []byte) error {
		return contains(body, p.email, 1)
	})
}

// oneRow reads a random row of the person's.
func oneRow(b *rig, w *worker, p *person) func() error { return oneRowAs(b, w, p, p.access) }

// oneRowAs is oneRow with a credential of the person's.
func oneRowAs(b *rig, w *worker, p *person, credential string) func() error {
	const digits = 9
	request := b.request("GET", "/api/v1/tables/bench_rows?id=eq.000000000", credential, "")
	at := bytes.Index(request, []byte("000000000"))
	people := len(b.people)
	chance, id := random(p.index), 0 //nolint:gosec // a small number
	next := func() []byte {
		id = people*chance.below(rows/people) + p.index
		n := id
		for i := digits - 1; i >= 0; i-- {
			request[at+i] = '0' + byte(n%10) //nolint:gosec // a digit
			n /= 10
		}
		return request
	}
	return get(w, 200, next, func(body []byte) error {
		return errors.Join(contains(body, `{"id":`+strconv.Itoa(id)+`,"user_id":"`+p.id+`"`, 1), contains(body, `"user_id"`, 1))
	})
}

// pages reads as many rows of the person's in one answer.
func pages(count int) func(*rig, *worker, *person) func() error {
	return func(b *rig, w *worker, p *person) func() error {
		request := b.request("GET", "/api/v1/tables/bench_rows?"+pageQuery(count), p.access, "")
		return get(w, 200, func() []byte { return request }, func(body []byte) error {
			return contains(body, `"user_id":"`+p.id+`"`, count)
		})
	}
}

func inserts(b *rig, w *worker, p *person) func() error {
	request := b.request("POST", "/api/v1/tables/bench_inserts", p.access, fmt.Sprintf(insertBody, p.id),
		"Prefer: return=representation")
	return get(w, 201, func() []byte { return request }, func(body []byte) error {
		return contains(body, `"user_id":"`+p.id+`"`, 1)
	})
}
