package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/lattice"
)

// upState describes the lattice that "weft up" runs with a data directory. The process holds the lock beside the file
// as long as it lives; without the lock the file means nothing.
type upState struct {
	PID      int            `json:"pid"`
	Lattice  lattice.Name   `json:"lattice"`
	NATSURL  string         `json:"nats_url"`
	Creds    string         `json:"nats_creds,omitempty"` // file for who gives commands
	CA       string         `json:"nats_ca,omitempty"`
	HostID   lattice.HostID `json:"host_id"`
	Host     string         `json:"host"`
	HTTPAddr string         `json:"http_addr,omitempty"`
	Log      string         `json:"log,omitempty"` // only when detached
	DataDir  string         `json:"data_dir"`

	ServerName string `json:"nats_server_name,omitempty"` // in NATS's certificate
	Domain     string `json:"js_domain,omitempty"`
}

func (a *app) statePath() string { return filepath.Join(a.dataDir, "up.json") }
func (a *app) lockPath() string  { return filepath.Join(a.dataDir, "up.lock") }
func (a *app) logPath() string   { return filepath.Join(a.dataDir, "up.log") }

// runningHere returns the lattice that runs with this data directory.
func (a *app) runningHere() (upState, bool) {
	var s upState
	data, err := os.ReadFile(a.statePath())
	if err != nil || json.Unmarshal(data, &s) != nil || s.PID <= 1 {
		return s, false
	}
	release, free, err := lock(a.lockPath())
	if err != nil {
		return s, false
	}
	if free {
		release()
		if canDetach { // the process has died without a word
			return s, false
		}
	}
	return s, true
}

// saveState makes a state known. The file may hold credentials, in the URL.
func (a *app) saveState(s upState) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return operate.WriteFile(a.statePath(), append(data, '\n'), 0o600)
}

// claimUp takes the lock of the data directory for "up".
func (a *app) claimUp() (release func(), err error) {
	unlock, ok, err := lock(a.lockPath())
	if err != nil {
		return nil, err
	}
	if !ok {
		s, _ := a.runningHere()
		return nil, &lattice.Error{Code: lattice.ErrConflict, Op: "start a lattice in", Entity: a.dataDir,
			Detail: "one runs there already (" + pidText(s.PID) + "); stop it with: weft down, or use another --data-dir"}
	}
	_ = os.Remove(a.statePath()) // of one that died
	return func() {
		if err := os.Remove(a.statePath()); err != nil && !errors.Is(err, os.ErrNotExist) {
			a.say("weft: warning: %v", err)
		}
		unlock()
	}, nil
}
