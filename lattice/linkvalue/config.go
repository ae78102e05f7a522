package linkvalue

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// ParseConfig reads a JSON object of settings as Values: scalars become their text, null is left out, and members of an
// object inside get its name as a prefix, as "tls.cert_file". The empty text is no settings. Errors are
// lattice.ErrInvalid and do not quote the text, since it may hold secrets.
func ParseConfig(text string) (Values, error) {
	values := Values{}
	if strings.TrimSpace(text) == "" {
		return values, nil
	}
	bad := func(detail string) error {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "read JSON configuration", Detail: detail}
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		return nil, bad("not a JSON object")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, bad("more text after the object")
	}
	if err := flatten(values, "", object); err != nil {
		return nil, bad(err.Error())
	}
	return values, nil
}

func flatten(into Values, prefix string, object map[string]any) error {
	for name, value := range object {
		switch value := value.(type) {
		case nil:
		case string:
			into[prefix+name] = value
		case json.Number, bool:
			into[prefix+name] = fmt.Sprint(value)
		case map[string]any:
			if err := flatten(into, prefix+name+".", value); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%s holds a list; want a text, number, truth value or object",
				lattice.Printable(prefix+name))
		}
	}
	return nil
}

// Over returns v laid over defaults.
func (v Values) Over(defaults Values) Values {
	merged := make(Values, len(v)+len(defaults))
	for name, value := range defaults {
		if _, set := v.Lookup(name); !set {
			merged[name] = value
		}
	}
	for name, value := range v {
		merged[name] = value
	}
	return merged
}
