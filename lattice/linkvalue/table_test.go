package linkvalue_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/linkvalue"
)

var update = flag.Bool("update", false, "rewrite the tables in docs/providers.md")

// What a user mistypes, or knows from elsewhere, is an error that says what to write.
func TestValuesThatWouldBeIgnoredAreRefused(t *testing.T) {
	for _, tc := range []struct {
		table               *linkvalue.Table
		name, value, detail string
	}{
		{linkvalue.HTTPServer, "adress", "0.0.0.0:80", "httpserver knows no such value; did you mean address?"},
		{linkvalue.HTTPServer, "max_content_length", "1M", "did you mean max_content_len"},
		{linkvalue.HTTPServer, "tls_cert", "x", "did you mean tls_cert_file?"},
		{linkvalue.HTTPServer, "bucket", "x", "there are address, cache_control, "},
		{linkvalue.HTTPServer, "cors_allowed_origins", "*", "not supported; let the actor answer OPTIONS"},
		{linkvalue.HTTPServer, "config_file", "x.toml", "not supported; put the settings into config_json"},
		{linkvalue.HTTPServer, "path", "/a/%2e%2E/b", "clients never send .. in a path"},
		{linkvalue.HTTPServer, "path", "/a/%2A", `a path is the beginning of others, not a pattern; want "/a"`},
		{linkvalue.HTTPServer, "trusted_proxies", "10.0.0.0/8, nginx",
			`"nginx" is no address and no network; want such as 10.0.0.7`},
		{linkvalue.HTTPServer, "forwarded_header", "via", "want x-forwarded or forwarded"},
		{linkvalue.HTTPServer, "client_share", "101", "want a number from 1 to 100"},
		{linkvalue.HTTPServer, "path", "/v1/*", `a path is the beginning of others, not a pattern; want "/v1"`},
		{linkvalue.HTTPServer, "path", "/*", `want "/"`},
		{linkvalue.HTTPServer, "path", "/users/{id}/x", `want "/users"`},
		{linkvalue.HTTPServer, "path", "/users/:id", `want "/users"`},
		{linkvalue.HTTPServer, "path", "/a?b=c", `want "/a"`},
		{linkvalue.HTTPServer, "path", "/a/../b", "clients never send .. in a path"},
		{linkvalue.HTTPServer, "path", "a", `want a path that begins with "/"`},
		{linkvalue.HTTPServer, "path", "/a\x00", `want a path that begins with "/"`},
		{linkvalue.HTTPServer, "config_json", `{"adress": "x"}`, "did you mean address?"},
		{linkvalue.HTTPServer, "config_json", `{"cors": {"allowed_origins": "*"}}`, "not supported; let the actor"},
		{linkvalue.HTTPServer, "config_json", `{"config_json": "{}"}`, "there is another config_json in it"},
		{linkvalue.HTTPServer, "max_body_bytes", "1G", "want a number of bytes from 1 to 133169152"},
		// 1 MiB in 64 bits
		{linkvalue.HTTPServer, "max_body_bytes", "-17592186044415M", "want a number of bytes from 1 to 133169152"},
		{linkvalue.HTTPClient, "allowed_host", "x", "did you mean allowed_hosts"},
		{linkvalue.HTTPClient, "allowed_hosts", "a.example, https://b.example/",
			`"https://b.example/": a host has no path and no user; want "https://b.example"`},
		{linkvalue.HTTPClient, "allowed_hosts", "a.*", `"a.*": a name is made of letters`},
		{linkvalue.HTTPClient, "allowed_hosts", "127.1", `"127.1": an IPv4 address is written as four decimal numbers`},
		{linkvalue.HTTPClient, "allowed_schemes", "ftp", `"ftp": want http or https`},
		{linkvalue.HTTPClient, "allowed_ports", "99-1", "want a port, 1 to 65535, or a range as 8000-8099"},
		{linkvalue.HTTPClient, "allowed_methods", "CONNECT", "no tunnels are made"},
		{linkvalue.HTTPClient, "allowed_methods", "GET;POST", "want methods such as GET,POST, or *"},
		{linkvalue.HTTPClient, "allowed_networks", "private", `"private" is no address and no network`},
		{linkvalue.HTTPClient, "proxy", "https://user:secret@proxy",
			"want http://[USER:PASSWORD@]HOST:PORT, or environment"},
		{linkvalue.HTTPClient, "ca_pem", "x", "want certificates in PEM form"},
		{linkvalue.HTTPClient, "cert_file", "x", "certificate and key go together"},
		{linkvalue.KeyvalueRedis, "passwort", "x", "did you mean password?"},
		{linkvalue.KeyvalueRedis, "db", "-1", "want a number from 0"},
		{linkvalue.KeyvalueNATS, "replica", "3", "did you mean replicas?"},
		{linkvalue.KeyvalueNATS, "storage", "File", "want file or memory"},
	} {
		problems := tc.table.Check(linkvalue.Values{tc.name: tc.value})
		if len(problems) != 1 || !strings.Contains(problems[0].Detail, tc.detail) {
			t.Errorf("%s=%s: %q, want %q", tc.name, tc.value, problems, tc.detail)
		}
		if _, err := tc.table.Read(linkvalue.Values{tc.name: tc.value}, nil); !errors.Is(err, lattice.ErrInvalid) ||
			!strings.Contains(err.Error(), tc.detail) {
			t.Errorf("%s=%s is read with %v", tc.name, tc.value, err)
		}
	}
	problems := linkvalue.HTTPServer.Check(linkvalue.Values{"adress": "x", "port": "x", "timeout_ms": "x",
		"path": "/good"})
	if len(problems) != 3 || problems[0].Name != "adress" || problems[1].Name != "port" ||
		problems[2].Name != "timeout_ms" {
		t.Errorf("several problems at once: %q", problems)
	}
}

