//! Answers each request with what a filter makes of its path. A filter that fails is a 422.

mod bindings {
    wit_bindgen::generate!({ path: "../wit", world: "fronts", generate_all });
}

use bindings::acme::edge::filter;
use wasi::exports::http::incoming_handler::Guest;
use wasi::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Front;

impl Guest for Front {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let (status, text) = match filter::apply(&request.path_with_query().unwrap_or_default()) {
            Ok(text) => (200, text),
            Err(why) => (422, why),
        };
        let response = OutgoingResponse::new(Fields::new());
        response.set_status_code(status).unwrap();
        let body = response.body().unwrap();
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().unwrap();
        stream.blocking_write_and_flush(format!("{text}\n").as_bytes()).unwrap();
        drop(stream);
        OutgoingBody::finish(body, None).unwrap();
    }
}

wasi::http::proxy::export!(Front);
