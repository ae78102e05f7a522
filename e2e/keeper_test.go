package e2e

import (
	"fmt"
	"io"
	"os/exec"
	"sync"
)

// keeper ends what was started when the test process itself dies, as it does when go test runs into its -timeout and no
// cleanup is run. It is weft's own guard for the providers of a dead host, put to another use.
var keeper groups

// groups are the process groups that are kept.
type groups struct {
	mu    sync.Mutex
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

// start starts the guard process.
func (g *groups) start() error {
	g.cmd = exec.Command(bin.weft, "provider", "guard")
	var err error
	if g.stdin, err = g.cmd.StdinPipe(); err != nil {
		return err
	}
	return g.cmd.Start()
}

// hold puts a process group under guard, release takes it out.
func (g *groups) hold(pgid int)    { g.tell("+", pgid) }
func (g *groups) release(pgid int) { g.tell("-", pgid) }

func (g *groups) tell(sign string, pgid int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, _ = fmt.Fprintf(g.stdin, "%s%d\n", sign, pgid) // without it only an accident leaves something behind
}

// stop ends the guard process, and every group that nobody has released.
func (g *groups) stop() {
	if g.cmd != nil {
		_ = g.stdin.Close()
		_ = g.cmd.Wait()
	}
}
