// Package guard ends the process groups of a host that died without ending them itself, even by kill -9.
//
// A host starts one guard and keeps a pipe open to its standard input. On it the host names the groups that belong to
// it: a line "+PGID" when one begins, "-PGID" when it is gone. When the pipe ends, the host has ended in whatever way,
// and the guard kills all groups still named. What was written before the host's death is still read, so the guard
// knows every group that the host has told it.
package guard

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"

	"github.com/weftlattice/weft/lattice"
)

// ReadyLine is what a guard prints when it listens.
const ReadyLine = "weft:guard"

// maxLineBytes bounds a line; none of ours comes near.
const maxLineBytes = 64

// Begin is the line that puts a group under guard.
func Begin(pgid int) string { return fmt.Sprintf("+%d\n", pgid) }

// End is the line that releases a group.
func End(pgid int) string { return fmt.Sprintf("-%d\n", pgid) }

// Run is the whole work of the guard process: it prints ReadyLine to stdout, obeys the lines of stdin, and at the end
// of stdin kills the groups still named. It ignores interrupt, hang-up and termination signals for the rest of the
// process's life, since those mean the host. An unknown line is ErrInvalid; the groups are killed then too, for a host
// that speaks nonsense is replaced, and its new guard is told everything again only while it lives.
func Run(stdin io.Reader, stdout io.Writer) error {
	signal.Ignore(ignored...)
	if _, err := fmt.Fprintln(stdout, ReadyLine); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return watch(stdin, KillGroup)
}

// watch is Run without the process around it. kill is called once for each group still named at the end, in ascending
// order.
func watch(stdin io.Reader, kill func(pgid int)) error {
	groups := map[int]bool{}
	lines := bufio.NewScanner(stdin)
	lines.Buffer(nil, maxLineBytes)
	var err error
	for lines.Scan() {
		var pgid int
		var begin bool
		if pgid, begin, err = parse(lines.Text()); err != nil {
			break
		}
		if begin {
			groups[pgid] = true
		} else {
			delete(groups, pgid)
		}
	}
	left := make([]int, 0, len(groups))
	for pgid := range groups {
		left = append(left, pgid)
	}
	slices.Sort(left)
	for _, pgid := range left {
		kill(pgid)
	}
	return errors.Join(err, lines.Err())
}

// parse never returns a number below 2: 0, 1 and -1 mean the caller's group, init and everybody to kill(2).
func parse(line string) (pgid int, begin bool, err error) {
	if len(line) > 1 && (line[0] == '+' || line[0] == '-') && line[1] >= '1' && line[1] <= '9' {
		if n, err := strconv.ParseInt(line[1:], 10, 32); err == nil && n > 1 {
			return int(n), line[0] == '+', nil
		}
	}
	return 0, false, &lattice.Error{Code: lattice.ErrInvalid, Op: "guard", Entity: lattice.Printable(line),
		Detail: "want +PGID or -PGID"}
}
