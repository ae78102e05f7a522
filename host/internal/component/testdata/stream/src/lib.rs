//! Bodies as streams. GET /sse?n=N&ms=MS writes N events, MS milliseconds apart, POST /sse?ms=MS until the request's body
//! ends. GET /big?n=N writes N bytes. POST /echo copies the body as it comes, POST /count answers how long it is, POST
//! /drop does not read it. GET /trap writes some and panics, GET /short leaves its body unfinished, GET /spin computes
//! for ever after its first bytes. POST /trailers answers with the trailers that it got.

use wasi::clocks::monotonic_clock::subscribe_duration;
use wasi::exports::http::incoming_handler::Guest;
use wasi::http::types::{
    Fields, FutureTrailers, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasi::io::streams::{InputStream, OutputStream, StreamError};

struct Stream;

fn number(query: &str, name: &str) -> Option<u64> {
    query.split('&').find_map(|p| p.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

/// read calls f for each piece of a body. It waits by a pollable, as asynchronous guests do.
fn read(source: &InputStream, mut f: impl FnMut(&[u8])) {
    let ready = source.subscribe();
    loop {
        ready.block();
        match source.read(65536) {
            Ok(piece) => f(&piece),
            Err(StreamError::Closed) => return,
            Err(StreamError::LastOperationFailed(e)) => panic!("{}", e.to_debug_string()),
        }
    }
}

/// write writes all of a body, as much at a time as there is room for.
fn write(to: &OutputStream, mut bytes: &[u8]) {
    let ready = to.subscribe();
    while !bytes.is_empty() {
        let room = to.check_write().unwrap() as usize;
        if room == 0 {
            ready.block();
            continue;
        }
        let n = room.min(bytes.len());
        to.write(&bytes[..n]).unwrap();
        bytes = &bytes[n..];
    }
}

impl Guest for Stream {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let headers = Fields::new();
        if path == "/sse" {
            headers.append("content-type", b"text/event-stream").unwrap();
        }
        if let (Some(n), true) = (number(query, "length"), path == "/big") {
            headers.append("content-length", n.to_string().as_bytes()).unwrap();
        }
        let response = OutgoingResponse::new(headers);
        let body = response.body().unwrap();
        ResponseOutparam::set(out, Ok(response));
        let to = body.write().unwrap();
        let mut trailers = None;
        match path {
            "/sse" => {
                let pause = number(query, "ms").unwrap_or(10) * 1_000_000;
                let event = |i| {
                    to.blocking_write_and_flush(format!("data: {i}\n\n").as_bytes()).unwrap();
                    subscribe_duration(pause).block();
                };
                if let Method::Post = request.method() {
                    let incoming = request.consume().unwrap();
                    let source = incoming.stream().unwrap();
                    (0..).take_while(|_| !matches!(source.read(65536), Err(StreamError::Closed))).for_each(event);
                } else {
                    (0..number(query, "n").unwrap_or(10)).for_each(event);
                }
            }
            "/big" => {
                let piece = [b'x'; 65536];
                let mut left = number(query, "n").or(number(query, "length")).unwrap_or(0) as usize;
                while left > 0 {
                    let n = left.min(piece.len());
                    write(&to, &piece[..n]);
                    left -= n;
                }
            }
            "/echo" => {
                let incoming = request.consume().unwrap();
                read(&incoming.stream().unwrap(), |piece| write(&to, piece));
            }
            "/count" => {
                let incoming = request.consume().unwrap();
                let mut n = 0;
                read(&incoming.stream().unwrap(), |piece| n += piece.len());
                write(&to, format!("{n}\n").as_bytes());
            }
            "/drop" => {
                drop(request.consume().unwrap());
                write(&to, b"dropped\n");
            }
            "/trap" => {
                write(&to, b"some");
                subscribe_duration(50_000_000).block();
                panic!("after the head");
            }
            "/short" => {
                write(&to, b"some");
                subscribe_duration(50_000_000).block();
                return;
            }
            "/spin" => {
                write(&to, b"some");
                loop {
                    std::hint::black_box(0);
                }
            }
            "/trailers" => {
                let incoming = request.consume().unwrap();
                {
                    let source = incoming.stream().unwrap();
                    read(&source, |piece| write(&to, piece));
                }
                let future: FutureTrailers = IncomingBody::finish(incoming);
                future.subscribe().block();
                let fields = Fields::new();
                if let Some(Ok(Ok(Some(got)))) = future.get() {
                    for (name, value) in got.entries() {
                        fields.append(&format!("got-{name}"), &value).unwrap();
                    }
                }
                trailers = Some(fields);
            }
            _ => write(&to, b"hello\n"),
        }
        drop(to);
        OutgoingBody::finish(body, trailers).unwrap();
    }
}

wasi::http::proxy::export!(Stream);
