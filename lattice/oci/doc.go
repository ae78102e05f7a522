// Package oci fetches modules and provider archives from registries and puts them there, and keeps them in OCI image
// layouts for places without a network.
//
//	client, err := oci.New(oci.Config{Credentials: map[string]oci.Credential{
//		"registry.example": {Username: u, Password: p}}})
//	defer client.Close()
//	ref, err := oci.ParseReference("registry.example/acme/echo:1.0")
//	a, err := client.Pull(ctx, ref) // a.Data is the module
//
// An artifact has at most Config.MaxBytes. A Client is safe for concurrent use; a Layout being written is not. The tag
// latest is refused unless Config.AllowLatest takes it, since it does not say what is meant.
package oci
