package password

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

// Pool runs slow work on a fixed number of workers, each on a thread of its own
// whose priority is below that of the rest of the server. Priorities are the
// scheduler's to heed, though, and hold among the threads of one program at
// best; so the work also pauses by itself while others are served.
type Pool struct {
	// Busy says whether anybody is being served; nil is nobody. It is called some
	// ten thousand times a second.
	Busy func() bool

	jobs    chan job
	workers int
	waiting atomic.Int64
	refused atomic.Int64
	now     func() time.Time
	sleep   func(time.Duration)
}

type job struct {
	work func(pause func())
	ctx  context.Context // whether somebody still waits for the work
	done chan struct{}
}

// niceness is how far the workers step back, in units of nice(2). At 10 a worker
// gets a tenth of a processor when the rest of the server wants all of it,
// and all of it otherwise.
const niceness = 10

// What pauses may cost. Where somebody is always being served, work takes
// four times as long and patience longer.
const (
	glance   = 200 * time.Microsecond // between two looks
	patience = 20 * time.Millisecond  // that any work has
	share    = 3                      // times what it has worked
)

// NewPool starts workers, which end with the program. queue is how many jobs
// may wait beyond those under way.
func NewPool(workers, queue int) *Pool {
	p := &Pool{jobs: make(chan job, queue), workers: workers, now: time.Now, sleep: time.Sleep} //nolint:forbidigo // the clock of pauses, which tests replace
	for range workers {
		go p.work()
	}
	return p
}

// Do runs work on a worker and waits for it. It returns ErrBusy at once if the
// queue is full, and the context's error if it is done before the work begins.
// The work calls pause wherever it may be interrupted for a while.
func (p *Pool) Do(ctx context.Context, work func(pause func())) error {
	j := job{work: work, ctx: ctx, done: make(chan struct{})}
	select {
	case p.jobs <- j:
	default:
		p.refused.Add(1)
		return ErrBusy
	}
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	<-j.done
	return ctx.Err()
}

// full says whether more work would be refused right now.
func (p *Pool) full() bool { return cap(p.jobs) > 0 && len(p.jobs) == cap(p.jobs) }

// Waiting counts those who wait for work to be done.
func (p *Pool) Waiting() int64 { return p.waiting.Load() }

func (p *Pool) work() {
	runtime.LockOSThread()
	stepBack(niceness)
	for j := range p.jobs {
		if j.ctx.Err() == nil {
			j.work(p.pauses())
		}
		close(j.done)
	}
}

// pauses returns a function that waits while others are served, within the
// bounds for one piece of work that begins now.
func (p *Pool) pauses() func() {
	if p.Busy == nil {
		return func() {}
	}
	began, paused := p.now(), time.Duration(0)
	return func() {
		makeWay()
		for p.Busy() {
			at := p.now()
			if paused >= patience+share*(at.Sub(began)-paused) {
				return
			}
			p.sleep(glance)
			paused += p.now().Sub(at)
		}
	}
}
