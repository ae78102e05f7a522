// Package background starts a program that outlives the process that starts it, and its terminal. The program tells on
// its standard output, in one line of JSON, that it serves or why it does not.
package background

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/weftlattice/weft/lattice"
)

// Process is a program that was started. Exactly one of Wait and Release ends its use.
type Process struct {
	cmd    *exec.Cmd
	report io.Reader
}

// Start starts a program in a session of its own. Its standard error goes to log, which may be closed afterwards.
func Start(log *os.File, program string, args ...string) (*Process, error) {
	cmd := exec.Command(program, args...)
	cmd.Stderr = log
	cmd.SysProcAttr = attributes()
	report, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start in the background: %w", err)
	}
	return &Process{cmd, report}, nil
}

// PID is the id of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Await reads the line that the program reports into v, which encoding/json fills. When ctx ends the program is asked
// to end. One that ends without a line is an error, lattice.ErrInternal; then it need not be waited for any more.
func (p *Process) Await(ctx context.Context, v any) error {
	stop := context.AfterFunc(ctx, func() { _ = Terminate(p.PID()) })
	defer stop()
	line, _ := bufio.NewReader(p.report).ReadBytes('\n')
	if json.Unmarshal(line, v) == nil {
		return nil
	}
	return &early{p.cmd.Wait()}
}

// Wait waits for the end of the program.
func (p *Process) Wait() error { return p.cmd.Wait() }

// Release leaves the program to itself.
func (p *Process) Release() error { return p.cmd.Process.Release() }

// Report sends v to the process that started this one, and closes standard output.
func Report(v any) {
	_ = json.NewEncoder(os.Stdout).Encode(v)
	_ = os.Stdout.Close()
}

// early is the error of a program that ended without a report.
type early struct{ wait error }

func (e *early) Error() string {
	return fmt.Sprintf("the process in the background ended early: %v; see its log", e.wait)
}
func (e *early) Unwrap() error { return lattice.ErrInternal }
