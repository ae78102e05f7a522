package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/internal/nearest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/event"
)

func eventsCmd(a *app) *cobra.Command {
	var types []string
	var count int
	cmd := &cobra.Command{Use: "events", Aliases: []string{"event"}, Short: "Watch what happens in the lattice",
		Args: exactArgs(0),
		Long: `Prints each event as it comes, until Ctrl-C. With -o json each is a line: ` +
			`the CloudEvent as it was published.`,
		Example: `  weft events
  weft events --type actor_scaled --type host_stopped -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkEventNames(types); err != nil {
				return err
			}
			l, done, err := a.connect(cmd)
			if err != nil {
				return err
			}
			defer done()
			ctx := cmd.Context()
			sub, err := event.Subscribe(ctx, l.Conn(), l.Name(), types...)
			if err != nil {
				return err
			}
			defer sub.Close()
			defer operate.TellGaps(l.Conn(), a.tellGap)()
			a.say("- watching lattice %s; Ctrl-C ends", l.Name())
			for n := 0; count == 0 || n < count; n++ {
				e, err := sub.Next(ctx)
				switch {
				case ctx.Err() != nil:
					return nil
				case lattice.CodeOf(err) == lattice.ErrBusy:
					a.say("weft: warning: events were lost, this terminal is too slow")
					n--
					continue
				case err != nil:
					return err
				}
				if err := a.printEach(e, func(w io.Writer) { eventLine(w, e) }); err != nil {
					return err
				}
			}
			return nil
		}}
	cmd.Flags().StringSliceVar(&types, "type", nil, "only events of this name, as actor_scaled; may be repeated")
	countFlag(cmd.Flags(), &count, "count", "", "end after so many events")
	return cmd
}

// checkEventNames refuses what no event is called, since a watch for it would show nothing for ever.
func checkEventNames(names []string) error {
	known := event.Names()
	for _, name := range names {
		if !slices.Contains(known, name) {
			return usage.Errorf("--type %q: there is no such event; %s", name, or(nearest.DidYouMean(name, known),
				"there are "+strings.Join(known, ", ")))
		}
	}
	return nil
}

// eventLine shows what most events have: time, name, where, what about whom.
func eventLine(w io.Writer, e event.Event) {
	var d struct {
		FriendlyName string             `json:"friendly_name"`
		PublicKey    string             `json:"public_key"`
		ActorID      string             `json:"actor_id"`
		ProviderID   string             `json:"provider_id"`
		ContractID   lattice.ContractID `json:"contract_id"`
		LinkName     string             `json:"link_name"`
		ImageRef     string             `json:"image_ref"`
		ActorRef     string             `json:"actor_ref"`
		ProviderRef  string             `json:"provider_ref"`
		Max          *uint32            `json:"max_instances"`
		Error        string             `json:"error"`
		Reason       string             `json:"reason"`
		Claims       json.RawMessage    `json:"claims"`
	}
	_ = json.Unmarshal(e.Data, &d) // what does not fit stays empty
	var c struct {
		Name string `json:"name"`
	}
	_ = json.Unmarshal(d.Claims, &c)
	parts := []string{e.Time.Local().Format(time.TimeOnly), fmt.Sprintf("%-22s", e.Name()), short(e.Source)}
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+"="+value)
		}
	}
	add("name", or(c.Name, d.FriendlyName))
	add("id", short(d.PublicKey))
	add("actor", short(d.ActorID))
	add("provider", short(d.ProviderID))
	add("contract", string(d.ContractID))
	add("link", d.LinkName)
	if d.Max != nil {
		add("max", fmt.Sprint(*d.Max))
	}
	add("ref", or(or(d.ImageRef, d.ActorRef), d.ProviderRef))
	switch data, _ := e.Decode(); about := data.(type) { // these are about another host than the one that tells
	case event.HostLost:
		add("id", short(string(about.HostID)))
		add("heard", about.LastHeard.Local().Format(time.TimeOnly))
		add("ran", ran(about.LostHost))
	case event.HostFound:
		add("id", short(string(about.HostID)))
	}
	add("reason", d.Reason)
	add("error", d.Error)
	printf(w, "%s\n", strings.Join(parts, " "))
}

// short is the beginning of an id, enough to tell it from others and to type.
func short(id string) string {
	if strings.HasPrefix(id, "sha256:") {
		return shortDigest(id)
	}
	if len(id) > 8 {
		return id[:8]
	}
	return id
}
