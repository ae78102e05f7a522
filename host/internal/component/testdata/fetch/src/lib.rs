//! Makes a request as the path says, /SCHEME/AUTHORITY/PATH?QUERY, with the method, the headers x-… and the body of the
//! request that it serves. Answers with what came back, or 502 and the name of the error. Headers say how long it waits:
//! connect-ms, first-byte-ms, between-bytes-ms; and what else it does: two-at-once, early-drop.

use wasi::exports::http::incoming_handler::Guest;
use wasi::http::outgoing_handler;
use wasi::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    OutgoingResponse, RequestOptions, ResponseOutparam, Scheme,
};
use wasi::io::streams::{InputStream, StreamError};

struct Fetch;

fn copy(from: &InputStream, mut put: impl FnMut(&[u8]) -> bool) -> Result<(), String> {
    loop {
        match from.blocking_read(16384) {
            Ok(piece) if put(&piece) => {}
            Ok(_) => return Err("nobody takes it".to_string()),
            Err(StreamError::Closed) => return Ok(()),
            Err(StreamError::LastOperationFailed(e)) => return Err(e.to_debug_string()),
        }
    }
}

fn option(request: &IncomingRequest, name: &str) -> Option<u64> {
    let values = request.headers().get(name);
    let text = String::from_utf8(values.first()?.clone()).ok()?;
    text.parse::<u64>().ok().map(|ms| ms * 1_000_000)
}

fn send(request: &IncomingRequest) -> Result<IncomingResponse, ErrorCode> {
    let headers = Fields::new();
    for (name, value) in request.headers().entries() {
        if name.starts_with("x-") {
            headers.append(&name, &value).unwrap();
        }
    }
    let path = request.path_with_query().unwrap_or_default();
    let mut parts = path.trim_start_matches('/').splitn(3, '/');
    let out = OutgoingRequest::new(headers);
    out.set_method(&request.method()).unwrap();
    out.set_scheme(Some(&match parts.next() {
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        other => Scheme::Other(other.unwrap_or_default().to_string()),
    }))
    .unwrap();
    if out.set_authority(Some(parts.next().unwrap_or_default())).is_err() {
        return Err(ErrorCode::HttpRequestUriInvalid);
    }
    out.set_path_with_query(Some(&format!("/{}", parts.next().unwrap_or_default()))).unwrap();
    let options = RequestOptions::new();
    options.set_connect_timeout(option(request, "connect-ms")).unwrap();
    options.set_first_byte_timeout(option(request, "first-byte-ms")).unwrap();
    options.set_between_bytes_timeout(option(request, "between-bytes-ms")).unwrap();
    let body = if matches!(request.method(), Method::Get | Method::Head) { None } else { Some(out.body().unwrap()) };
    if request.headers().has("early-drop") {
        let future = outgoing_handler::handle(out, Some(options))?;
        drop(body);
        future.subscribe().block();
        return future.get().unwrap().unwrap();
    }
    let future = outgoing_handler::handle(out, Some(options))?;
    if let Some(body) = body {
        let incoming = request.consume().unwrap();
        let source = incoming.stream().unwrap();
        let sink = body.write().unwrap();
        let _ = copy(&source, |piece| piece.chunks(4096).all(|c| sink.blocking_write_and_flush(c).is_ok()));
        drop(sink);
        OutgoingBody::finish(body, None)?;
    }
    future.subscribe().block();
    future.get().unwrap().unwrap()
}

fn answer(out: ResponseOutparam, status: u16, fields: Fields) -> OutgoingBody {
    let response = OutgoingResponse::new(fields);
    response.set_status_code(status).unwrap();
    let body = response.body().unwrap();
    ResponseOutparam::set(out, Ok(response));
    body
}

fn write(body: OutgoingBody, text: &str) {
    let stream = body.write().unwrap();
    stream.blocking_write_and_flush(text.as_bytes()).unwrap();
    drop(stream);
    OutgoingBody::finish(body, None).unwrap();
}

/// Both are on their way before the answer to either is looked at.
fn two(request: &IncomingRequest) -> String {
    let path = request.path_with_query().unwrap_or_default();
    let mut parts = path.trim_start_matches('/').splitn(3, '/').skip(1);
    let authority = parts.next().unwrap_or_default();
    let futures: Vec<_> = ["/first", "/second"]
        .iter()
        .map(|path| {
            let out = OutgoingRequest::new(Fields::new());
            out.set_scheme(Some(&Scheme::Http)).unwrap();
            out.set_authority(Some(authority)).unwrap();
            out.set_path_with_query(Some(path)).unwrap();
            outgoing_handler::handle(out, None).unwrap()
        })
        .collect();
    let mut text = String::new();
    for future in futures.iter().rev() {
        future.subscribe().block();
        let response = future.get().unwrap().unwrap().unwrap();
        let body = response.consume().unwrap();
        let _ = copy(&body.stream().unwrap(), |piece| {
            text.push_str(&String::from_utf8_lossy(piece));
            true
        });
    }
    text
}

impl Guest for Fetch {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        if request.headers().has("two-at-once") {
            let text = two(&request);
            return write(answer(out, 200, Fields::new()), &text);
        }
        let response = match send(&request) {
            Ok(response) => response,
            Err(code) => return write(answer(out, 502, Fields::new()), &format!("{code:?}")),
        };
        let fields = Fields::new();
        for (name, value) in response.headers().entries() {
            if name.starts_with("x-") {
                fields.append(&name, &value).unwrap();
            }
        }
        let body = answer(out, response.status(), fields);
        let stream = body.write().unwrap();
        let incoming = response.consume().unwrap();
        let source = incoming.stream().unwrap();
        if let Err(text) = copy(&source, |piece| piece.chunks(4096).all(|c| stream.blocking_write_and_flush(c).is_ok())) {
            stream.blocking_write_and_flush(format!("broken: {text}").as_bytes()).unwrap();
        }
        drop(source);
        IncomingBody::finish(incoming);
        drop(stream);
        OutgoingBody::finish(body, None).unwrap();
    }
}

wasi::http::proxy::export!(Fetch);
