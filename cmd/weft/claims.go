package main

import (
	"cmp"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
)

func claimsList(a *app) *cobra.Command {
	return &cobra.Command{Use: "claims", Short: "List the claims of all actors and providers that the lattice knows",
		Args: exactArgs(0),
		Example: `  weft get claims
  weft get claims -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, v, done, err := a.look(cmd)
			if err != nil {
				return err
			}
			defer done()
			claims := v.Claims
			if claims == nil {
				claims = []control.Claims{}
			}
			slices.SortStableFunc(claims, func(x, y control.Claims) int {
				return cmp.Or(strings.Compare(x.Name, y.Name), strings.Compare(x.Subject, y.Subject))
			})
			return a.print(claims, func(w io.Writer) {
				var rows [][]string
				for _, c := range claims {
					rows = append(rows, cells(c.Name, c.Subject, c.Revision,
						or(c.ContractID, strings.Join(lattice.Texts(c.Caps), ",")), c.Issuer))
				}
				a.table(w, "NAME SUBJECT~ REVISION CONTRACTS ISSUER~", rows)
			})
		}}
}
