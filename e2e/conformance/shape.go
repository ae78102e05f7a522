package main

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	semver  = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
	isUUID  = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	isGUID4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
)

// shape holds an object to "key:type key?:type ...": with "?" the key may be missing, with "~" it may be null. Types
// are str, text (a string that is not empty), int, bool, strs, list, map, strmap, host, cluster, actor and provider
// (keys).
func (p *problems) shape(what string, o object, fields string) {
	if o == nil {
		p.addf("%s is no object", what)
		return
	}
	for _, field := range strings.Fields(fields) {
		key, typ, _ := strings.Cut(field, ":")
		optional, nullable := strings.Contains(key, "?"), strings.Contains(key, "~")
		key = strings.TrimRight(key, "?~")
		v, there := o[key]
		switch {
		case !there && !optional:
			p.addf("%s has no %s", what, key)
		case v == nil && there && !nullable:
			p.addf("%s of %s is null", key, what)
		case v != nil && !isType(v, typ):
			p.addf("%s of %s is %s, not %s", key, what, short(v), typ)
		}
	}
}

func isType(v any, typ string) bool {
	str, isStr := v.(string)
	kinds := map[string]byte{"host": kindHost, "cluster": kindCluster, "actor": kindModule, "provider": kindProvider,
		"account": kindAccount}
	switch typ {
	case "str":
		return isStr
	case "text":
		return str != ""
	case "int":
		_, ok := number(v)
		return ok
	case "bool":
		_, ok := v.(bool)
		return ok
	case "list":
		return list(v) != nil
	case "strs":
		items, ok := v.([]any)
		for _, item := range items {
			_, isStr := item.(string)
			ok = ok && isStr
		}
		return ok
	case "map":
		_, ok := v.(object)
		return ok
	case "strmap":
		m, ok := v.(object)
		for _, item := range m {
			_, isStr := item.(string)
			ok = ok && isStr
		}
		return ok
	}
	kind, ok := kinds[typ]
	_, err := decodeKey(str, kind)
	return ok && err == nil
}

// short is a value for a message.
func short(v any) string {
	s := fmt.Sprintf("%v", v)
	if len(s) > 300 {
		s = s[:300] + "…"
	}
	return s
}
