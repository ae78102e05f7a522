package plan

import (
	"github.com/weftlattice/weft/host/internal/component/binary"
	"github.com/weftlattice/weft/host/internal/component/types"
	"github.com/weftlattice/weft/host/internal/wasmbin"
)

// defType resolves the definition of a type.
func (p *planner) defType(s *scope, d binary.DefType) (any, error) {
	switch d := d.(type) {
	case binary.FuncType:
		return p.funcType(s, d)
	case binary.ScopeType:
		t := &scopeType{d, s}
		return t, p.judgeType(t)
	case binary.Resource:
		return p.resource(s, d)
	}
	return p.valueType(s, d)
}

// judgeType looks at the type of a component or an instance.
func (p *planner) judgeType(t *scopeType) error {
	if len(t.Declarations) == 0 {
		return nil
	}
	return p.judge(&t.Declarations[0], func() error {
		if t.Component {
			return p.instantiateType(t, nil, &instance{})
		}
		s := &scope{parent: t.scope.parent, types: []any{t}}
		_, err := p.matchInstance(s, binary.ExternType{Sort: binary.Instances}, nil,
			place{name: "the type of an instance"})
		return err
	})
}

// resource makes a new type each time the definition is reached: each instance of a component has resources of its own,
// and handles of one are none of the other.
func (p *planner) resource(s *scope, d binary.Resource) (*resource, error) {
	r := Resource{Type: &types.Resource{Owner: s.instance, Destructor: d.Destructor != nil}}
	if d.Destructor != nil {
		f, err := s.coreFunc(*d.Destructor, types.Signature{Params: []types.Core{types.I32}})
		if err != nil {
			return nil, err
		}
		r.Destructor = &f
	}
	p.plan.Resources = append(p.plan.Resources, r)
	return &resource{is: r.Type}, nil
}

// funcType makes the type of a function. A borrowed handle ends with the call, so no result can have one.
func (p *planner) funcType(s *scope, d binary.FuncType) (*types.Func, error) {
	params := make([]types.Field, len(d.Params))
	for i, param := range d.Params {
		t, err := s.valType(param.Type)
		if err != nil {
			return nil, err
		}
		params[i] = types.Field{Label: param.Label, Type: t}
	}
	if d.Result == nil {
		return types.NewFunc(params, nil)
	}
	result, err := s.valType(*d.Result)
	if err != nil {
		return nil, err
	}
	if result.Borrows {
		return nil, wasmbin.Bad("a function whose result has a borrowed handle")
	}
	return types.NewFunc(params, result)
}

// valueType resolves the definition of a type of values.
func (p *planner) valueType(s *scope, d binary.DefType) (*types.Type, error) {
	switch d := d.(type) {
	case binary.ValType:
		return s.valType(d)
	case binary.Record:
		return s.record(d.Fields)
	case binary.Tuple:
		fields := make([]binary.Field, len(d.Types))
		for i, t := range d.Types {
			fields[i].Type = t
		}
		return s.record(fields)
	case binary.List:
		e, err := s.valType(d.Element)
		if err != nil {
			return nil, err
		}
		return types.NewList(e, d.Len)
	case binary.Variant:
		return s.variant(types.Variant, d.Cases)
	case binary.Enum:
		cases := make([]binary.Case, len(d.Labels))
		for i, l := range d.Labels {
			cases[i].Label = l
		}
		return s.variant(types.Enum, cases)
	case binary.Option:
		return s.variant(types.Option, []binary.Case{{Label: "none"}, {Label: "some", Type: &d.Type}})
	case binary.Result:
		return s.variant(types.Result, []binary.Case{{Label: "ok", Type: d.OK}, {Label: "error", Type: d.Error}})
	case binary.Flags:
		return types.NewFlags(d.Labels)
	case binary.Own:
		return s.handle(types.Own, d.Resource)
	case binary.Borrow:
		return s.handle(types.Borrow, d.Resource)
	}
	return nil, wasmbin.Bad("a type of values that is none")
}

func (s *scope) record(fields []binary.Field) (*types.Type, error) {
	all := make([]types.Field, len(fields))
	for i, f := range fields {
		t, err := s.valType(f.Type)
		if err != nil {
			return nil, err
		}
		all[i] = types.Field{Label: f.Label, Type: t}
	}
	return types.NewRecord(all)
}

func (s *scope) variant(k types.Kind, cases []binary.Case) (*types.Type, error) {
	all := make([]types.Case, len(cases))
	for i, c := range cases {
		all[i].Label = c.Label
		if c.Type == nil {
			continue
		}
		t, err := s.valType(*c.Type)
		if err != nil {
			return nil, err
		}
		all[i].Type = t
	}
	return types.NewVariant(k, all)
}

// handle makes the type of a handle that is owned or borrowed.
func (s *scope) handle(k types.Kind, n uint32) (*types.Type, error) {
	t, err := at(s.types, n, binary.Types)
	if err != nil {
		return nil, err
	}
	r, ok := t.(*resource)
	if !ok {
		return nil, wasmbin.Bad("a handle of type %d, which is no resource", n)
	}
	h := types.NewHandle(k, r.is)
	h.Name = r
	return h, nil
}

var primitives = map[binary.Prim]types.Kind{binary.Bool: types.Bool, binary.S8: types.S8, binary.U8: types.U8,
	binary.S16: types.S16,
	binary.U16: types.U16, binary.S32: types.S32, binary.U32: types.U32, binary.S64: types.S64, binary.U64: types.U64,
	binary.Float: types.Float, binary.Double: types.Double, binary.Char: types.Char, binary.String: types.String}

// valType finds the type of a value: a primitive one, or the one under an index.
func (s *scope) valType(v binary.ValType) (*types.Type, error) {
	if v.Prim != 0 {
		return types.Primitive(primitives[v.Prim]), nil
	}
	t, err := at(s.types, v.N, binary.Types)
	if err != nil {
		return nil, err
	}
	if t, ok := t.(*types.Type); ok {
		return t, nil
	}
	return nil, wasmbin.Bad("type %d is %s where a type of values is wanted", v.N, describe(item{binary.Types, t}))
}