func TestPathsThatRequestsMatchAreTaken(t *testing.T) {
	for path, want := range map[string]string{"/": "/", "//": "/", "/a/": "/a", "/café": "/café", "/a b": "/a b",
		"/100%": "/100%", "/caf%C3%A9": "/caf%C3%A9", "/a%20b": "/a%20b", "/a%2Fb": "/a%2Fb", "/a*": "/a*",
		"/a:b": "/a:b", "/a//b": "/a//b", "/.well-known": "/.well-known"} {
		s, err := linkvalue.HTTPServer.Read(linkvalue.Values{"path": path}, nil)
		if err != nil || s.Text("path") != want {
			t.Errorf("%q: %q, %v", path, s.Text("path"), err)
		}
	}
}

// A link says it under one name, the process under another: the link wins.
func TestNamesOfOneSettingAreOneSetting(t *testing.T) {
	read := func(link, defaults linkvalue.Values) int64 {
		s, err := linkvalue.HTTPServer.Read(link, defaults)
		if err != nil {
			t.Error(err)
		}
		return s.Number("max_body_bytes")
	}
	if n := read(linkvalue.Values{"max_content_len": "2"}, linkvalue.Values{"max_body_bytes": "3"}); n != 2 {
		t.Errorf("%d, want the link's 2", n)
	}
	if n := read(linkvalue.Values{"MAX_BODY_BYTES": "4", "config_json": `{"max_content_len": 5}`}, nil); n != 4 {
		t.Errorf("%d, want 4 of the link itself", n)
	}
	if n := read(linkvalue.Values{"max_body_bytes": "", "max_content_len": "6"}, nil); n != 6 {
		t.Errorf("%d, want 6, since empty is not set", n)
	}
	if n := read(nil, nil); n != 10<<20 {
		t.Errorf("%d by default", n)
	}
	for _, values := range []linkvalue.Values{{"max_content_len": "1", "max_body_bytes": "2"},
		{"port": "1", "PORT": "2"}, {"config_json": "{}", "config_b64": "e30"}} {
		if problems := linkvalue.HTTPServer.Check(values); len(problems) != 1 {
			t.Errorf("%v: %q, want one problem", values, problems)
		}
	}
	for _, values := range []linkvalue.Values{{"address": "0.0.0.0:80", "port": "81"}, {"tls_key_file": "x"}} {
		if problems := linkvalue.HTTPServer.Check(values); len(problems) != 1 {
			t.Errorf("%v: %q, want one problem", values, problems)
		}
	}
}

// A bad value is said once, though a part of a list that is the whole of it is named, too; and a link without what it
// is of no use without is told so.
func TestABadValueIsSaidOnce(t *testing.T) {
	for name, want := range map[string]string{
		"allowed_networks": `"private" is no address and no network; want such as 10.0.0.7, 192.0.2.0/24 or ` +
			`2001:db8::/32, separated by commas`,
		"allowed_schemes": `"private": want http or https`,
		"timeout":         `"private"; want `,
	} {
		problems := linkvalue.HTTPClient.Check(linkvalue.Values{name: "private"})
		if len(problems) != 1 || !strings.HasPrefix(problems[0].Detail, want) {
			t.Errorf("%s: %q, want %q", name, problems, want)
		}
	}
	for hosts, want := range map[string]int{"": 1, "example.com": 0} {
		if got := linkvalue.HTTPClient.Missing(linkvalue.Values{"allowed_hosts": hosts}); len(got) != want {
			t.Errorf("allowed_hosts=%s lacks %q", hosts, got)
		}
	}
}

