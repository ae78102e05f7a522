package plan_test

import (
	"strings"
	"testing"
)

// What a component imports or exports has names for the types in it that need some, or others could not speak of them.
// The comments are the text format of what comes after them.
func TestTypesThatAreShownHaveNames(t *testing.T) {
	const nameless = "to which the component gives no name"
	for name, c := range map[string]struct{ sections, want string }{
		// (component (type $r (record (field "x" u32))) (import "f" (func (result $r))))
		"a function that returns a record without a name": {
			"\x07\x0a\x02r\x01\x01xy@\x00\x00\x00\x0a\x06\x01\x00\x01f\x01\x01",
			nameless},
		// (component (type $r (record (field "x" u32))) (type $l (list $r)) (export "t" (type $l)))
		"a list of a record without a name": {
			"\x07\x08\x02r\x01\x01xyp\x00\x0b\x07\x01\x00\x01t\x03\x01\x00",
			nameless},
		// (component (type $r (record (field "x" u32))) (import "r" (type $s (eq $r))) (import "f" (func (result
		// $r))))
		"the type before its name": {
			"\x07\x06\x01r\x01\x01xy\x0a\x07\x01\x00\x01r\x03\x00\x00\x07\x05\x01@\x00\x00\x00\x0a\x06\x01\x00" +
				"\x01f\x01\x02",
			nameless},
		// (component (type $r (resource (rep i32))) (type $l (list (own $r))) (export "t" (type $l)))
		"a handle of a resource without a name": {
			"\x07\x08\x03?\x7f\x00i\x00p\x01\x0b\x07\x01\x00\x01t\x03\x02\x00",
			nameless},
		// (component (type $r (resource (rep i32))) (import "r" (type (eq $r))))
		"a resource that only the component itself has": {
			"\x07\x04\x01?\x7f\x00\x0a\x07\x01\x00\x01r\x03\x00\x00",
			nameless},
		// (component (type (component (type $r (record (field "x" u32))) (export "r" (type $s (eq $r))) (import "t"
		// (type (eq $s))))))
		"an import of what is exported": {
			"\x07\x17\x01A\x03\x01r\x01\x01xy\x04\x00\x01r\x03\x00\x00\x03\x00\x01t\x03\x00\x01",
			"is of a type that the component exports"},
		// (component (import "i" (instance (type $r (record (field "x" u32))) (export "f" (func (param "x" $r))))))
		"an instance with a nameless type": {
			"\x07\x17\x01B\x03\x01r\x01\x01xy\x01@\x01\x01x\x00\x01\x00\x04\x00\x01f\x01\x01\x0a\x06\x01\x00\x01i" +
				"\x05\x00",
			nameless},
		// (component (type $r (enum "a")) (import "e" (type (eq $r))) (import "f" (func $f (param "x" u32))) (type $l
		// (list $r)) (instance $b (export "l" (type $l))) (export "i" (instance $b)))
		"an instance of what exists": {
			"\x07\x05\x01m\x01\x01a\x0a\x07\x01\x00\x01e\x03\x00\x00\x07\x08\x01@\x01\x01xy\x01\x00\x0a\x06\x01" +
				"\x00\x01f\x01\x02\x07\x03\x01p\x00\x05\x08\x01\x01\x01\x00\x01l\x03\x03\x0b\x07\x01\x00\x01i\x05\x00" +
				"\x00",
			nameless},
		// (component (type $i (instance (type $r (record (field "x" u32))) (export "f" (func (param "x" $r)))))
		// (export "i" (type $i)))
		"a type of instances": {
			"\x07\x17\x01B\x03\x01r\x01\x01xy\x01@\x01\x01x\x00\x01\x00\x04\x00\x01f\x01\x01\x0b\x07\x01\x00\x01i" +
				"\x03\x00\x00",
			nameless},
		// (component (type $r (record (field "x" u32))) (import "r" (type $s (eq $r))) (component (import "f" (func
		// (result $s)))))
		"a name in a component around it": {
			"\x07\x06\x01r\x01\x01xy\x0a\x07\x01\x00\x01r\x03\x00\x00\x04\x1e\x00asm\x0d\x00\x01\x00\x06\x05\x01" +
				"\x03\x02\x01\x01\x07\x05\x01@\x00\x00\x00\x0a\x06\x01\x00\x01f\x01\x01",
			nameless},
		// (component $C (type $R (resource (rep i32))) (type $U (component (export "a" (type (eq $R))))) (component
		// (alias outer $C $U (type $a))))
		"a type of components that has a resource of another component": {
			"\x07\x12\x02?\x7f\x00A\x02\x02\x03\x02\x01\x00\x04\x00\x01a\x03\x00\x00\x04\x0f\x00asm\x0d\x00\x01" +
				"\x00\x06\x05\x01\x03\x02\x01\x01",
			"an alias of a type of resources that another component has"},
		// (component (import "a" (type $a (sub resource))) (import "[constructor]a" (func $f (result (own $a))))
		// (instance (export "a" (type $a)) (export "[constructor]a" (func $f))))
		"a constructor in an instance of what exists": {
			"\x0a\x06\x01\x00\x01a\x03\x01\x07\x07\x02i\x00@\x00\x00\x01\x0a\x13\x01\x00\x0e[constructor]a\x01" +
				"\x02\x05\x1a\x01\x01\x02\x00\x01a\x03\x00\x00\x0e[constructor]a\x01\x00",
			"there is no resource a beside it"},
		// (component (type (list string 16777216)))
		"a list too large for 64 bits": {
			"\x07\x07\x01gs\x80\x80\x80\x08",
			"256 MiB or more"},
		// (component (component $C (type $r (resource (rep i32))) (export "r1" (type $r)) (export "r2" (type $r)
		// (type (sub resource)))) (instance $c (instantiate $C)) (component $eq (import "a" (type $a (sub resource)))
		// (import "b" (type (eq $a)))) (instance (instantiate $eq (with "a" (type $c "r1")) (with "b" (type $c
		// "r2")))))
		"a resource that hides what it is": {
			"\x04!\x00asm\x0d\x00\x01\x00\x07\x04\x01?\x7f\x00\x0b\x11\x02\x00\x02r1\x03\x00\x00\x00\x02r2\x03" +
				"\x00\x01\x03\x01\x05\x04\x01\x00\x00\x00\x04\x16\x00asm\x0d\x00\x01\x00\x0a\x0c\x02\x00\x01a\x03\x01" +
				"\x00\x01b\x03\x00\x00\x06\x0d\x02\x03\x00\x00\x02r1\x03\x00\x00\x02r2\x05\x0c\x01\x00\x01\x02\x01a" +
				"\x03\x00\x01b\x03\x01",
			"b is a resource which differs from what is wanted"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := planOf([]byte("\x00asm\x0d\x00\x01\x00" + c.sections))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestTypesThatAreShownByTheirNames(t *testing.T) {
	for _, c := range []struct{ name, sections string }{
		// (component (type $r (record (field "x" u32))) (import "r" (type $s (eq $r))) (import "f" (func (result
		// (list $s)))))
		{"a record by its name in a list",
			"\x07\x06\x01r\x01\x01xy\x0a\x07\x01\x00\x01r\x03\x00\x00\x07\x07\x02p\x01@\x00\x00\x02\x0a\x06\x01" +
				"\x00\x01f\x01\x03"},
		// (component (type $i (instance (type $r (record (field "x" u32))) (export "r" (type $s (eq $r))) (export "f"
		// (func (param "x" $s))))) (import "i" (instance $j (type $i))) (alias export $j "r" (type $t)) (import "g"
		// (func (result $t))) (export "i2" (type $i)))
		{"names within the type of an instance, and through one",
			"\x07\x1e\x01B\x04\x01r\x01\x01xy\x04\x00\x01r\x03\x00\x00\x01@\x01\x01x\x01\x01\x00\x04\x00\x01f\x01" +
				"\x02\x0a\x06\x01\x00\x01i\x05\x00\x06\x06\x01\x03\x00\x00\x01r\x07\x05\x01@\x00\x00\x01\x0a\x06\x01" +
				"\x00\x01g\x01\x02\x0b\x08\x01\x00\x02i2\x03\x00\x00"},
		// (component (type $r (record (field "x" u32))) (import "r" (type $s (eq $r))) (import "f" (func $f (result
		// $s))) (export $t "r2" (type $s)) (export "g" (func $f) (func (result $t))))
		{"an export that tells its type by other names",
			"\x07\x06\x01r\x01\x01xy\x0a\x07\x01\x00\x01r\x03\x00\x00\x07\x05\x01@\x00\x00\x01\x0a\x06\x01\x00" +
				"\x01f\x01\x02\x0b\x08\x01\x00\x02r2\x03\x01\x00\x07\x05\x01@\x00\x00\x03\x0b\x09\x01\x00\x01g\x01" +
				"\x00\x01\x01\x04"},
		// (component (type $r (record (field "x" u32))) (instance $b (export "t" (type $r))) (export $c "i" (instance
		// $b)) (alias export $c "t" (type $t)) (type $l (list $t)) (export "l" (type $l)))
		{"a name that an instance gives",
			"\x07\x06\x01r\x01\x01xy\x05\x08\x01\x01\x01\x00\x01t\x03\x00\x0b\x07\x01\x00\x01i\x05\x00\x00\x06" +
				"\x06\x01\x03\x00\x01\x01t\x07\x03\x01p\x01\x0b\x07\x01\x00\x01l\x03\x02\x00"},
		// (component (type $r (record (field "x" u32))) (import "t" (type $s (eq $r))) (component $C (type $r (record
		// (field "x" u32))) (import "t" (type $s (eq $r))) (type $l (list $s)) (export "l" (type $l))) (instance $c
		// (instantiate $C (with "t" (type $s)))) (export "l" (type $c "l")))
		{"a name that goes through a component inside",
			"\x07\x06\x01r\x01\x01xy\x0a\x07\x01\x00\x01t\x03\x00\x00\x04'\x00asm\x0d\x00\x01\x00\x07\x06\x01r" +
				"\x01\x01xy\x0a\x07\x01\x00\x01t\x03\x00\x00\x07\x03\x01p\x01\x0b\x07\x01\x00\x01l\x03\x02\x00\x05" +
				"\x08\x01\x00\x00\x01\x01t\x03\x01\x06\x06\x01\x03\x00\x00\x01l\x0b\x07\x01\x00\x01l\x03\x02\x00"},
		// (component (type $R (resource (rep i32))) (type (component (alias outer 1 0 (type $r)) (export "a" (type
		// (eq $r))))))
		{"a type of components that has a resource of the component around it",
			"\x07\x12\x02?\x7f\x00A\x02\x02\x03\x02\x01\x00\x04\x00\x01a\x03\x00\x00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := planOf([]byte("\x00asm\x0d\x00\x01\x00" + c.sections)); err != nil {
				t.Error(err)
			}
		})
	}
}
