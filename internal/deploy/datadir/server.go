package datadir

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/lattice"
)

// Server is what has to be known about the NATS server of a data directory to join it.
type Server struct {
	Lattice    lattice.Name `json:"lattice"`
	Listen     string       `json:"listen"`
	Port       int          `json:"port"`
	Plain      bool         `json:"plain,omitempty"`
	CAFile     string       `json:"ca_file,omitempty"`
	ServerName string       `json:"server_name,omitempty"`
}

func (d Dir) serverFile() string { return filepath.Join(d.access(), "server.json") }

// Server returns the server that others can join. lattice.ErrNotFound: none was started here.
func (d Dir) Server() (s Server, err error) {
	data, err := os.ReadFile(d.serverFile())
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return s, &lattice.Error{Code: lattice.ErrNotFound, Op: "find the NATS server of", Entity: string(d),
			Detail: "none was started here that others can join; start one with: weft up --nats-listen 0.0.0.0"}
	}
	return s, nil
}

// SaveServer notes a server that others can join; nil: there is none.
func (d Dir) SaveServer(s *Server) error {
	path := d.serverFile()
	if s == nil {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return localfile.Error("remove", path, err)
		}
		return nil
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return localfile.Write(path, append(data, '\n'), 0o600)
}
