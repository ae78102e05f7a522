package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/internal/typed"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

func callCmd(a *app) *cobra.Command {
	var from wire.Entity
	var bin, seedFile, seed, stdin string
	var timeout time.Duration
	cmd := &cobra.Command{Use: "call ACTOR [OPERATION [JSON ...]]", ValidArgsFunction: completeCall(a),
		Short: "Call an operation of an actor, or a function of a component", Args: rangeArgs(1, -1),
		Long: `Sends the JSON as msgpack, signed with the lattice's cluster key, and shows the answer as JSON. The
argument may be @FILE, or - for standard input; without one the payload is empty. {"$bytes":"BASE64"} stands for bytes.

A function of a component is interface#function, one JSON argument for each parameter; the interface may be left out
where only one has such a function, and so may its version. Its type says what the JSON means (docs/components.md) and
is shown by weft actor inspect. A field or a case that does not exist is an error that names the place.

A component that is a command (it exports wasi:cli/run) runs when no operation is named, or run with arguments after it.
They are the program's own, no JSON; flags among them follow "--". What it writes is weft's output, byte for byte where
that is no terminal, and its exit code is weft's.

An argument that begins with "-" follows "--", as a negative number does.

The key is --cluster-seed-file, WEFT_CLUSTER_SEED or WASMCLOUD_CLUSTER_SEED, else the one of the file that "weft up" was
started with here, else the one in the data directory. The call is made in the actor's own name unless --origin says
another.`,
		Example: "  weft call echo HttpServer.HandleRequest " +
			`'{"method":"GET","path":"/","queryString":"","header":{},"body":""}'
  weft call kvcounter HttpServer.HandleRequest @request.json -o json
  weft call filter acme:edge/filter#apply '"some text"'
  weft call filter of-s8 -- -1
  weft call report run monthly --stdin figures.csv`,
		RunE: func(cmd *cobra.Command, args []string) error {
			r := operate.CallRequest{Actor: args[0]}
			if len(args) > 1 {
				r.Operation = args[1]
			}
			if bin != "text" && bin != "base64" && bin != "raw" {
				return usage.Errorf("--bin %q: want text, base64 or raw", bin)
			}
			if bin == "raw" && !a.output.textual() {
				return usage.Errorf("--bin raw is the answer's own bytes, which are no %s: leave out --output %[1]s, "+
					"or take --bin base64", a.output)
			}
			var err error
			if typed.MeansRun(r.Operation) {
				r.Arguments = args[min(2, len(args)):]
			} else if r.Arguments, err = readArguments(a, args[2:]); err != nil {
				return err
			}
			if stdin != "" {
				if r.Stdin, err = a.readInput(stdin, maxInput); err != nil {
					return err
				}
			}
			if from.PublicKey != "" {
				r.Origin = from
			}
			a.secretFlag(cmd, "cluster-seed")
			w, err := a.way(cmd) // it leads to a lattice, whose key is needed
			if err != nil {
				return err
			}
			if r.Cluster, err = a.keeper().Call(w.Control.Lattice, seedFile, seed, w.ClusterSeed()); err != nil {
				return err
			}
			l, done, err := w.Open(cmd.Context(), cmd.CommandPath(), a.operating())
			if err != nil {
				return err
			}
			defer done()
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			answer, err := l.Call(ctx, r)
			if err != nil {
				return err
			}
			return showAnswer(a, answer, bin)
		}}
	cmd.SetFlagErrorFunc(dashedArgument)
	f := cmd.Flags()
	f.StringVar(&from.PublicKey, "origin", "", "public key in whose name to call (default: the actor's)")
	idVar(f, &from.ContractID, "origin-contract", "", "contract of the origin, when it is a provider")
	idVar(f, &from.LinkName, "origin-link", "", "link name of the origin, when it is a provider")
	f.StringVarP(&bin, "bin", "b", "text",
		"how bytes in the answer are shown: text (base64 when they are none), base64, or raw: the answer's own bytes, "+
			"of a command those of its output")
	f.StringVar(&stdin, "stdin", "", "file with the standard input of a command; - is weft's own (default: none)")
	f.StringVar(&seedFile, "cluster-seed-file", "", "file with the cluster's seed")
	f.StringVar(&seed, "cluster-seed", "", "the cluster's seed")
	_ = f.MarkHidden("cluster-seed")
	spanFlag(f, &timeout, "timeout", 2*time.Second, 1, "how long to wait for the answer")
	return cmd
}

