//! Counts the requests of each path, as `GET /count/KEY`; `?link=NAME` chooses the link of the store.
//!
//! `PUT /value/KEY`, `GET /value/KEY` and `DELETE /value/KEY` keep bytes. `GET /keys` lists keys, a line each. `PUT /many`
//! sets a key a line, `GET /many?KEY,KEY` gets them.

mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "counter", generate_all });
}

use bindings::wasi::config::runtime;
use bindings::wasi::keyvalue::{atomics, batch, store};
use bindings::wasi::logging::logging::{log, Level};
use bindings::wasmcloud::bus::lattice::{set_link_name, CallTargetInterface};
use wasi::exports::http::incoming_handler::Guest;
use wasi::http::types::{Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Counter;

impl Guest for Counter {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let (status, text) = match answer(&request) {
            Ok(text) => (200, text),
            Err(e) => {
                log(Level::Error, "counter", &e);
                (500, e.into_bytes())
            }
        };
        let response = OutgoingResponse::new(Fields::new());
        response.set_status_code(status).unwrap();
        let body = response.body().unwrap();
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().unwrap();
        for piece in text.chunks(4096) {
            stream.blocking_write_and_flush(piece).unwrap();
        }
        drop(stream);
        OutgoingBody::finish(body, None).unwrap();
    }
}

fn answer(request: &IncomingRequest) -> Result<Vec<u8>, String> {
    let whole = request.path_with_query().unwrap_or_default();
    let (path, query) = whole.split_once('?').unwrap_or((&whole, ""));
    let mut name = "default";
    if let Some(link) = query.strip_prefix("link=") {
        set_link_name(link, ["store", "atomics", "batch"].map(|i| CallTargetInterface::new("wasi", "keyvalue", i)).into());
    } else if let Some(bucket) = query.strip_prefix("bucket=") {
        name = bucket;
    }
    let bucket = store::open(name).map_err(|e| format!("open {name}: {e:?}"))?;
    let failed = |e: store::Error| format!("{path}: {e:?}");
    let (kind, key) = path.trim_start_matches('/').split_once('/').unwrap_or((&path[1..], ""));
    match (request.method(), kind) {
        (Method::Get, "count") => {
            let n = atomics::increment(&bucket, key, 1).map_err(failed)?;
            log(Level::Info, "counter", &format!("{key} is {n}"));
            let greeting = runtime::get("greeting").map_err(|e| format!("{e:?}"))?.unwrap_or_default();
            Ok(format!("{greeting}{n}\n").into_bytes())
        }
        (Method::Get, "value") => match bucket.get(key).map_err(failed)? {
            Some(value) => Ok(value),
            None => Err("no such key".into()),
        },
        (Method::Put, "value") => bucket.set(key, &body(request)).map(|_| vec![]).map_err(failed),
        (Method::Delete, "value") => bucket.delete(key).map(|_| vec![]).map_err(failed),
        (Method::Get, "keys") => {
            let mut lines = vec![];
            let mut cursor = None;
            loop {
                let page = bucket.list_keys(cursor).map_err(failed)?;
                lines.extend(page.keys.iter().map(|k| format!("{k}\n")));
                cursor = page.cursor;
                if cursor.is_none() {
                    lines.sort();
                    return Ok(lines.concat().into_bytes());
                }
            }
        }
        (Method::Put, "many") => {
            let pairs: Vec<_> = String::from_utf8_lossy(&body(request)).lines().map(|l| (l.to_string(), l.into())).collect();
            batch::set_many(&bucket, &pairs).map(|_| vec![]).map_err(failed)
        }
        (Method::Get, "many") => {
            let keys: Vec<_> = query.split(',').map(String::from).collect();
            Ok(format!("{:?}\n", batch::get_many(&bucket, &keys).map_err(failed)?).into_bytes())
        }
        _ => Err(format!("{path} is not known")),
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

wasi::http::proxy::export!(Counter);
