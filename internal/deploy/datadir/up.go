package datadir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/process/background"
	"github.com/weftlattice/weft/lattice"
)

// Up describes the lattice that "weft up" runs with a data directory. The process holds a lock beside the file as long
// as it lives; without the lock the file means nothing.
type Up struct {
	PID      int            `json:"pid"`
	Lattice  lattice.Name   `json:"lattice"`
	NATSURL  string         `json:"nats_url"`             // may hold credentials
	Creds    string         `json:"nats_creds,omitempty"` // file for who gives commands
	CA       string         `json:"nats_ca,omitempty"`
	HostID   lattice.HostID `json:"host_id"`
	Host     string         `json:"host"`
	HTTPAddr string         `json:"http_addr,omitempty"`
	Log      string         `json:"log,omitempty"` // only in the background
	DataDir  string         `json:"data_dir"`

	ServerName string `json:"nats_server_name,omitempty"` // in NATS's certificate
	Domain     string `json:"js_domain,omitempty"`

	// File that the lattice's cluster key is read from; both empty: the data directory keeps it.
	SeedFile string `json:"cluster_seed_file,omitempty"`
	NodeFile string `json:"node_file,omitempty"`
}

// Connection is the way to the lattice, for people.
func (u Up) Connection() natsconn.Config {
	return natsconn.Config{URL: u.NATSURL, CredsFile: u.Creds, TLSCA: u.CA, TLSName: u.ServerName, JSDomain: u.Domain}
}

const (
	upFile = "up.json"
	upLock = "up.lock"
)

// Up returns the lattice that runs with this data directory. ok is false when none does.
func (d Dir) Up() (u Up, ok bool) {
	data, err := os.ReadFile(d.join(upFile))
	if err != nil || json.Unmarshal(data, &u) != nil || u.PID <= 1 {
		return u, false
	}
	release, free, err := d.lock(upLock)
	if err != nil {
		return u, false
	}
	if free {
		release()
		if background.Supported { // the process has died without a word
			return u, false
		}
	}
	return u, true
}

// SaveUp makes known what runs. ClaimUp comes first.
func (d Dir) SaveUp(u Up) error {
	data, err := json.MarshalIndent(u, "", "  ")
	if err != nil {
		return err
	}
	return localfile.Write(d.join(upFile), append(data, '\n'), 0o600)
}

// ClaimUp takes the lock of the data directory for a lattice. lattice.ErrConflict: one runs there. release takes back
// what SaveUp told; its error is that of a file that stays.
func (d Dir) ClaimUp() (release func() error, err error) {
	unlock, ok, err := d.lock(upLock)
	if err != nil {
		return nil, err
	}
	if !ok {
		u, _ := d.Up()
		return nil, d.Taken(u)
	}
	_ = os.Remove(d.join(upFile)) // of one that died
	return func() error {
		defer unlock()
		if err := os.Remove(d.join(upFile)); !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}, nil
}

// Taken is the error of a directory with which a lattice runs already.
func (d Dir) Taken(u Up) error {
	return &lattice.Error{Code: lattice.ErrConflict, Op: "start a lattice in", Entity: string(d),
		Detail: "one runs there already (" + pidText(u.PID) + "); stop it with: weft down, or use another --data-dir"}
}

// AwaitDown waits until the lattice that runs with this directory has ended: until its process has let go of the lock.
func (d Dir) AwaitDown(ctx context.Context, pid int) error {
	const pause = 50 * time.Millisecond
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		if release, free, err := d.lock(upLock); err != nil {
			return err
		} else if free {
			release()
			return nil
		}
		select {
		case <-ctx.Done():
			return &lattice.Error{Code: lattice.ErrTimeout, Op: "stop", Entity: pidText(pid),
				Detail: "it has not ended yet; it may be finishing work"}
		case <-ticker.C:
		}
	}
}

func pidText(pid int) string {
	if pid == 0 {
		return "starting"
	}
	return fmt.Sprintf("pid %d", pid)
}
