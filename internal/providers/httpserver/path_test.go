package httpserver

import (
	"net/url"
	"strings"
	"testing"
)

func TestCanonicalPath(t *testing.T) {
	for path, want := range map[string]string{
		"/": "/", "": "/", "/a/b": "/a/b", "/a/": "/a/", "/%61": "/a", "/caf%c3%a9": "/caf%C3%A9",
		"/café": "/caf%C3%A9", "/a b": "/a%20b", "/a%20b": "/a%20b", "/a+b": "/a+b",
		"/a%2fb": "/a%2Fb", "/a%252fb": "/a%252fb", "/%3f": "/%3F", "/%21%24": "/!$", "/\\": "/%5C", "/%": "/%25",
		"/%zz": "/%25zz", "/%00": "/%00",
		"//": "/", "//a///b": "/a/b", "/.": "/", "/..": "/", "/a/.": "/a/", "/a/..": "/", "/a/b/..": "/a/",
		"/a/../../b": "/b", "/a/./b/../c": "/a/c", "/%2e%2E/a/%2e": "/a/", "/a/..%2f": "/a/..%2F",
		"/...": "/...", "/.a": "/.a", "/a/b/../": "/a/",
	} {
		if got := canonicalPath(path); got != want {
			t.Errorf("%q becomes %q, want %q", path, got, want)
		}
	}
}

// FuzzCanonicalPath: the form is one, it has no segments that mean something else, and what is decoded in it was so
// before.
func FuzzCanonicalPath(f *testing.F) {
	for _, path := range []string{"/", "/a%2Fb/../%2e/c", "//x//", "/caf\xe9/%C3", "/%2", "a"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got := canonicalPath(path)
		if again := canonicalPath(got); again != got {
			t.Fatalf("%q becomes %q, and that %q", path, got, again)
		}
		if got[0] != '/' || strings.Contains(got, "//") || strings.Contains(got+"/", "/./") ||
			strings.Contains(got+"/", "/../") {
			t.Fatalf("%q becomes %q", path, got)
		}
		plain, err := url.PathUnescape(got)
		if err != nil {
			t.Fatalf("%q becomes %q: %v", path, got, err)
		}
		if before, err := url.PathUnescape(path); err == nil && strings.HasPrefix(path, "/") &&
			!strings.Contains(before, "//") && !strings.Contains(before, "/.") && before != plain {
			t.Fatalf("%q means %q, its canonical form %q", path, before, plain)
		}
	})
}

func BenchmarkCanonicalPath(b *testing.B) {
	for b.Loop() {
		if canonicalPath("/api/v1/things/4711") == "" {
			b.Fatal("empty")
		}
	}
}
