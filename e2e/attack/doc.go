// Package attack tries what docs/security.md says is refused, on a real host: each test is an attack, says with which
// error it ends and what it cost the host, and that a healthy actor on the same host was served all the while.
package attack
