package permit

import (
	"bytes"
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

// rulesFile is the file of rules as it was read last. It is followed until it is closed.
type rulesFile struct {
	policy    *Policy
	path      string
	data      []byte // nil: not yet, or unreadable
	watcher   *fsnotify.Watcher
	done      chan struct{}
	following sync.WaitGroup
}

// follow reads the file of rules again when it changes. New rules are in force for all that is asked from then on;
// decisions by rules are not remembered. A file that cannot be used leaves the old rules in force, and says so.
func (p *Policy) follow(path string) (*rulesFile, error) {
	fail := func(err error) error {
		return &lattice.Error{Code: lattice.ErrUnavailable, Op: "follow the file of rules", Entity: path, Err: err}
	}
	// Before the first look, so that no change falls in between. The folder is watched, since a file is replaced as
	// often as it is written, and in a mounted ConfigMap it is a link to one that is replaced.
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fail(err)
	}
	if err := w.Add(filepath.Dir(path)); err != nil {
		_ = w.Close()
		return nil, fail(err)
	}
	f := &rulesFile{policy: p, path: path, watcher: w, done: make(chan struct{})}
	f.read()
	f.following.Go(f.watch)
	return f, nil
}

// watch reads the file after each change, until it is closed.
func (f *rulesFile) watch() {
	settled := time.NewTimer(time.Hour)
	settled.Stop()
	defer settled.Stop()
	for {
		select {
		case <-f.done:
			return
		case <-f.watcher.Events:
			settled.Reset(rulesSettle)
		case err := <-f.watcher.Errors:
			f.policy.cfg.Logger.Error("changes of the file of rules may be missed", "path", f.path, lattice.LogErr, err)
			settled.Reset(rulesSettle)
		case <-settled.C:
			f.read()
		}
	}
}

func (f *rulesFile) close() error {
	close(f.done)
	f.following.Wait()
	return f.watcher.Close()
}

func (f *rulesFile) read() {
	p := f.policy
	data, err := os.ReadFile(f.path)
	if err == nil && f.data != nil && bytes.Equal(data, f.data) {
		return
	}
	first := f.data == nil && p.rules.Load() == p.cfg.Rules
	f.data = data
	var rules *policy.Rules
	if err == nil {
		rules, err = policy.Parse(data)
	}
	if err != nil {
		p.cfg.Metrics.RulesReads.WithLabelValues("failed").Inc()
		p.cfg.Metrics.RulesStale.Set(1)
		p.cfg.Logger.Error("the file of rules cannot be used; the rules before it stay in force", "path", f.path,
			lattice.LogErr, err)
		return
	}
	p.rules.Store(rules)
	p.cfg.Metrics.RulesReads.WithLabelValues("ok").Inc()
	p.cfg.Metrics.RulesStale.Set(0)
	if !first {
		p.cfg.Logger.Info("new rules are in force", "path", f.path, "rules", len(rules.List), "default_allow",
			rules.Permit)
	}
}
