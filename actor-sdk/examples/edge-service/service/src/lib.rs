//! `POST /process` sends the body through the filters, and then the transformers, that are attached now: those of the
//! links 1, 2, 3 and so on, until one is missing. `GET /config` shows the configuration, or all that is wrong with it.

mod bindings {
    wit_bindgen::generate!({ path: "../wit", world: "service", generate_all });
}

use bindings::acme::edge::types::Config;
use bindings::acme::edge::{filter, transformer};
use bindings::exports::acme::edge::admin;
use bindings::wasi::config::store;
use bindings::wasmcloud::bus::lattice::{set_link_name, CallTargetInterface};
use wasi::exports::http::incoming_handler::Guest;
use wasi::http::types::{Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Service;

impl admin::Guest for Service {
    fn show_config() -> Result<Config, String> {
        config()
    }
}

impl Guest for Service {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let (status, text) = answer(&request);
        let response = OutgoingResponse::new(Fields::new());
        response.set_status_code(status).unwrap();
        let outgoing = response.body().unwrap();
        ResponseOutparam::set(out, Ok(response));
        let stream = outgoing.write().unwrap();
        for piece in text.as_bytes().chunks(4096) {
            stream.blocking_write_and_flush(piece).unwrap();
        }
        drop(stream);
        OutgoingBody::finish(outgoing, None).unwrap();
    }
}

fn answer(request: &IncomingRequest) -> (u16, String) {
    let config = match config() {
        Ok(c) => c,
        Err(e) => return (500, e),
    };
    match (request.method(), request.path_with_query().as_deref()) {
        (Method::Get, Some("/config")) => (
            200,
            format!("endpoint {}, timeout {} ms, {} retries\n", config.endpoint, config.timeout, config.retry_count),
        ),
        (Method::Post, Some("/process")) => match process(body(request)) {
            Ok(text) => (200, text),
            Err(e) => (422, e),
        },
        _ => (404, "there is GET /config and POST /process\n".into()),
    }
}

fn process(mut text: String) -> Result<String, String> {
    for n in 1.. {
        if !attached("filter", n) {
            break;
        }
        text = filter::apply(&text).map_err(|e| format!("filter {n}: {e}\n"))?;
    }
    for n in 1.. {
        if !attached("transformer", n) {
            break;
        }
        text = transformer::transform(&text);
    }
    Ok(text)
}

/// Chooses the link of that number, if there is one.
fn attached(interface: &str, n: u32) -> bool {
    set_link_name(&n.to_string(), vec![CallTargetInterface::new("acme", "edge", interface)]).is_ok()
}

/// Reads the configuration and says all that is wrong with it.
fn config() -> Result<Config, String> {
    let mut wrong = vec![];
    let mut read = |name: &str, valid: &dyn Fn(&str) -> bool, want: &str| match store::get(name) {
        Ok(Some(v)) if valid(&v) => v,
        Ok(Some(v)) => {
            wrong.push(format!("{name} is {v:?}; want {want}\n"));
            String::new()
        }
        Ok(None) => {
            wrong.push(format!("{name} is missing; want {want}\n"));
            String::new()
        }
        Err(e) => {
            wrong.push(format!("{name}: {e:?}\n"));
            String::new()
        }
    };
    let endpoint = read(
        "endpoint",
        &|v| ["http://", "https://"].iter().any(|s| v.strip_prefix(s).is_some_and(|host| !host.is_empty())),
        "http://HOST or https://HOST",
    );
    let timeout = read("timeout", &|v| v.parse().is_ok_and(|n: u32| (1..=60_000).contains(&n)), "1 to 60000, in milliseconds");
    let retries = read("retry-count", &|v| v.parse::<u8>().is_ok(), "0 to 255");
    if wrong.is_empty() {
        return Ok(Config { endpoint, timeout: timeout.parse().unwrap(), retry_count: retries.parse().unwrap() });
    }
    Err(format!("configuration:\n{}", wrong.concat()))
}

fn body(request: &IncomingRequest) -> String {
    let incoming = request.consume().unwrap();
    let source = incoming.stream().unwrap();
    let mut all = vec![];
    while let Ok(piece) = source.blocking_read(65536) {
        all.extend(piece);
    }
    String::from_utf8_lossy(&all).into_owned()
}

bindings::export!(Service with_types_in bindings);
wasi::http::proxy::export!(Service);
