package weft_test

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// mention is something that a document says exists.
type mention struct {
	text string
	line int
	kind kind
}

type kind int

const (
	code    kind = iota // in backquotes
	example             // a line of a fenced block
	link                // the target of a link
	test                // a test after the name of a package
)

var (
	span      = regexp.MustCompile("`([^`]+)`")
	linkTo    = regexp.MustCompile(`\]\(([^)]+)\)`)
	ofPackage = regexp.MustCompile("([a-z][\\w/-]*) `((?:Test|Fuzz|Benchmark)[A-Z]\\w*)`")
	quoted    = regexp.MustCompile(`RATIONALE\.md\)?, "([^"]+)"`)
)

// mentions are all names of a Markdown text. A paragraph may break within backquotes.
func mentions(text string) []mention {
	var all []mention
	var paragraph []string
	first, fenced := 0, false
	end := func() {
		s := strings.Join(paragraph, "\n")
		at := func(offset int) int { return first + strings.Count(s[:offset], "\n") }
		for _, m := range span.FindAllStringSubmatchIndex(s, -1) {
			all = append(all, mention{strings.ReplaceAll(s[m[2]:m[3]], "\n", " "), at(m[2]), code})
		}
		for _, m := range linkTo.FindAllStringSubmatchIndex(s, -1) {
			all = append(all, mention{s[m[2]:m[3]], at(m[2]), link})
		}
		for _, m := range ofPackage.FindAllStringSubmatchIndex(s, -1) {
			all = append(all, mention{s[m[2]:m[3]] + " " + s[m[4]:m[5]], at(m[2]), test})
		}
		paragraph = nil
	}
	for i, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			end()
			fenced = !fenced
		case fenced:
			all = append(all, mention{line, i + 1, example})
		case strings.TrimSpace(line) == "":
			end()
		default:
			if strings.HasPrefix(line, "|") || strings.HasPrefix(line, "* ") || strings.HasPrefix(line, "- ") {
				end()
			}
			if len(paragraph) == 0 {
				first = i + 1
			}
			paragraph = append(paragraph, line)
		}
	}
	end()
	return all
}

// wrong says what is wrong with a mention, or nothing.
func (n *names) wrong(file string, m mention) string {
	switch m.kind {
	case link:
		return n.wrongLink(file, m.text)
	case test:
		folder, name, _ := strings.Cut(m.text, " ")
		return n.wrongHome(folder, name)
	case example:
		return n.wrongExample(m.text)
	}
	return n.wrongCode(m.text)
}

var (
	variable = regexp.MustCompile(`\bWEFT_[A-Z0-9_]*[A-Z0-9]`)
	flagName = regexp.MustCompile(`(?:^|\s)(--[a-z][a-z0-9-]*)`)
	metric   = regexp.MustCompile(`^(weft_[a-z_]+)(?:\{.*\})?$`)
	filePath = regexp.MustCompile(`^[\w.@-]+(?:/[\w.*@-]+)*/?$`)
	extended = regexp.MustCompile(`\.(go|md|json|jsonl|yaml|txt|svg|rs|toml|sh|mod|lock)$`)
	goName   = regexp.MustCompile(`^([\w/-]+)\.([A-Za-z_]\w*)(?:\.([A-Za-z_]\w*))?(?:\(.*\))?$`)
	single   = regexp.MustCompile(`^[A-Za-z_]\w*(?:-\w+)*(?:\(\))?$`)
)

func (n *names) wrongCode(s string) string {
	for _, v := range variable.FindAllString(s, -1) {
		if !n.words[v] && !n.words[v+"_"] {
			return "nothing reads the variable " + v
		}
	}
	switch {
	case testName.MatchString(s):
		if n.tests[s] == nil {
			return "no such test"
		}
		return ""
	case strings.HasPrefix(s, "weft "):
		return n.wrongCommand(s)
	case strings.HasPrefix(s, "make "):
		for _, t := range strings.Fields(s)[1:] {
			if !n.targets[t] {
				return "the Makefile has no target " + t
			}
		}
		return ""
	case strings.HasPrefix(s, "go "):
		return n.wrongGoCommand(s)
	case strings.HasPrefix(s, "--"):
		return wrongFlags(s, n.flags)
	case metric.MatchString(s):
		if name := metric.FindStringSubmatch(s)[1]; !n.words[name] {
			return "no metric or field " + name
		}
		return ""
	case strings.Contains(s, "(") && goName.MatchString(s):
		return n.wrongGoName(s)
	case strings.ContainsAny(s, "…{}<>$ :=") || strings.HasPrefix(s, ".") || n.literals[s]:
		return "" // a shape, a command of another program, a file of the reader, a word of the wire
	case filePath.MatchString(s) && (strings.Contains(s, "/") && !goName.MatchString(s) || extended.MatchString(s)):
		return n.wrongPath(s)
	case goName.MatchString(s):
		return n.wrongGoName(s)
	case single.MatchString(s):
		if !n.words[strings.TrimSuffix(s, "()")] {
			return "no source has this word"
		}
	}
	return ""
}

