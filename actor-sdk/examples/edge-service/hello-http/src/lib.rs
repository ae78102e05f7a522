//! `GET /health` says that all is well, `POST /process` answers with the body in capitals.

use wasi::exports::http::incoming_handler::Guest;
use wasi::http::types::{Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Hello;

impl Guest for Hello {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let (status, text) = match (request.method(), request.path_with_query().as_deref()) {
            (Method::Get, Some("/health")) => (200, b"ok\n".to_vec()),
            (Method::Post, Some("/process")) => (200, body(&request).to_ascii_uppercase()),
            _ => (404, b"there is GET /health and POST /process\n".to_vec()),
        };
        let response = OutgoingResponse::new(Fields::new());
        response.set_status_code(status).unwrap();
        let outgoing = response.body().unwrap();
        ResponseOutparam::set(out, Ok(response));
        let stream = outgoing.write().unwrap();
        for piece in text.chunks(4096) {
            stream.blocking_write_and_flush(piece).unwrap();
        }
        drop(stream);
        OutgoingBody::finish(outgoing, None).unwrap();
    }
}

fn body(request: &IncomingRequest) -> Vec<u8> {
    let incoming = request.consume().unwrap();
    let source = incoming.stream().unwrap();
    let mut all = vec![];
    while let Ok(piece) = source.blocking_read(65536) {
        all.extend(piece);
    }
    all
}

wasi::http::proxy::export!(Hello);
