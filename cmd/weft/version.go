package main

import (
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// release is set when a release is built; otherwise the module's version is shown.
var release = ""

// dialectVersion is the host version of the dialect that is spoken.
const dialectVersion = "0.82.0"

type versionView struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Dialect  string `json:"dialect"`
}

func version() versionView {
	v := versionView{Version: or(release, "devel"), Go: runtime.Version(), Platform: runtime.GOOS + "/" +
		runtime.GOARCH, Dialect: dialectVersion}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if release == "" && info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Commit = s.Value
		}
	}
	return v
}

func versionCmd(t *terminal) *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Show the version of weft", Args: exactArgs(0),
		Example: `  weft version
  weft version -o json`,
		RunE: func(*cobra.Command, []string) error {
			v := version()
			return t.print(v, func(w io.Writer) {
				printf(w, "weft %s %s %s\n", v.Version, v.Platform, v.Go)
				fields(w, "commit", v.Commit, "dialect", "wasmbus, as hosts of version "+v.Dialect+" speak it")
			})
		}}
}
