package lattice

// Matches reports whether every constraint equals a label. No constraints match every host.
func Matches(labels, constraints map[string]string) bool {
	for k, v := range constraints {
		if have, ok := labels[k]; !ok || have != v {
			return false
		}
	}
	return true
}
