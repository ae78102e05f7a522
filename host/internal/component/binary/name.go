package binary

import (
	"strings"

	"golang.org/x/mod/semver"
)

// The lexical rules of names are those of the component model's Explainer.md, "Import and Export Definitions".

// isLabel reports whether s is words of one case each with hyphens between them, of which the first begins with a
// letter.
func isLabel(s string) bool {
	for i, word := range strings.Split(s, "-") {
		if !isWord(word, i == 0, true) {
			return false
		}
	}
	return true
}

// isWord reports whether s is of letters of one case and digits. Capitals are allowed where acronyms are.
func isWord(s string, first, acronym bool) bool {
	small, capital := false, false
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z':
			small = true
		case c >= 'A' && c <= 'Z':
			capital = true
		case c >= '0' && c <= '9' && !(first && i == 0):
		default:
			return false
		}
	}
	return s != "" && !(small && capital) && (acronym || !capital)
}

// isWords is isLabel without capitals.
func isWords(s string) bool { return isLabel(s) && lower(s) == s }

// lower makes the letters of ASCII small.
func lower(s string) string { return strings.ToLower(s) }

// annotations are what a name may begin with.
var annotations = []string{"[constructor]", "[method]", "[static]"}

// checkName says what is wrong with the name of an import or export; "": nothing.
func checkName(s string) string {
	for i, a := range annotations {
		rest, ok := strings.CutPrefix(s, a)
		if !ok {
			continue
		}
		if resource, field, dotted := strings.Cut(rest, "."); i == 0 && isLabel(rest) || i > 0 && dotted &&
			isLabel(resource) && isLabel(field) {
			return ""
		}
		return "does not name what " + a + " names"
	}
	switch {
	case strings.HasPrefix(s, "["):
		return "has an annotation that is unknown"
	case isLabel(s), isInterfaceName(s):
		return ""
	}
	return "is neither a label nor an interface (namespace:package/interface@version)"
}

// isInterfaceName reports whether s is like wasi:http/types@0.2.0.
func isInterfaceName(s string) bool {
	s, version, versioned := strings.Cut(s, "@")
	if versioned && !isVersion(version) {
		return false
	}
	namespace, rest, ok := strings.Cut(s, ":")
	name, face, ok2 := strings.Cut(rest, "/")
	return ok && ok2 && isWords(namespace) && isWords(name) && isLabel(face)
}

// isVersion reports whether s is a semantic version, or the part of one that compatible versions share (1, 0.2, 0.0.3).
func isVersion(s string) bool {
	core := s
	if i := strings.IndexAny(s, "-+"); i >= 0 {
		core = s[:i]
	}
	if strings.Count(core, ".") == 2 {
		return semver.IsValid("v" + s)
	}
	return core == s && isTrack(s)
}

// isTrack reports whether s is numbers without dots between them but for zeros before the last.
func isTrack(s string) bool {
	major, minor, two := strings.Cut(s, ".")
	last := major
	if two {
		last = minor
	}
	return semver.IsValid("v"+s) && last != "0" && (!two || major == "0")
}

// Clashes are the keys by which names of imports, or of exports, must differ: no two names of one scope have one in
// common. Labels differ by more than their case, and a function of a resource has no other label's name.
func Clashes(name string) []string {
	key := lower(name)
	annotation, rest, ok := strings.Cut(key, "]")
	switch {
	case !ok || annotation == "[constructor":
		return []string{key}
	}
	if resource, field, _ := strings.Cut(rest, "."); resource == field {
		return []string{rest, field}
	}
	return []string{rest}
}
