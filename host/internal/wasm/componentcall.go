package wasm

import (
	"context"
	"errors"
	"fmt"

	"github.com/weftlattice/weft/host/internal/component/face"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

// runComponent is run for what leads into guests by way of package abi. There the host pays for the guest, and makes
// room in it, before any guest code is on the stack: what ends the guest then is a panic that no engine catches.
func (i *Instance) runComponent(ctx context.Context, op string, f func(context.Context) error) error {
	return i.run(ctx, op, func(ctx context.Context) (err error) {
		defer i.parts.sending.end()
		defer func() {
			if r := recover(); r != nil {
				var ok bool
				if err, ok = r.(error); !ok {
					err = fmt.Errorf("panic: %v", r)
				}
			}
		}()
		defer i.parts.forget()
		i.parts.failed = nil
		i.parts.state.Forget()
		if err = f(ctx); err != nil && i.parts.failed != nil {
			err = i.parts.failed
		}
		return err
	})
}

// ended returns how the guest has ended itself in the call in progress, nil when it has not.
func (i *Instance) ended() *face.Exit {
	if i.parts.failed == nil {
		return nil
	}
	var exit *face.Exit
	_ = errors.As(i.parts.failed, &exit)
	return exit
}

// callComponent runs one operation of a contract by the interface that stands for it.
//
// Some guests serve one call alone: they end themselves after it, or trap when a second one comes. Where instances are
// shared that is found out here. A call that traps in an instance that has served others, before it has taken or given
// anything, is made once more in the instance as it began. When that goes well, the call was not to blame: from then on
// instances begin anew for each call.
func (i *Instance) callComponent(ctx context.Context, op string) ([]byte, error) {
	again := i.parts.served > 0
	if again && i.snapshot != nil && i.template.Single() != "" {
		if err := i.rewind(ctx); err != nil {
			return nil, err
		}
		again = false
	}
	out, err := i.serveComponent(ctx, op)
	if again && lattice.CodeOf(err) == lattice.ErrTrap && !i.parts.committed && i.exchange.hostCalls == 0 &&
		i.snapshot != nil && ctx.Err() == nil {
		first := err
		if i.rewind(ctx) != nil {
			return nil, first
		}
		i.broken.Store(false)
		if out, err = i.serveComponent(ctx, op); err == nil {
			i.template.single(ctx, "it traps when an instance serves a second call: "+first.Error())
		}
	}
	if i.parts.exited {
		i.template.single(ctx, "it ends itself after a call")
	}
	i.parts.served++
	if i.snapshot == nil && i.template.Single() != "" {
		i.broken.Store(true) // the next call needs an instance of its own
	}
	return out, err
}

func (i *Instance) serveComponent(ctx context.Context, op string) ([]byte, error) {
	i.parts.committed, i.parts.exited = false, false
	c := i.template.module.component
	if i.exchange.operation == httpserver.HandleRequest && c.handle != nil {
		return i.handleRequest(ctx, op)
	}
	f, err := c.typed.find(i.exchange.operation)
	if err != nil {
		return nil, &lattice.Error{Code: lattice.CodeOf(err), Op: op, Err: err}
	}
	if f.command {
		return i.runCommand(ctx, op, f)
	}
	return i.callTyped(ctx, op, f)
}
