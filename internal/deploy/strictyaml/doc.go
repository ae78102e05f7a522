// Package strictyaml reads YAML and JSON files that people write, strictly and whole: each unknown field, wrong type or
// second value is a problem with its line, column, field and, where one is near, the word that was meant; all problems
// of a file are told at once. A file may lie in a Kubernetes ConfigMap (one "*.yaml" key under data); lines and columns
// are then those of the outer file.
//
// A Walker goes through the nodes of one document. Its readers note what is wrong and go on, so that a caller looks at
// Problems once, at the end. Work is bounded: a file has at most MaxBytes and, aliases counted as often as they are
// used, at most 100,000 values. A Walker is for one goroutine.
package strictyaml
