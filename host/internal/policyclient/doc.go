// Package policyclient asks the dialect's policy service: any program that answers requests on a NATS subject. It
// remembers what the service says until the service changes it. No answer means no.
package policyclient