// dashedArgument is unknownFlag of a command whose arguments may be anything.
func dashedArgument(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return unknownFlag(cmd, err)
	}
	arg := "-" + unknown.GetSpecifiedShortnames()
	if arg == "-" {
		arg = "--" + unknown.GetSpecifiedName()
	}
	return usage.Errorf("%w\nAn argument that begins with \"-\" follows \"--\": %s ACTOR OPERATION -- %s",
		unknownFlag(cmd, err), cmd.CommandPath(), lattice.Printable(arg))
}

// maxInput is how many bytes an argument or an input may have.
const maxInput = 16 << 20

// readArguments reads those that are files.
func readArguments(a *app, args []string) ([]string, error) {
	texts := slices.Clone(args)
	for i, text := range args {
		if text == "-" || strings.HasPrefix(text, "@") {
			data, err := a.readInput(strings.TrimPrefix(text, "@"), maxInput)
			if err != nil {
				return nil, err
			}
			texts[i] = string(data)
		}
		if _, err := operate.PayloadFromJSON(texts[i]); err != nil { // before anybody is asked
			return nil, err
		}
	}
	return texts, nil
}

// showAnswer shows an answer: by its type, or what it is as msgpack.
func showAnswer(a *app, answer *operate.Answer, bin string) error {
	payload := answer.Payload
	if o := answer.Outcome; o != nil {
		err := showOutcome(a, o, bin)
		if err == nil && o.Code != 0 {
			err = silentError(o.Code)
		}
		return err
	}
	if bin == "raw" {
		_, err := a.out.Write(payload)
		return err
	}
	if answer.Type != nil {
		v := answer.JSON(bin == "base64")
		return a.print(v, func(w io.Writer) { _ = indented(w).Encode(v) })
	}
	v, err := operate.PayloadToJSON(payload, bin == "base64")
	if err != nil { // not msgpack: what came is better than nothing
		if !utf8.Valid(payload) {
			return err
		}
		v = string(payload)
	}
	return a.print(v, func(w io.Writer) {
		if s, ok := v.(string); ok {
			fmt.Fprintln(w, s)
			return
		}
		_ = indented(w).Encode(v)
	})
}

// showOutcome shows what a command has written: stdout as weft's own, stderr as its standard error.
func showOutcome(a *app, o *typed.Outcome, bin string) error {
	if !a.output.textual() {
		return a.encode(struct {
			Stdout json.RawMessage `json:"stdout"`
			Stderr json.RawMessage `json:"stderr"`
			Code   uint8           `json:"exit_code"`
		}{typed.BytesToJSON(o.Stdout, bin == "base64"), typed.BytesToJSON(o.Stderr, bin == "base64"), o.Code}, "  ")
	}
	out, errs := asTheyAre(a.out), asTheyAre(a.err)
	stdout, stderr := o.Stdout, o.Stderr
	switch bin {
	case "raw":
		out = a.out
	case "base64":
		stdout, stderr = base64Line(stdout), base64Line(stderr)
	}
	_, err := out.Write(stdout)
	_, err2 := errs.Write(stderr)
	return cmp.Or(err, err2)
}

// base64Line is bytes as a line of base64; nothing is no line.
func base64Line(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return append(base64.StdEncoding.AppendEncode(nil, b), '\n')
}

func indented(w io.Writer) *json.Encoder {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc
}
