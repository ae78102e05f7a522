package wasm

import (
	"slices"

	"github.com/weftlattice/weft/host/internal/component/binary"
	"github.com/weftlattice/weft/host/internal/component/plan"
	"github.com/weftlattice/weft/host/internal/component/wasi"
	"github.com/weftlattice/weft/host/internal/component/wit"
	"github.com/weftlattice/weft/internal/typed"
	"github.com/weftlattice/weft/lattice"
)

// Interface is one that a component imports or exports, with who is on the other side of it.
type Interface struct {
	Name   string
	Export bool // the component serves it
	// By is who serves an import or calls an export: "host", "contract" (a provider of it, through a link), "actor"
	// (another one, through a link), or "nobody". An interface of types alone is served by the host, whatever it is.
	By       string
	Contract lattice.ContractID // of "contract" and "actor": what a link is for
	Missing  []string           // functions that nobody serves, with their types where these are wrong
	Hint     string             // what to do about Missing
}

// Needs are a component's interfaces in its order, imports first; nil for a module.
func Needs(file []byte) ([]Interface, error) {
	if !isComponent(file) {
		return nil, nil
	}
	p, err := planOf(file)
	if err != nil {
		return nil, err
	}
	needs := []Interface{}
	for _, it := range p.Imports {
		if it.Sort == binary.Instances {
			needs = append(needs, importOf(p, it.Name.Text))
		}
	}
	for _, it := range p.Exports {
		if it.Sort == binary.Instances {
			needs = append(needs, exportOf(it))
		}
	}
	return needs, nil
}

func importOf(p *plan.Plan, name string) Interface {
	in := Interface{Name: name, By: "host"}
	if in.Contract = wasi.Contract(name); in.Contract != "" {
		in.By = "contract"
	}
	for _, f := range p.Functions {
		if f.Interface != name || !f.Used {
			continue
		}
		switch have, shape := wasi.Find(f.Interface, f.Name); {
		case have != nil && shape != wit.Shape(f.Type):
			in.Missing = append(in.Missing, f.Name+": "+wit.Func(f.Type))
		case have == nil:
			if why, ok := new(typedFunctions).importOther(f, &Info{}); !ok {
				in.Missing = append(in.Missing, f.Name+why)
			} else {
				in.By, in.Contract = "actor", typed.Contract(name)
			}
		}
	}
	if in.Missing != nil {
		slices.Sort(in.Missing)
		in.By, in.Hint = "nobody", wasi.WayOut(name)
	}
	return in
}

func exportOf(it plan.Item) Interface {
	out := Interface{Name: it.Name.Text, Export: true, By: "actor", Contract: typed.Contract(it.Name.Text)}
	for _, inner := range it.Items {
		if inner.Func == nil {
			continue
		}
		switch want := wasi.Export(it.Name.Text, inner.Name.Text); {
		case nobodyCalls(it.Name.Text, inner):
			out.Missing = append(out.Missing, inner.Name.Text+": "+wit.Func(inner.Func.Type))
		case want == "":
		case want == wit.Shape(inner.Func.Type):
			out.By, out.Contract = "host", ""
			if c := wasi.Contract(it.Name.Text); c != "" {
				out.By, out.Contract = "contract", c
			}
		default:
			out.Missing = append(out.Missing, inner.Name.Text+": "+wit.Func(inner.Func.Type))
		}
	}
	if out.Missing != nil {
		out.By, out.Contract, out.Hint = "nobody", "", wasi.WayOutOfExport(it.Name.Text)
	}
	return out
}