// wrongCommand checks a command line of weft: its command, and that its flags are flags of that command. In
// `weft host|actor list`, each of several commands is meant.
func (n *names) wrongCommand(s string) string {
	fields := strings.Fields(s)
	for i, f := range fields {
		if i > 0 && i < 3 && strings.Contains(f, "|") {
			for _, one := range strings.Split(f, "|") {
				fields[i] = one
				if why := n.wrongCommand(strings.Join(fields, " ")); why != "" {
					return why
				}
			}
			return ""
		}
	}
	name := fields[0]
	for _, f := range fields[1:] {
		if n.commands[name+" "+f] == nil {
			break
		}
		name += " " + f
	}
	if name == "weft" {
		return "weft has no such command"
	}
	if group := slices.ContainsFunc(slices.Collect(maps.Keys(n.commands)),
		func(c string) bool { return strings.HasPrefix(c, name+" ") }); group && len(fields) > strings.Count(name,
		" ")+1 {
		if next := fields[strings.Count(name, " ")+1]; !strings.HasPrefix(next, "-") {
			return name + " has no command " + next
		}
	}
	return wrongFlags(s, n.commands[name])
}

func wrongFlags(s string, flags map[string]bool) string {
	for _, m := range flagName.FindAllStringSubmatch(s, -1) {
		if !flags[m[1]] {
			return "no flag " + m[1]
		}
	}
	return ""
}

// wrongGoCommand checks the folders of a go command, and what -bench asks for.
func (n *names) wrongGoCommand(s string) string {
	for _, f := range strings.Fields(s) {
		if folder, ok := strings.CutPrefix(f, "./"); ok && folder != "..." &&
			!n.paths[strings.TrimSuffix(folder, "/...")] {
			return "no folder " + folder
		}
	}
	if m := regexp.MustCompile(`-bench (\w+)`).FindStringSubmatch(s); m != nil {
		found := false
		for name := range n.tests {
			found = found || strings.HasPrefix(name, "Benchmark") && strings.Contains(name, m[1])
		}
		if !found {
			return "no benchmark " + m[1]
		}
	}
	return ""
}

// wrongPath checks a path from the root, or the end of one where the document says the rest.
func (n *names) wrongPath(s string) string {
	s = strings.TrimSuffix(s, "/")
	if n.suffixes[s] {
		return ""
	}
	for p := range n.paths {
		if ok, _ := path.Match(s, p); ok {
			return ""
		}
	}
	return "no such file or folder"
}

// wrongGoName checks package.Name, package.Type.Member and Type.member.
func (n *names) wrongGoName(s string) string {
	m := goName.FindStringSubmatch(s)
	owner, name, member := m[1], m[2], m[3]
	if decls, ok := n.packages[owner]; ok {
		if decls[name] && (member == "" || n.members[name][member]) {
			return ""
		}
	}
	if member == "" && (n.members[owner][name] || n.uses[owner+"."+name]) {
		return ""
	}
	return "no such name in Go"
}

func (n *names) wrongHome(folder, name string) string {
	if slices.Contains([]string{"attack", "bench", "conformance", "reliability"}, folder) {
		folder = "e2e/" + folder
	}
	if n.packages[folder] != nil && !slices.Contains(n.tests[name], folder) {
		return "this test is in " + strings.Join(n.tests[name], ", ")
	}
	if strings.Contains(folder, "/") && n.packages[folder] == nil {
		return "no package " + folder
	}
	return ""
}

func (n *names) wrongLink(file, to string) string {
	to, anchor, _ := strings.Cut(to, "#")
	if strings.Contains(to, "://") {
		return ""
	}
	where := file
	if to != "" {
		if where = path.Join(path.Dir(file), to); !n.paths[where] {
			return "the link leads nowhere"
		}
	}
	if anchor == "" || slices.ContainsFunc(n.headings[where], func(h string) bool { return anchorOf(h) == anchor }) {
		return ""
	}
	return "no heading of that name"
}

// anchorOf is how a heading is linked to.
func anchorOf(heading string) string {
	return strings.ReplaceAll(regexp.MustCompile(`[^\w -]`).ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}

var (
	prompt   = regexp.MustCompile(`^\s*(?:\w*\$|#)\s+(?:WEFT_\w+=\S+ )*((?:bin/)?weft|make|go) (.*)$`)
	goSource = regexp.MustCompile(`[\w-]+(?:/[\w-]+)*\.go\b`)
)

// wrongExample checks the commands of a fenced block, and the files that a drawing names.
func (n *names) wrongExample(s string) string {
	for _, file := range goSource.FindAllString(s, -1) {
		if why := n.wrongPath(file); why != "" {
			return file + ": " + why
		}
	}
	m := prompt.FindStringSubmatch(s)
	if m == nil {
		return ""
	}
	line, _, _ := strings.Cut(m[2], "#")
	line, _, _ = strings.Cut(line, "&&")
	line, _, _ = strings.Cut(line, "|")
	switch m[1] {
	case "go":
		return n.wrongGoCommand("go " + line)
	case "make":
		return n.wrongCode("make " + strings.TrimSpace(line))
	}
	return n.wrongCommand("weft " + line)
}
