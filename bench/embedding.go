package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// embeddingLists is how many lists one answer has, each with its items.
const embeddingLists = 100

// The requests with an embedding.
var (
	embeddingQuery = fmt.Sprintf("select=id,name,bench_items(id,note)&order=id&limit=%d", embeddingLists)

	// It finds the list of a number. The first person has list 0, the second list
	// 1, and so on.
	filteredQuery = "select=id,name,bench_items(id,note)&id=eq.%d&archived=is.false&name=like.list*"
)

func embeddings(b *rig, w *worker, p *person) func() error {
	return readLists(b, w, p, embeddingQuery, embeddingLists)
}

// filtered reads the person's first list by three filters.
func filtered(b *rig, w *worker, p *person) func() error {
	return readLists(b, w, p, fmt.Sprintf(filteredQuery, p.index), 1)
}

// readLists reads so many lists with their items.
func readLists(b *rig, w *worker, p *person, query string, count int) func() error {
	request := b.request("GET", "/api/v1/tables/bench_lists?"+query, p.access, "")
	return get(w, 200, func() []byte { return request }, func(body []byte) error {
		return errors.Join(contains(body, `"name":"list number`, count), contains(body, `"note":"item number`, count*itemsEach))
	})
}

// targetPlanning is the most that parsing and planning may take of a request's
// processor time.
const targetPlanning = 0.1

// planning compares the processor time of parsing and planning a query, in a
// loop of this program, with that of the request: the server's and PostgreSQL's.
func (b *rig) planning(ctx context.Context, out io.Writer, results *Results) error {
	if !b.options.wants("planning") {
		return nil
	}
	d := time.Duration(b.options.seconds) * time.Second
	for _, count := range b.options.workers {
		workers, err := opener(filtered)(ctx, b, count)
		defer closeAll(workers)
		if err != nil {
			return err
		}
		if _, err := drive(ctx, workers, time.Second/2); err != nil {
			return err
		}
		l, err := b.watched(ctx, workers, d)
		if err != nil {
			return err
		}
		used := perRequest(l.spent, l.latencies.Count())
		request := used.Server + used.PostgreSQL
		if request <= 0 {
			return errors.New("the processor time of the server cannot be read here")
		}
		part, err := b.planningTime(d)
		if err != nil {
			return err
		}
		f := newFigure(fmt.Sprintf("planning, %d workers: parsing and planning three filters and an embedding (%.1f us), times the request's processor time (%.1f us)",
			count, part, request), part/request, "", targetPlanning)
		printFigure(out, f)
		results.Figures = append(results.Figures, f)
	}
	return nil
}

// planningTime returns the processor time of parsing and planning the filtered
// query once, in microseconds, the collection of garbage included.
func (b *rig) planningTime(d time.Duration) (float64, error) {
	query, n := fmt.Sprintf(filteredQuery, 0), 0
	before := ownTime()
	for began := now(); now().Sub(began) < d; n++ {
		if _, err := b.plans.read("bench_lists", query); err != nil {
			return 0, err
		}
	}
	return micros(ownTime()-before) / float64(n), nil
}
