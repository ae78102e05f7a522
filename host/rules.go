package host

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/policy"
)

// rulesSettle is how long a file of rules must be left alone before it is read: editors write in several steps.
const rulesSettle = 100 * time.Millisecond

// rules returns those in force; nil when there are none.
func (h *Host) rules() *policy.Rules { return h.policyRules.Load() }

// followRules reads the file of rules again when it changes. New rules are in force for whatever is asked from then on;
// decisions by rules are not remembered. A file that cannot be used leaves the old rules in force, and says so.
func (h *Host) followRules(opened func(func(context.Context) error)) error {
	path := h.cfg.Policy.RulesFile
	if path == "" {
		return nil
	}
	fail := func(err error) error {
		return &lattice.Error{Code: lattice.ErrUnavailable, Op: "follow the file of rules", Entity: path, Err: err}
	}
	// Before the first look, so that no change falls in between. The folder is watched, since a file is replaced as often as
	// it is written, and in a mounted ConfigMap it is a link to one that is replaced.
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fail(err)
	}
	if err := w.Add(filepath.Dir(path)); err != nil {
		_ = w.Close()
		return fail(err)
	}
	f := &rulesFile{host: h, path: path}
	f.read()
	done := make(chan struct{})
	var following sync.WaitGroup
	following.Go(func() {
		settled := time.NewTimer(time.Hour)
		settled.Stop()
		defer settled.Stop()
		for {
			select {
			case <-done:
				return
			case <-w.Events:
				settled.Reset(rulesSettle)
			case err := <-w.Errors:
				h.log.Error("changes of the file of rules may be missed", "path", path, lattice.LogErr, err)
				settled.Reset(rulesSettle)
			case <-settled.C:
				f.read()
			}
		}
	})
	opened(func(context.Context) error {
		close(done)
		following.Wait()
		return w.Close()
	})
	return nil
}

// rulesFile is the file as it was read last.
type rulesFile struct {
	host *Host
	path string
	data []byte // nil: not yet, or unreadable
}

func (f *rulesFile) read() {
	h := f.host
	data, err := os.ReadFile(f.path)
	if err == nil && f.data != nil && bytes.Equal(data, f.data) {
		return
	}
	first := f.data == nil && h.rules() == h.cfg.Policy.Rules
	f.data = data
	var rules *policy.Rules
	if err == nil {
		rules, err = policy.Parse(data)
	}
	if err != nil {
		h.metrics.RulesReads.WithLabelValues("failed").Inc()
		h.metrics.RulesStale.Set(1)
		h.log.Error("the file of rules cannot be used; the rules before it stay in force", "path", f.path, lattice.LogErr, err)
		return
	}
	h.policyRules.Store(rules)
	h.metrics.RulesReads.WithLabelValues("ok").Inc()
	h.metrics.RulesStale.Set(0)
	if !first {
		h.log.Info("new rules are in force", "path", f.path, "rules", len(rules.List), "default_allow", rules.Permit)
	}
}
