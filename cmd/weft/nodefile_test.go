package main

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/lattice/oci"
)

// Settings of the file for registries and a policy service reach the host, unless a flag says otherwise.
func TestNodeFileReachesTheHost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node.yaml")
	if err := os.WriteFile(path, []byte(`weft:
  oci_allow_latest: true
  oci_allowed_insecure: [127.0.0.1:5000, reg.local:80]
  oci_registry: reg.example
  oci_registry_user: me
  oci_registry_password: hush
  policy_topic: policy.ask
  policy_changes_topic: policy.changes
  policy_timeout: 250
`), 0o600); err != nil {
		t.Fatal(err)
	}
	var flags hostFlags
	a := &app{}
	cmd := &cobra.Command{}
	globalFlags(a, cmd.Flags())
	flags.flags(cmd.Flags())
	if err := cmd.ParseFlags([]string{"--policy-changes-topic", "flag.wins"}); err != nil {
		t.Fatal(err)
	}
	if _, err := readNodeFile(path, cmd, &flags); err != nil {
		t.Fatal(err)
	}
	want := oci.Config{AllowLatest: true, Insecure: []string{"127.0.0.1:5000", "reg.local:80"}, DockerConfig: true,
		Credentials: map[string]oci.Credential{"reg.example": {Username: "me", Password: "hush"}}}
	if got := flags.registries.config(); !reflect.DeepEqual(got, want) {
		t.Errorf("registries %+v, want %+v", got, want)
	}
	p, err := flags.policy.config("default")
	if err != nil || p.Topic != "policy.ask" || p.ChangesTopic != "flag.wins" || p.Timeout != 250*time.Millisecond {
		t.Errorf("policy %+v, %v", p, err)
	}
}
