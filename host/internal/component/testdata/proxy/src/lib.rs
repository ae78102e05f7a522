//! Passes a request on to the origin that its path names, /AUTHORITY/PATH?QUERY, over http: both bodies as they come, at
//! the same time, and their trailers. Answers 502 and the name of the error where no answer came. What breaks after the
//! head is a body that is not finished.

use wasi::exports::http::incoming_handler::Guest;
use wasi::http::outgoing_handler;
use wasi::http::types::{
    ErrorCode, Fields, FutureTrailers, IncomingBody, IncomingRequest, IncomingResponse, OutgoingBody, OutgoingRequest,
    OutgoingResponse, ResponseOutparam, Scheme,
};
use wasi::io::poll::{poll, Pollable};
use wasi::io::streams::{InputStream, OutputStream, StreamError};

struct Proxy;

/// What became of a thing that was looked at.
enum Step {
    Moved,
    Waits(Pollable),
    Ended,
    Broken,
}

/// A body on its way, of which one piece is here at a time. Children come before what they are of, as they are dropped.
struct Pipe {
    piece: Vec<u8>,
    streams: Option<(InputStream, OutputStream)>,
    trailers: Option<FutureTrailers>,
    incoming: Option<IncomingBody>,
    outgoing: Option<OutgoingBody>,
}

impl Pipe {
    fn new(incoming: IncomingBody, outgoing: OutgoingBody) -> Pipe {
        let streams = Some((incoming.stream().unwrap(), outgoing.write().unwrap()));
        Pipe { piece: Vec::new(), streams, trailers: None, incoming: Some(incoming), outgoing: Some(outgoing) }
    }

    /// step does what can be done without waiting.
    fn step(&mut self) -> Step {
        if let Some((source, sink)) = &self.streams {
            if self.piece.is_empty() {
                match source.read(65536) {
                    Ok(piece) if piece.is_empty() => return Step::Waits(source.subscribe()),
                    Ok(piece) => self.piece = piece,
                    Err(StreamError::LastOperationFailed(_)) => return Step::Broken,
                    Err(StreamError::Closed) => {
                        self.streams = None;
                        self.trailers = self.incoming.take().map(IncomingBody::finish);
                    }
                }
                return Step::Moved;
            }
            let Ok(room) = sink.check_write() else { return Step::Broken };
            if room == 0 {
                return Step::Waits(sink.subscribe());
            }
            let n = self.piece.len().min(room as usize);
            if sink.write(&self.piece[..n]).is_err() {
                return Step::Broken;
            }
            self.piece.drain(..n);
            return Step::Moved;
        }
        let (Some(trailers), Some(outgoing)) = (&self.trailers, self.outgoing.take()) else { return Step::Ended };
        match trailers.get() {
            None => {
                self.outgoing = Some(outgoing);
                Step::Waits(trailers.subscribe())
            }
            Some(Ok(Ok(fields))) => match OutgoingBody::finish(outgoing, fields) {
                Ok(()) => Step::Ended,
                Err(_) => Step::Broken,
            },
            Some(_) => Step::Broken,
        }
    }
}

/// passed are the headers that may go on: hosts refuse those of a connection.
fn passed(headers: Fields) -> Fields {
    let fields = Fields::new();
    for (name, value) in headers.entries() {
        let _ = fields.append(&name, &value);
    }
    fields
}

fn request_to_origin(request: &IncomingRequest) -> OutgoingRequest {
    let target = request.path_with_query().unwrap_or_default();
    let (authority, path) = target.trim_start_matches('/').split_once('/').unwrap_or_default();
    let out = OutgoingRequest::new(passed(request.headers()));
    out.set_method(&request.method()).unwrap();
    out.set_scheme(Some(&Scheme::Http)).unwrap();
    out.set_authority(Some(authority)).unwrap();
    out.set_path_with_query(Some(&format!("/{path}"))).unwrap();
    out
}

fn respond(out: ResponseOutparam, status: u16, fields: Fields) -> OutgoingBody {
    let response = OutgoingResponse::new(fields);
    response.set_status_code(status).unwrap();
    let body = response.body().unwrap();
    ResponseOutparam::set(out, Ok(response));
    body
}

fn answer(out: ResponseOutparam, response: IncomingResponse) -> Pipe {
    let body = respond(out, response.status(), passed(response.headers()));
    Pipe::new(response.consume().unwrap(), body)
}

fn fail(out: ResponseOutparam, code: ErrorCode) {
    let body = respond(out, 502, Fields::new());
    body.write().unwrap().blocking_write_and_flush(format!("{code:?}\n").as_bytes()).unwrap();
    OutgoingBody::finish(body, None).unwrap();
}

impl Guest for Proxy {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let onward = request_to_origin(&request);
        let mut up = Some(Pipe::new(request.consume().unwrap(), onward.body().unwrap()));
        let future = match outgoing_handler::handle(onward, None) {
            Ok(future) => future,
            Err(code) => return fail(out, code),
        };
        let (mut out, mut down): (_, Option<Pipe>) = (Some(out), None);
        loop {
            let (mut moved, mut waits) = (false, Vec::new());
            match up.as_mut().map(Pipe::step) {
                Some(Step::Moved) => moved = true,
                Some(Step::Waits(p)) => waits.push(p),
                Some(Step::Ended | Step::Broken) => up = None, // the origin may have answered already
                None => {}
            }
            match down.as_mut().map(Pipe::step) {
                Some(Step::Moved) => moved = true,
                Some(Step::Waits(p)) => waits.push(p),
                Some(Step::Ended | Step::Broken) => return,
                None => match future.get() {
                    None => waits.push(future.subscribe()),
                    Some(result) => {
                        match result.unwrap() {
                            Ok(response) => down = Some(answer(out.take().unwrap(), response)),
                            Err(code) => return fail(out.take().unwrap(), code),
                        }
                        moved = true;
                    }
                },
            }
            if !moved {
                poll(&waits.iter().collect::<Vec<_>>());
            }
        }
    }
}

wasi::http::proxy::export!(Proxy);
