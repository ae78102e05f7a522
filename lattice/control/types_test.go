package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
)

func TestMain(m *testing.M) { latticetest.VerifyMain(m) }

const (
	actorKey    = "M" + key
	providerKey = "V" + key
	hostKey     = "N" + key
	key         = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

func TestDecodeScaleActor(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		want       uint32
		refused    string
	}{
		{"count", `{"actor_ref":"r","count":3}`, 3, ""},
		{"float", `{"actor_ref":"r","count":3.0}`, 3, ""},
		{"text", `{"actor_ref":"r","count":"3"}`, 3, ""},
		{"null", `{"actor_ref":"r","count":null}`, Unbounded, ""},
		{"zero", `{"actor_ref":"r","count":0}`, 0, ""},
		{"the unbounded of new clients", `{"actor_ref":"r","count":4294967295}`, Unbounded, ""},
		{"max_instances", `{"actor_ref":"r","max_instances":2}`, 2, ""},
		{"max_concurrent", `{"actor_ref":"r","max_concurrent":2}`, 2, ""},
		{"old client", `{"actor_id":"` + actorKey + `","actor_ref":"r","count":1,"host_id":"N","annotations":{}}`, 1,
			""},
		{"unknown fields", `{"actor_ref":"r","count":1,"x":[{}]}`, 1, ""},
		{"missing", `{"actor_ref":"r"}`, 0, "count is missing"},
		{"negative", `{"actor_ref":"r","count":-1}`, 0, "count"},
		{"fraction", `{"actor_ref":"r","count":1.5}`, 0, "count"},
		{"too many", `{"actor_ref":"r","count":4294967296}`, 0, "count"},
		{"words", `{"actor_ref":"r","count":"many"}`, 0, "count"},
		{"no reference", `{"count":1}`, 0, "actor_ref is missing"},
		{"not JSON", `{"actor_ref":`, 0, "malformed JSON"},
		{"a list", `[]`, 0, "malformed JSON"},
		{"annotations of another type", `{"actor_ref":"r","count":1,"annotations":[]}`, 0, "annotations"},
		{"annotation of another type", `{"actor_ref":"r","count":1,"annotations":{"a":{}}}`, 0, "annotations.a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := reads[ScaleActorRequest]([]byte(tc.body))
			if tc.refused != "" {
				if !errors.Is(err, lattice.ErrInvalid) || !strings.Contains(err.Error(), tc.refused) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil || r.MaxInstances != tc.want || r.ActorRef != "r" {
				t.Fatalf("got %+v, %v", r, err)
			}
		})
	}
}

func TestDecodeLink(t *testing.T) {
	ok := `{"actor_id":"` + actorKey + `","provider_id":"` + providerKey + `","contract_id":"wasmcloud:keyvalue"`
	for _, tc := range []struct {
		name, body, refused string
	}{
		{"whole", ok + `,"link_name":"a","values":{"k":"v"},"id":"X"}`, ""},
		{"no name, no values", ok + `}`, ""},
		{"scalars", ok + `,"values":{"port":8080,"tls":true,"gone":null}}`, ""},
		{"nested", ok + `,"values":{"port":{}}}`, "values.port"},
		{"name with a dot", ok + `,"link_name":"a.b"}`, "link_name"},
		{"name with a wildcard", ok + `,"link_name":">"}`, "link_name"},
		{"no actor", `{"provider_id":"` + providerKey + `","contract_id":"c"}`, "actor_id is missing"},
		{"provider's key as actor", strings.Replace(ok, actorKey, providerKey, 1) + `}`, "actor_id"},
		{"short provider", strings.Replace(ok, providerKey, "Vx", 1) + `}`, "provider_id"},
		{"contract with spaces", strings.Replace(ok, "wasmcloud:keyvalue", "a b", 1) + `}`, "contract_id"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l, err := DecodeLink([]byte(tc.body))
			if tc.refused != "" {
				if !errors.Is(err, lattice.ErrInvalid) || !strings.Contains(err.Error(), tc.refused) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil || l.LinkName == "" || l.Values == nil {
				t.Fatalf("got %+v, %v", l, err)
			}
			if tc.name == "scalars" && (l.Values["port"] != "8080" || l.Values["tls"] != "true" || len(l.Values) != 2) {
				t.Fatalf("got %v", l.Values)
			}
		})
	}
}

