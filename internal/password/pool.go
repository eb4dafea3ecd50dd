package password

import (
	"context"
	"runtime"
)

// Pool runs slow work on a fixed number of workers, each on a thread of its own
// whose priority is below that of the rest of the server.
type Pool struct {
	jobs chan job
}

type job struct {
	work func()
	ctx  context.Context // whether somebody still waits for the work
	done chan struct{}
}

// niceness is how far the workers step back, in units of nice(2). At 10 a worker
// gets a tenth of a processor when the rest of the server wants all of it,
// and all of it otherwise.
const niceness = 10

// NewPool starts workers, which end with the program. queue is how many jobs
// may wait beyond those under way.
func NewPool(workers, queue int) *Pool {
	p := &Pool{jobs: make(chan job, queue)}
	for range workers {
		go p.work()
	}
	return p
}

// Do runs work on a worker and waits for it. It returns ErrBusy at once if the
// queue is full, and the context's error if it is done before the work begins.
func (p *Pool) Do(ctx context.Context, work func()) error {
	j := job{work: work, ctx: ctx, done: make(chan struct{})}
	select {
	case p.jobs <- j:
	default:
		return ErrBusy
	}
	<-j.done
	return ctx.Err()
}

func (p *Pool) work() {
	runtime.LockOSThread()
	stepBack(niceness)
	for j := range p.jobs {
		if j.ctx.Err() == nil {
			j.work()
		}
		close(j.done)
	}
}
