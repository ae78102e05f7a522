# /count/KEY counts in the key-value store, /config/NAME tells a value of the configuration, /fetch/AUTHORITY/PATH asks
# another server, /echo sends the body back as it comes, /events sends five events. All else is greeted.
import asyncio

import poll_loop
from componentize_py_types import Ok
from poll_loop import PollLoop, Sink, Stream
from wit_world import exports
from wit_world.imports import atomics, monotonic_clock, runtime, store
from wit_world.imports.types import (
    Fields, IncomingRequest, OutgoingBody, OutgoingRequest, OutgoingResponse, ResponseOutparam, Scheme_Http)


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam):
        loop = PollLoop()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(answer(request, response_out))


async def answer(request: IncomingRequest, out: ResponseOutparam):
    target = request.path_with_query()
    _, kind, *rest = target.split("?")[0].split("/")
    if kind == "count":
        await write(out, [f"{atomics.increment(store.open('default'), rest[0], 1)}\n".encode()])
    elif kind == "config":
        await write(out, [f"{runtime.get(rest[0])}\n".encode()])
    elif kind == "fetch":
        await fetch(request, out, rest[0], target.removeprefix(f"/fetch/{rest[0]}"))
    elif kind == "echo":
        await copy(Stream(request.consume()), begin(out))
    elif kind == "events":
        sink = begin(out, ("content-type", b"text/event-stream"))
        for n in range(5):
            await poll_loop.register(asyncio.get_event_loop(), monotonic_clock.subscribe_duration(50_000_000))
            await sink.send(f"data: {n}\n\n".encode())
        sink.close()
    else:
        await write(out, [f"hello from python {target}\n".encode()])


def begin(out: ResponseOutparam, *fields) -> Sink:
    response = OutgoingResponse(Fields.from_list(list(fields)))
    sink = Sink(response.body())
    ResponseOutparam.set(out, Ok(response))
    return sink


async def write(out: ResponseOutparam, pieces):
    sink = begin(out)
    for piece in pieces:
        await sink.send(piece)
    sink.close()


async def copy(source: Stream, sink: Sink):
    while (piece := await source.next()) is not None:
        await sink.send(piece)
    sink.close()


async def fetch(request: IncomingRequest, out: ResponseOutparam, authority: str, target: str):
    outgoing = OutgoingRequest(Fields.from_list([("x-from", b"python")]))
    outgoing.set_method(request.method())
    outgoing.set_scheme(Scheme_Http())
    outgoing.set_authority(authority)
    outgoing.set_path_with_query(target)
    body = Sink(outgoing.body())
    _, response = await asyncio.gather(copy(Stream(request.consume()), body), poll_loop.send(outgoing))
    await copy(Stream(response.consume()), begin(out))
