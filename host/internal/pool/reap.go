package pool

import "time"

// arm sees to it that the reaper runs when the first idle member is due. The caller holds mu.
func (p *Pool[I]) arm() {
	if p.cfg.IdleTimeout <= 0 || len(p.idle) == 0 || p.closed {
		return
	}
	if p.reaper == nil {
		p.reaper = time.AfterFunc(p.cfg.IdleTimeout, p.reap)
		return
	}
	if len(p.idle) == 1 {
		p.reaper.Reset(p.cfg.IdleTimeout)
	}
}

// reap discards what has idled too long. The timer starts it on a goroutine that Close waits for.
func (p *Pool[I]) reap() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.reaping.Add(1)
	defer p.reaping.Done()
	due := time.Now().Add(-p.cfg.IdleTimeout)
	n := 0
	for n < len(p.idle) && !p.idle[n].idleFrom.After(due) {
		n++
	}
	old := p.evict(n)
	if len(p.idle) > 0 {
		p.reaper.Reset(p.idle[0].idleFrom.Sub(due))
	}
	p.mu.Unlock()
	for _, m := range old {
		p.discard(m, Idled)
	}
}
