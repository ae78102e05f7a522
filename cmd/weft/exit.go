package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/lattice"
)

// The exit codes of weft. They are stable: scripts may rely on them.
const (
	exitOK          = 0
	exitFailure     = 1 // it was tried and did not work
	exitUsage       = 2 // the command line, or a file it names, is wrong; nothing was done
	exitNotFound    = 3 // no such actor, provider, host, link, key or file
	exitTimeout     = 4 // no outcome within --timeout; it may still come
	exitRefused     = 5 // refused for reasons of trust: signature, expiry, capability, policy, credentials
	exitPartial     = 6 // some of it was done, on some hosts
	exitUnavailable = 7 // NATS cannot be reached, or no host answers
	exitStuck       = 8 // a host did not end in time, and its process was ended with it
)

const exitCodesHelp = `weft ends with one of these codes:

  0  done
  1  failed: it was tried and did not work
  2  usage: the command line, or a file it names, is wrong; nothing was done
  3  not found: no such actor, provider, host, link, key or file
  4  timeout: no outcome within --timeout; it may still come
  5  refused: signature, expiry, capability, policy or credentials
  6  partial success: done on some hosts, not on all
  7  unavailable: NATS cannot be reached, or no host answers
  8  stuck: a host that was told to end did not, and was ended the hard way; the
     message names the actors whose calls went on

With -o json or -o yaml an error is one line on standard error,
{"success":false,"error":{"code":"not_found","message":"..."}}; the code is one of
the words that hosts use in their metrics, or usage or partial.`

// silentError ends weft with a code but without a message, since all has been said.
type silentError int

func (e silentError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// exitCode and errorWord classify an error for the shell and for programs.
func exitCode(err error) int {
	var silent silentError
	var partial *operate.PartialError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &silent):
		return int(silent)
	case usage.Is(err):
		return exitUsage
	case errors.As(err, &partial):
		return exitPartial
	case errors.Is(err, host.ErrStuck):
		return exitStuck
	}
	code := lattice.CodeOf(err)
	switch {
	case (errors.Is(err, lattice.ErrInvalid) || code == lattice.ErrBadModule) && !remote(err):
		return exitUsage
	case code == lattice.ErrNotFound:
		return exitNotFound
	case code == lattice.ErrTimeout:
		return exitTimeout
	case code.Refusal():
		return exitRefused
	case (code == lattice.ErrUnavailable || code == lattice.ErrNoResponders) && !remote(err): // not what a host lacks
		return exitUnavailable
	}
	return exitFailure
}

func remote(err error) bool {
	var e *lattice.Error
	return errors.As(err, &e) && e.Remote
}

func errorWord(err error) string {
	var partial *operate.PartialError
	switch {
	case usage.Is(err):
		return "usage"
	case errors.As(err, &partial):
		return "partial"
	}
	if code := lattice.CodeOf(err); code != lattice.ErrInternal || !errors.Is(err, lattice.ErrInvalid) {
		return code.Name()
	}
	return lattice.ErrInvalid.Name()
}

func exitCodesTopic() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "What weft's exit codes mean", Long: exitCodesHelp}
}
