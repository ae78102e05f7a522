// Package scaffold makes, describes and builds actor projects: New lays one down, Load reads its actor.yaml, Build runs
// the toolchain.
package scaffold
