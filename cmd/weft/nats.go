package main

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/internal/process/slack"
)

func natsCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "nats", Short: "Run the embedded NATS server alone",
		Example: `  weft nats run
  weft nats run --nats-listen 0.0.0.0 --data-dir /var/lib/weft`}
	cmd.AddCommand(natsRun(a))
	return cmd
}

func natsRun(a *app) *cobra.Command {
	var nats natsFlags
	cmd := &cobra.Command{Use: "run", Short: "Run a NATS server with JetStream, without a host", Args: exactArgs(0),
		Long: `For lattices whose hosts come and go while NATS stays. Beyond loopback clients need what
"weft token create" makes with the same --data-dir; or, without roles, --nats-user and --nats-password, or --nats-token
(better WEFT_NATS_TOKEN).`,
		Example: `  weft nats run
  weft nats run --nats-listen 0.0.0.0 --nats-port 4222`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			slack.Take()
			a.secretFlag(cmd, "nats-password")
			a.secretFlag(cmd, "nats-token")
			log := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelInfo}))
			s, err := nats.start(cmd.Context(), a, log, natsauth.Identity{})
			if err != nil {
				return err
			}
			next := "weft host run --nats-url " + withCredentials(s.operator)
			if s.realm != nil {
				next = "weft token create    and there: weft host run --join TOKEN"
			}
			err = a.printEach(struct {
				NATSURL string `json:"nats_url"`
				DataDir string `json:"data_dir"`
			}{withCredentials(s.operator), a.dataDir}, func(w io.Writer) {
				printf(w, "NATS serves at %s, data in %s\nNext: %s\nCtrl-C ends it.\n", s.URL(), a.dataDir, next)
			})
			if err != nil {
				return err
			}
			select {
			case <-cmd.Context().Done():
			case <-s.Done():
			}
			ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), 10*time.Second)
			defer cancel()
			return s.Close(ctx)
		}}
	nats.flags(cmd.Flags())
	return cmd
}
