package main

import (
	"github.com/spf13/pflag"

	"github.com/weftlattice/weft/lattice/oci"
)

// registryFlags say how to talk to OCI registries.
type registryFlags struct {
	latest                       bool
	insecure                     []string
	ca, registry, user, password string
}

func (r *registryFlags) flags(f *pflag.FlagSet) {
	f.BoolVar(&r.latest, "oci-allow-latest", false, "take the tag latest, and references without a tag")
	r.accessFlags(f)
}

// hidden are the flags, for commands that seldom need a registry; their variables are the same.
func (r *registryFlags) hidden(f *pflag.FlagSet) {
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	r.flags(own)
	own.VisitAll(func(flag *pflag.Flag) { flag.Hidden = true })
	f.AddFlagSet(own)
}

// accessFlags are those that pushing needs, too.
func (r *registryFlags) accessFlags(f *pflag.FlagSet) {
	f.StringSliceVar(&r.insecure, "oci-allowed-insecure", nil,
		"registries (host:port) to speak plain HTTP to, separated by commas")
	f.StringVar(&r.ca, "oci-ca", "", "PEM file of authorities to trust for registries besides the system's")
	f.StringVar(&r.registry, "oci-registry", "",
		"registry that --oci-user and --oci-password are for; others are looked up where docker login keeps them")
	f.StringVar(&r.user, "oci-user", "", "user name at that registry")
	f.StringVar(&r.password, "oci-password", "", "password or token at that registry")
	for _, name := range []string{"oci-registry", "oci-user", "oci-password"} {
		_ = f.MarkHidden(name)
	}
}

func (r *registryFlags) config() oci.Config {
	c := oci.Config{AllowLatest: r.latest, Insecure: r.insecure, CAFile: r.ca, DockerConfig: true}
	if r.registry != "" && (r.user != "" || r.password != "") {
		c.Credentials = map[string]oci.Credential{r.registry: {Username: r.user, Password: r.password}}
	}
	return c
}
