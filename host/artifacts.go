package host

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/host/internal/artifact"
	"github.com/weftlattice/weft/internal/certfile"
	"github.com/weftlattice/weft/internal/files"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice/oci"
)

// artifacts are fetched by a resolver, into a folder.
type artifacts struct {
	*artifact.Resolver
	temp         *files.Temp         // nil: they are kept
	certificates []certfile.Expiring // whose end is measured
}

// open makes the resolver. Without a data directory artifacts lie in a temporary folder, which close deletes.
func (a *artifacts) open(cfg *Config, conn *nats.Conn, log *slog.Logger) (err error) {
	dir := cfg.dir("artifacts")
	if dir == "" {
		if a.temp, err = files.NewTemp("", "weft-artifacts-"); err != nil {
			return fmt.Errorf("make a folder for artifacts: %w", err)
		}
		dir = a.temp.Dir()
	}
	js, err := natsconn.JetStream(conn)
	if err != nil {
		return err
	}
	registries := cfg.OCI
	registries.Logger = log
	client, err := oci.New(registries)
	if err != nil {
		return err
	}
	for _, c := range cfg.Certificates {
		a.certificates = append(a.certificates, c)
	}
	if roots := client.Authorities(); roots != nil {
		a.certificates = append(a.certificates, roots)
	}
	a.Resolver, err = artifact.New(artifact.Config{Lattice: cfg.Lattice, JetStream: js, CacheDir: dir,
		AllowFileLoad: cfg.AllowFileLoad,
		OCI:           client, Logger: log})
	return err
}

func (a *artifacts) close(context.Context) error {
	if a.Resolver != nil {
		a.Resolver.Close()
	}
	if a.temp == nil {
		return nil
	}
	return a.temp.Close()
}
