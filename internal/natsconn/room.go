package natsconn

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"
)

// nearlyNoBytes is less than what JetStream lets in at once where it has room; an embedded server lets in half of that
// where it has not.
const nearlyNoBytes = 128 << 10

// noRoom tells what to do. JetStream itself says only that some limit is reached.
const noRoom = "the disk of the NATS server is full, or its streams hold as much as they may; make room there, " +
	"or allow more (--store-max of weft up)"

// The numbers of JetStream's errors that say that there is no room to store something.
var roomCodes = map[jetstream.ErrorCode]bool{
	10002: true, // account resources exceeded
	10023: true, // insufficient resources
	10047: true, // storage resources exceeded
	10077: true, // stream store failed, which is also that the stream is full
}

// NoRoom reports whether JetStream refused to store something for want of room, and returns the cause and the way out.
func NoRoom(err error) (detail string, ok bool) {
	var api *jetstream.APIError
	if !errors.As(err, &api) || !roomCodes[api.ErrorCode] {
		return "", false
	}
	return noRoom, true
}

// CheckRoom asks JetStream whether it would store something now. It returns an error that NoRoom knows when it would
// not, and any other when it cannot be asked.
func CheckRoom(ctx context.Context, js jetstream.JetStream) error {
	info, err := js.AccountInfo(ctx)
	if err != nil {
		return err
	}
	if most := info.Limits.MaxStore; most >= 0 && uint64(most) < info.Store+nearlyNoBytes {
		return &jetstream.APIError{Code: 400, ErrorCode: 10002, Description: "resource limits exceeded for account"}
	}
	return nil
}
