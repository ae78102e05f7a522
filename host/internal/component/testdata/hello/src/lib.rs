//! Answers GET with one line, and anything else with the body of the request, piece by piece.

use wasi::exports::http::incoming_handler::Guest;
use wasi::http::types::{Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam};
use wasi::io::streams::StreamError;

struct Hello;

impl Guest for Hello {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let headers = Fields::new();
        headers.append("content-type", b"text/plain").unwrap();
        let response = OutgoingResponse::new(headers);
        let body = response.body().unwrap();
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().unwrap();
        if let Method::Get = request.method() {
            let path = request.path_with_query().unwrap_or_default();
            stream.blocking_write_and_flush(format!("hello from {path}\n").as_bytes()).unwrap();
        } else {
            let incoming = request.consume().unwrap();
            let source = incoming.stream().unwrap();
            loop {
                match source.blocking_read(4096) {
                    Ok(piece) => stream.blocking_write_and_flush(&piece).unwrap(),
                    Err(StreamError::Closed) => break,
                    Err(StreamError::LastOperationFailed(e)) => panic!("{}", e.to_debug_string()),
                }
            }
        }
        drop(stream);
        OutgoingBody::finish(body, None).unwrap();
    }
}

wasi::http::proxy::export!(Hello);
