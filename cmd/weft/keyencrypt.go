package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/lattice/signing"
)

func keyEncrypt(a *app) *cobra.Command {
	return &cobra.Command{Use: "encrypt KEY...", ValidArgsFunction: keyNames(a), Short: "Encrypt stored keys with a passphrase", Args: rangeArgs(1, -1),
		Long: `The file is replaced; copies that were made of it, and what the disk keeps, stay as they are. All keys of one data
directory have one passphrase. To change it: decrypt, then encrypt.

A host that runs as a service reads the passphrase from a file that systemd hands over:
  LoadCredential=weft-passphrase:/etc/weft/passphrase
  Environment=WEFT_KEY_PASSPHRASE_FILE=%d/weft-passphrase`,
		Example: `  weft key encrypt cluster account host
  weft key encrypt module/echo --key-passphrase-file ~/.weft-passphrase`,
		RunE: func(_ *cobra.Command, args []string) error { return recrypt(a, args, (*signing.Keystore).Encrypt) }}
}

func keyDecrypt(a *app) *cobra.Command {
	return &cobra.Command{Use: "decrypt KEY...", ValidArgsFunction: keyNames(a), Short: "Store encrypted keys in the clear again", Args: rangeArgs(1, -1),
		Example: `  weft key decrypt cluster
  weft key decrypt account host`,
		RunE: func(_ *cobra.Command, args []string) error { return recrypt(a, args, (*signing.Keystore).Decrypt) }}
}

// recrypt changes how keys are stored.
func recrypt(a *app, queries []string, change func(s *signing.Keystore, kind byte, name string) error) error {
	views := []signing.KeyInfo{}
	for _, q := range queries {
		store, info, err := a.findKey(q)
		if err != nil {
			return err
		}
		kind, err := signing.ParseKind(info.Kind)
		if err != nil {
			return err
		}
		if err := change(store, kind, info.Name); err != nil {
			return err
		}
		if _, info, err = a.findKey(info.Public); err != nil {
			return err
		}
		views = append(views, info)
	}
	return a.print(views, func(w io.Writer) {
		for _, k := range views {
			printf(w, "%s/%s is stored %s\n", k.Kind, k.Name, or(stored(k), "in the clear"))
		}
	})
}
