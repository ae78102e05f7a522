package main

import (
	"bytes"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/typed"
)

// A terminal is not steered by what a command writes.
func TestTheOutputOfACommandDoesNotSteerATerminal(t *testing.T) {
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		latticetest.Lacks(t, "terminals: "+err.Error())
	}
	defer person.Close()
	fd := int(person.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		latticetest.Lacks(t, "terminals with another end: "+err.Error())
	}
	tty, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		latticetest.Lacks(t, "the other ends of terminals in /dev/pts: "+err.Error())
	}
	defer tty.Close()
	outcome := typed.Outcome{Stdout: []byte("out \x1b[2J\n"), Stderr: []byte("err \x1b[2J\n")}
	a := &app{terminal: terminal{out: tty, err: shown{tty}, output: formatText}}
	if err := showAnswer(a, &operate.Answer{Outcome: &outcome}, "text"); err != nil {
		t.Fatal(err)
	}
	const want = `out \u001b[2J` + "\r\n" + `err \u001b[2J` + "\r\n"
	var got []byte
	for b := make([]byte, 256); len(got) < len(want); {
		n, err := person.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b[:n]...)
	}
	if !bytes.Equal(got, []byte(want)) {
		t.Errorf("%q, want %q", got, want)
	}
}