// Every default is a value that could be given; no name stands twice.
func TestTablesAreSound(t *testing.T) {
	for _, table := range linkvalue.Builtins() {
		seen := map[string]bool{}
		for _, f := range table.Fields {
			if problems := table.Check(linkvalue.Values{f.Name: f.Default}); f.Default != "" && len(problems) > 0 {
				t.Errorf("%s: the default of %s: %q", table.Provider, f.Name, problems)
			}
			if f.Doc == "" && f.Refused == "" {
				t.Errorf("%s: %s has no words", table.Provider, f.Name)
			}
			for _, n := range append([]string{f.Name}, f.Also...) {
				if seen[n] {
					t.Errorf("%s: %s stands twice", table.Provider, n)
				}
				seen[n] = true
			}
		}
		if linkvalue.Builtin(table.Provider) != table {
			t.Errorf("%s is not found", table.Provider)
		}
	}
}

// docs/providers.md has the tables as they are. go test -update writes them.
func TestDocumentationShowsTheTables(t *testing.T) {
	const path = "../../docs/providers.md"
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for _, table := range linkvalue.Builtins() {
		before, rest, ok := strings.Cut(text, "<!-- values of "+table.Provider+" -->\n")
		_, after, ends := strings.Cut(rest, "<!-- end -->")
		if !ok || !ends {
			t.Fatalf("%s has no place for the values of %s", path, table.Provider)
		}
		text = before + "<!-- values of " + table.Provider + " -->\n" + table.Markdown() + "<!-- end -->" + after
	}
	if text == string(raw) {
		return
	}
	if !*update {
		t.Errorf("%s shows other values than the tables; run: go test ./lattice/linkvalue -update", path)
	} else if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Error(err)
	}
}

func TestSecretsAreNotQuoted(t *testing.T) {
	values := linkvalue.Values{"url": "hush", "password": "hush", "db": "x"}
	s, err := linkvalue.KeyvalueRedis.Read(values, nil)
	if text := fmt.Sprintf("%v %+v %#v %v", s, s, s, err); strings.Contains(text, "hush") || err == nil {
		t.Error(text)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("path", "/a%41", "PORT", "80")
	f.Add("config_json", `{"tls":{"cert_file":"x"}}`, "config_b64", "e30")
	f.Add("address", "[::1]:80", "max_content_len", "10KiB")
	f.Add("host", "*.x", "read_timeout", "1h")
	f.Fuzz(func(t *testing.T, a, v, b, w string) {
		for _, table := range linkvalue.Builtins() {
			values := linkvalue.Values{a: v, b: w}
			s, err := table.Read(values, nil)
			if (err == nil) != (len(table.Check(values)) == 0) {
				t.Fatalf("read with %v, checked with %q", err, table.Check(values))
			}
			if path := s.Text("path"); err == nil && table == linkvalue.HTTPServer && (path == "" || path[0] != '/' ||
				path != "/" && path[len(path)-1] == '/') {
				t.Fatalf("path %q", path)
			}
		}
	})
}

// Lists are read in one spelling, however they are written.
func TestListsAreReadInOneSpelling(t *testing.T) {
	s, err := linkvalue.HTTPClient.Read(linkvalue.Values{"allowed_hosts": " *.B.example,a.Example.  " +
		"HTTP://[::ffff:10.0.0.1]:80",
		"allowed_ports": "8000-8099,443,443-443", "allowed_methods": "post,get,GET", "allowed_schemes": "HTTPS,http"},
		nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"allowed_hosts": "*.b.example,a.example,http://10.0.0.1:80",
		"allowed_ports": "443,8000-8099", "allowed_methods": "GET,POST", "allowed_schemes": "http,https"} {
		if got := s.Text(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	problems := linkvalue.HTTPClient.Check(linkvalue.Values{"proxy": "https://user:secret@proxy"})
	if len(problems) != 1 || strings.Contains(problems[0].Detail, "secret") {
		t.Errorf("a proxy's password is quoted: %q", problems)
	}
}
