package chunks

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/weftlattice/weft/lattice"
)

// sendPieces publishes what r gives, a window of pieces at a time, and notes size, number and digest in info. When it
// returns, none is on its way.
func sendPieces(ctx context.Context, js jetstream.JetStream, subj string, r *sourceReader,
	info *jetstream.ObjectInfo) (err error) {
	digest, buf := sha256.New(), make([]byte, pieceBytes)
	var sent []jetstream.PubAckFuture
	defer func() {
		if err != nil { // what is not acknowledged soon never is
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), dropTimeout)
			defer cancel()
		}
		for _, ack := range sent {
			if lost := acked(ctx, ack); err == nil {
				err = lost
			}
		}
	}()
	for {
		n, _ := io.ReadFull(r, buf) // r knows why it ended
		if n > 0 {
			digest.Write(buf[:n])
			// The connection copies what is published, and nothing is published again, so that buf is free afterwards.
			ack, err := js.PublishMsgAsync(&nats.Msg{Subject: subj, Data: buf[:n]}, jetstream.WithRetryAttempts(0))
			if err != nil {
				return err
			}
			info.Size += uint64(n)
			info.Chunks++
			sent = append(sent, ack)
			if len(sent) == window {
				oldest := sent[0]
				sent = sent[1:]
				if err := acked(ctx, oldest); err != nil {
					return err
				}
			}
		}
		switch {
		case r.err != nil:
			return r.err
		case n < len(buf):
			info.Digest = jetstream.GetObjectDigestValue(digest)
			return nil
		}
	}
}

// acked waits until a piece is stored.
func acked(ctx context.Context, ack jetstream.PubAckFuture) error {
	stall := time.NewTimer(stall)
	defer stall.Stop()
	select {
	case <-ack.Ok():
		return nil
	case err := <-ack.Err():
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-stall.C:
		return errStall
	}
}

var errStall = &lattice.Error{Code: lattice.ErrTimeout,
	Detail: "a piece of a large payload was not stored or did not come within " + stall.String()}

// Object is a payload that is read from the store. It is not safe for concurrent use.
type Object struct {
	ctx      context.Context // of closing
	stream   jetstream.Stream
	subject  string
	info     *jetstream.ObjectInfo
	consumer jetstream.Consumer
	pieces   jetstream.MessagesContext
	digest   hash.Hash
	rest     []byte // of the last piece
	left     uint64 // bytes that have not come
	closed   bool
}

// newObject begins to read the pieces of an object. ctx bounds the beginning; reading may take longer, each piece stall
// at most.
func newObject(ctx context.Context, stream jetstream.Stream, subj string, info *jetstream.ObjectInfo) (*Object, error) {
	o := &Object{ctx: context.WithoutCancel(ctx), stream: stream, subject: subj, info: info, digest: sha256.New(),
		left: info.Size}
	if o.left == 0 {
		return o, nil
	}
	var err error
	o.consumer, err = stream.CreateConsumer(ctx, jetstream.ConsumerConfig{FilterSubject: subj,
		AckPolicy:     jetstream.AckNonePolicy,
		DeliverPolicy: jetstream.DeliverAllPolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: life})
	if err != nil {
		return nil, err
	}
	if o.pieces, err = o.consumer.Messages(jetstream.PullMaxMessages(2 * window)); err != nil {
		_ = o.Close()
		return nil, err
	}
	return o, nil
}

// Len is the length of the payload in bytes.
func (o *Object) Len() int64 { return int64(o.info.Size) }

// Read implements io.Reader. It ends with io.EOF once all has come and the digest is right.
func (o *Object) Read(p []byte) (int, error) {
	if len(o.rest) == 0 {
		if o.left == 0 {
			if o.info.Digest != "" && o.info.Size > 0 && jetstream.GetObjectDigestValue(o.digest) != o.info.Digest {
				return 0, &lattice.Error{Code: lattice.ErrInvalid, Op: "fetch a payload",
					Detail: "its digest is not the one that was stored"}
			}
			return 0, io.EOF
		}
		if err := o.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, o.rest)
	o.rest = o.rest[n:]
	return n, nil
}

// next fetches the next piece. It is counted against the length that its sender said, for which there is room.
func (o *Object) next() error {
	m, err := o.pieces.Next(jetstream.NextMaxWait(stall))
	switch {
	case errors.Is(err, nats.ErrTimeout):
		return errStall
	case err != nil:
		return err
	}
	o.rest = m.Data()
	if uint64(len(o.rest)) > o.left {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "fetch a payload",
			Detail: "it is longer than its sender said"}
	}
	o.left -= uint64(len(o.rest))
	o.digest.Write(o.rest)
	return nil
}

// All reads the whole payload; ctx bounds it.
func (o *Object) All(ctx context.Context) ([]byte, error) {
	stop := context.AfterFunc(ctx, func() {
		if o.pieces != nil {
			o.pieces.Stop()
		}
	})
	defer stop()
	payload := make([]byte, o.info.Size)
	_, err := io.ReadFull(o, payload)
	if err == nil {
		if _, err = o.Read(nil); err == io.EOF {
			return payload, nil
		}
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return nil, failed("fetch a payload", err)
}

// Close deletes the payload. Closing twice is no error.
func (o *Object) Close() error {
	if o.closed {
		return nil
	}
	o.closed = true
	ctx, cancel := context.WithTimeout(o.ctx, dropTimeout)
	defer cancel()
	if o.pieces != nil {
		o.pieces.Stop()
	}
	if o.consumer != nil {
		_ = o.stream.DeleteConsumer(ctx, o.consumer.CachedInfo().Name) // else it ends by itself
	}
	return o.stream.Purge(ctx, jetstream.WithPurgeSubject(o.subject))
}
