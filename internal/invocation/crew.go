package invocation

import "sync"

// maxIdle bounds how many goroutines of a crew wait for work.
const maxIdle = 64

// Crew is goroutines that serve calls, or do what else a J is. They are kept, since a new one would grow its stack for
// each call. How many there are at the same time is up to whoever starts jobs. It is safe for concurrent use.
type Crew[J any] struct {
	// Hire is called by each new goroutine: serve does one job after another, and leave, where it is not nil, is called
	// in the end.
	Hire func() (serve func(J), leave func())

	mu    sync.Mutex
	idle  []chan<- J // those that came last go first: their memory is warm; guarded by mu
	ended bool       // guarded by mu
	wg    sync.WaitGroup
}

// Start gives a job to an idle goroutine, or to a new one. It does not block.
func (c *Crew[J]) Start(j J) {
	c.mu.Lock()
	if n := len(c.idle); n > 0 {
		wake := c.idle[n-1]
		c.idle = c.idle[:n-1]
		c.mu.Unlock()
		wake <- j
		return
	}
	c.mu.Unlock()
	c.wg.Go(func() { c.run(j) })
}

func (c *Crew[J]) run(j J) {
	serve, leave := c.Hire()
	if leave != nil {
		defer leave()
	}
	wake := make(chan J, 1)
	for more := true; more; j, more = <-wake {
		serve(j)
		var none J
		j = none // nothing of a call that is over stays while it waits
		if !c.park(wake) {
			return
		}
	}
}

// park puts a goroutine where Start finds it; false when it is to end.
func (c *Crew[J]) park(wake chan<- J) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || len(c.idle) >= maxIdle {
		return false
	}
	c.idle = append(c.idle, wake)
	return true
}

// End lets the goroutines go as soon as they have nothing to do. It does not wait for them; ending twice is no error.
func (c *Crew[J]) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	for _, wake := range c.idle {
		close(wake)
	}
	c.idle = nil
}

// Wait waits until all have gone, after End. Only jobs in progress may start others meanwhile.
func (c *Crew[J]) Wait() { c.wg.Wait() }