func TestDecodeOtherCommands(t *testing.T) {
	for _, tc := range []struct {
		name    string
		decode  func() (any, error)
		want    any
		refused bool
	}{
		{"la without count", func() (any, error) { return reads[StartActorRequest]([]byte(`{"actor_ref":"r"}`)) },
			StartActorRequest{ActorRef: "r", Count: 1}, false},
		{"la of nothing", func() (any, error) {
			return reads[StartActorRequest]([]byte(`{"actor_ref":"r","count":0}`))
		},
			StartActorRequest{ActorRef: "r", Count: 1}, false},
		{"sa", func() (any, error) {
			return reads[StopActorRequest]([]byte(`{"actor_ref":"` + actorKey + `","count":0,"annotations":null}`))
		}, StopActorRequest{ActorID: actorKey}, false},
		{"sa by reference", func() (any, error) {
			return reads[StopActorRequest]([]byte(`{"actor_ref":"registry/x:1"}`))
		},
			nil, true},
		{"upd", func() (any, error) {
			return reads[UpdateActorRequest]([]byte(`{"actor_ref":"` + actorKey + `","new_actor_ref":"n"}`))
		}, UpdateActorRequest{ActorID: actorKey, NewActorRef: "n"}, false},
		{"upd of the oldest hosts", func() (any, error) {
			return reads[UpdateActorRequest]([]byte(`{"new_actor_ref":"n"}`))
		},
			UpdateActorRequest{NewActorRef: "n"}, false},
		{"lp", func() (any, error) {
			return reads[StartProviderRequest](
				[]byte(`{"provider_ref":"r","configuration":"c","annotations":{"a":"b"}}`))
		}, StartProviderRequest{ProviderRef: "r", LinkName: "default", Configuration: "c",
			Annotations: map[string]string{"a": "b"}}, false},
		{"lp with a bad link", func() (any,
			error) {
			return reads[StartProviderRequest]([]byte(`{"provider_ref":"r","link_name":"*"}`))
		}, nil, true},
		{"sp", func() (any, error) {
			return reads[StopProviderRequest]([]byte(`{"provider_ref":"` + providerKey +
				`","link_name":"l","contract_id":"c"}`))
		}, StopProviderRequest{ProviderID: providerKey, LinkName: "l", ContractID: "c"}, false},
		{"stop", func() (any, error) { return reads[StopHostRequest]([]byte(`{"host_id":"x","timeout":2000}`)) },
			StopHostRequest{TimeoutMs: 2000}, false},
		{"stop without body", func() (any, error) { return reads[StopHostRequest](nil) }, StopHostRequest{}, false},
		{"label without key", func() (any, error) { return reads[LabelRequest]([]byte(`{"value":"v"}`)) }, nil, true},
		{"remove link of new clients", func() (any, error) {
			return reads[RemoveLinkRequest]([]byte(`{"actor_id":"` + actorKey +
				`","contract_id":"c","link_name":"l","provider_id":"","values":{}}`))
		}, RemoveLinkRequest{actorKey, "c", "l"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := tc.decode()
			if tc.refused != (err != nil) || (err == nil && !reflect.DeepEqual(got, tc.want)) {
				t.Fatalf("got %+v, %v", got, err)
			}
		})
	}
}

func TestInventoryOfEveryEra(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		want       uint32
	}{
		{"0.82", `{"actors":[{"id":"KEY","instances":[{"max_instances":5,"max_concurrent":5}]}]}`, 5},
		{"0.79", `{"actors":[{"id":"KEY","instances":[{"max_concurrent":5,"annotations":null}]}]}`, 5},
		{"0.79 without limit", `{"actors":[{"id":"KEY","instances":[{"max_concurrent":null}]}]}`, Unbounded},
		{"otp", `{"actors":[{"id":"KEY","name":null,"instances":[{"instance_id":"x","revision":4}]}]}`, 1},
		{"alias of the key", `{"actors":[{"public_key":"KEY","instances":[{"max_instances":2}]}]}`, 2},
		{"old heartbeat", `{"actors":{"KEY":3}}`, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inv, err := DecodeInventory([]byte(strings.ReplaceAll(tc.body, "KEY", actorKey)))
			if err != nil || len(inv.Actors) != 1 || string(inv.Actors[0].ID) != actorKey ||
				inv.Actors[0].Instances[0].MaxInstances != tc.want {
				t.Fatalf("got %+v, %v", inv, err)
			}
		})
	}
}

