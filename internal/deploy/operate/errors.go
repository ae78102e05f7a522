package operate

import (
	"errors"
	"fmt"
	"strings"
)

// PartialError says that a command was carried out on some hosts only.
type PartialError struct {
	Done, Failed []string // friendly names of hosts
	Err          error    // what the others said, joined
}

func (e *PartialError) Error() string {
	return fmt.Sprintf("done on %s, but not on %s: %s", strings.Join(e.Done, ", "), strings.Join(e.Failed, ", "),
		oneLine(e.Err))
}

// Unwrap returns the errors of the hosts that failed.
func (e *PartialError) Unwrap() error { return e.Err }

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// outcomes collects what each of several hosts answered.
type outcomes struct {
	done, failed []string
	errs         []error
}

func (o *outcomes) add(host string, err error) {
	if err == nil {
		o.done = append(o.done, host)
		return
	}
	o.failed = append(o.failed, host)
	o.errs = append(o.errs, fmt.Errorf("host %s: %w", host, err))
}

// err is nil when all went well, the hosts' errors when nothing did, else a PartialError.
func (o *outcomes) err() error {
	switch {
	case len(o.failed) == 0:
		return nil
	case len(o.failed) == 1 && len(o.done) == 0:
		return o.errs[0]
	case len(o.done) == 0:
		return errors.Join(o.errs...)
	}
	return &PartialError{Done: o.done, Failed: o.failed, Err: errors.Join(o.errs...)}
}
