package main

import (
	"strings"

	"github.com/spf13/pflag"

	"github.com/weftlattice/weft/lattice"
)

// idVar is StringVar for an id.
func idVar[ID ~string](f *pflag.FlagSet, to *ID, name string, value ID, usage string) {
	*to = value
	f.Var(idFlag[ID]{to}, name, usage)
}

// idSliceVar is StringSliceVar for ids.
func idSliceVar[ID ~string](f *pflag.FlagSet, to *[]ID, name, usage string) {
	f.Var(idsFlag[ID]{to, true}, name, usage)
}

type idFlag[ID ~string] struct{ to *ID }

func (i idFlag[ID]) String() string {
	if i.to == nil { // pflag asks a zero value
		return ""
	}
	return string(*i.to)
}

func (idFlag[ID]) Type() string { return "string" }

func (i idFlag[ID]) Set(text string) error {
	*i.to = ID(text)
	return nil
}

// idsFlag is a list to which each use of the flag adds.
type idsFlag[ID ~string] struct {
	to     *[]ID
	commas bool // one use may name several, separated by commas
}

func (i idsFlag[ID]) String() string {
	if i.to == nil { // pflag asks a zero value
		return ""
	}
	return strings.Join(lattice.Texts(*i.to), ",")
}

func (i idsFlag[ID]) Type() string {
	if i.commas {
		return "stringSlice"
	}
	return "stringArray"
}

func (i idsFlag[ID]) Set(text string) error {
	all := []string{text}
	if i.commas {
		all = strings.Split(text, ",")
	}
	for _, id := range all {
		*i.to = append(*i.to, ID(id))
	}
	return nil
}