func TestInventoryOnTheWire(t *testing.T) {
	inv := HostInventory{HostID: hostKey, Version: "0.82.0",
		Actors:    []Actor{{ID: actorKey, Instances: []ActorInstance{{MaxInstances: Unbounded, Revision: 4}}}},
		Providers: []Provider{{ID: providerKey, LinkName: "default", ContractID: "c"}}}
	b, err := json.Marshal(inv)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"host_id":"` + hostKey + `","issuer":"","friendly_name":"","labels":{},"actors":[{"id":"` + actorKey +
		`","image_ref":"","name":"","instances":[{"annotations":{},"instance_id":"","revision":4,` +
		`"max_instances":4294967295,"max_concurrent":65535}]}],"providers":[{"id":"` + providerKey +
		`","contract_id":"c","link_name":"default",` +
		`"annotations":{},"revision":0}],"version":"0.82.0","uptime_human":"","uptime_seconds":0}`
	if string(b) != want {
		t.Fatalf("got  %s\nwant %s", b, want)
	}
	if empty, _ := json.Marshal(HostInventory{}); strings.Contains(string(empty), "null") {
		t.Fatalf("null in %s", empty)
	}
}

// When the state's bucket was made is a time, or not known, as of hosts of other software.
func TestWhenTheStateOfAnInventoryWasMade(t *testing.T) {
	made := time.Date(2026, 11, 30, 7, 0, 0, 123456789, time.UTC)
	b, err := json.Marshal(HostInventory{HostID: hostKey, StateMade: &made})
	if err != nil {
		t.Fatal(err)
	}
	if inv, err := DecodeInventory(b); err != nil || inv.StateMade == nil || !inv.StateMade.Equal(made) {
		t.Errorf("%s: %v, %v", b, inv.StateMade, err)
	}
	for _, text := range []string{`{"host_id":"` + hostKey + `"}`, `{"host_id":"` + hostKey +
		`","state_made":"soon"}`} {
		if inv, err := DecodeInventory([]byte(text)); err != nil || inv.StateMade != nil {
			t.Errorf("%s: %v, %v", text, inv.StateMade, err)
		}
	}
}

// No domain is another thing than one that is not known, as that of hosts that do not tell it.
func TestDomainOfAnInventory(t *testing.T) {
	for text, want := range map[string]string{`"hub"`: "hub", `""`: "", `null`: "not known"} {
		inv, err := DecodeInventory([]byte(`{"host_id":"` + hostKey + `","js_domain":` + text + `}`))
		domain := "not known"
		if inv.JSDomain != nil {
			domain = *inv.JSDomain
		}
		if err != nil || domain != want {
			t.Errorf("js_domain %s: %q %v", text, domain, err)
		}
	}
}

func TestHostOnTheWire(t *testing.T) {
	h := Host{ID: hostKey, ClusterIssuers: CommaList[lattice.ClusterID]{"CA", "CB"}, Lattice: "x", LatticePrefix: "x"}
	b, err := json.Marshal(h)
	if err != nil || !strings.Contains(string(b), `"cluster_issuers":"CA,CB"`) {
		t.Fatalf("got %s, %v", b, err)
	}
	got, err := DecodeHost(b)
	if err != nil || !reflect.DeepEqual(got.ClusterIssuers, h.ClusterIssuers) {
		t.Fatalf("got %+v, %v", got, err)
	}
	got, err = DecodeHost([]byte(`{"id":"` + hostKey +
		`","js_domain":null,"lattice_prefix":"old","cluster_issuers":["CA"],"uptime_seconds":1.0}`))
	if err != nil || got.Lattice != "old" || got.UptimeSeconds != 1 {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestClaimsOfEveryEra(t *testing.T) {
	actor := Claims{Subject: actorKey, Issuer: "A", Name: "n", Revision: 4, Version: "1", CallAlias: "alias",
		Caps: []lattice.ContractID{"a", "b"}, Tags: []string{"t"}}
	provider := Claims{Subject: providerKey, Issuer: "A", Name: "n", Revision: 4, Version: "1", ContractID: "c"}
	for _, tc := range []struct {
		name, body string
		want       Claims
	}{
		{"old actor", `{"call_alias":"alias","caps":"a,b","contract_id":"","iss":"A","name":"n","rev":"4","sub":"M",` +
			`"tags":"t","version":"1"}`, actor},
		{"old provider", `{"call_alias":"","caps":"","contract_id":"c","iss":"A","name":"n","rev":"4","sub":"V",` +
			`"tags":"","version":"1"}`, provider},
		{"new actor", `{"call_alias":"alias","capabilities":["a","b"],"issuer":"A","name":"n","revision":"4",` +
			`"subject":"M","tags":["t"],"version":"1"}`, actor},
		{"new provider", `{"contract_id":"c","issuer":"A","name":"n","revision":"4","subject":"V","version":"1",` +
			`"config_schema":null}`, provider},
		{"nulls and numbers", `{"call_alias":"alias","caps":["a","b"],"iss":"A","name":"n","rev":4,"sub":"M",` +
			`"tags":["t"],"version":1,"contract_id":null}`, actor},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body := strings.NewReplacer(`"M"`, `"`+actorKey+`"`, `"V"`, `"`+providerKey+`"`).Replace(tc.body)
			got, err := DecodeClaims([]byte(body))
			if err != nil || !reflect.DeepEqual(got, tc.want) {
				t.Fatalf("got %+v, %v", got, err)
			}
			reply, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			var flat map[string]string // what old clients decode it as
			if err := json.Unmarshal(reply, &flat); err != nil || flat["sub"] != flat["subject"] || flat["rev"] != "4" {
				t.Fatalf("reply %s: %v", reply, err)
			}
			if again, err := DecodeClaims(reply); err != nil || !reflect.DeepEqual(again, tc.want) {
				t.Fatalf("got back %+v, %v", again, err)
			}
		})
	}
	if _, err := DecodeClaims([]byte(`{"sub":"Nope"}`)); !errors.Is(err, lattice.ErrInvalid) {
		t.Fatalf("got %v", err)
	}
}

func TestRegistryCredentialsHideSecrets(t *testing.T) {
	r, err := reads[RegistryCredentials]([]byte(
		`{"r:5000":{"registryType":"oci","username":"u","password":"hunter2"}}`))
	if err != nil || r["r:5000"].Password != "hunter2" {
		t.Fatalf("got %v", err)
	}
	if s := fmt.Sprintf("%v %+v %#v", r, r, r["r:5000"]); strings.Contains(s, "hunter2") {
		t.Fatalf("shown: %s", s)
	}
	if _, err := reads[RegistryCredentials]([]byte(`{"r":{"password":{"x":"hunter2"}}}`)); err == nil ||
		strings.Contains(err.Error(), "hunter2") {
		t.Fatalf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{``, `{}`, `null`, `[]`, `{"actor_ref":"r","count":3.0,"annotations":{"a":1}}`,
		`{"actor_id":"` + actorKey + `","provider_id":"` + providerKey + `","contract_id":"c","values":{"a":null}}`,
		`{"sub":"` + providerKey + `","tags":[],"config_schema":{}}`,
		`{"actors":{"` + actorKey + `":1},"providers":[{"id":"` + providerKey + `"}]}`,
		`{"id":"` + hostKey + `","cluster_issuers":"a,b","uptime_seconds":1e3}`, `{"count":1e400}`,
		`{"time":"2024-01-01T00:00:00Z"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = reads[StartActorRequest](b)
		_, _ = reads[StopActorRequest](b)
		_, _ = reads[UpdateActorRequest](b)
		_, _ = reads[StartProviderRequest](b)
		_, _ = reads[StopProviderRequest](b)
		_, _ = reads[StopHostRequest](b)
		_, _ = reads[RemoveLinkRequest](b)
		_, _ = reads[LabelRequest](b)
		_, _ = reads[ActorAuctionRequest](b)
		_, _ = reads[ProviderAuctionRequest](b)
		_, _ = reads[RegistryCredentials](b)
		_, _ = reads[LogsRequest](b)
		_, _ = decodeAck(b)
		_, _ = decodeLogLine(b)
		if r, err := reads[ScaleActorRequest](b); err == nil {
			again(t, r, reads[ScaleActorRequest])
		}
		if l, err := DecodeLink(b); err == nil {
			again(t, l, DecodeLink)
		}
		if c, err := DecodeClaims(b); err == nil {
			reencodes(t, c)
		}
		if h, err := DecodeHost(b); err == nil {
			reencodes(t, h)
		}
		if inv, err := DecodeInventory(b); err == nil {
			reencodes(t, inv)
		}
	})
}

// again: what was accepted once is accepted again, and means the same.
func again[T any](t *testing.T, v T, decode func([]byte) (T, error)) {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode(b)
	if err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	b2, err := json.Marshal(got)
	if err != nil || string(b) != string(b2) {
		t.Fatalf("%s became %s: %v", b, b2, err)
	}
}

func reencodes(t *testing.T, v any) {
	b, err := json.Marshal(v)
	if err != nil || strings.Contains(string(b), ":null") {
		t.Fatalf("%s: %v", b, err)
	}
}

// reads decodes a request as a host does.
func reads[R any, P interface {
	*R
	json.Unmarshaler
}](b []byte) (r R, err error) {
	err = P(&r).UnmarshalJSON(b)
	return r, err
}
