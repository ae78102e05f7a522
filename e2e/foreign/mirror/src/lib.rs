//! Tells what it sees of a request: its method, target, header fields in the order of their names, how many bytes its
//! body has, their sum, and its trailers. The first segment of the path chooses how it answers instead:
//!
//! /status/N       with that status, and the words "some body"; /bodiless/N without a body
//! /fields/NAME/V  with the field NAME twice, V and "second"; /raw with a field of other than ASCII;
//!                 /long/N with a field of N bytes
//! /length/N/M     says that N bytes come, and writes M of them
//! /large/N        with N bytes
//! /trailers       with trailers
//! /trap           does not return; /later traps after it has written
//! /silent         returns without an answer; /twice answers twice
//! /error/NAME     with an error code
//! /unfinished     with a body that is not finished
//! /drop           tells nothing of the body, which it does not read

use wasi::exports::http::incoming_handler::Guest;
use wasi::http::types::*;
use wasi::io::streams::StreamError;

struct Mirror;

fn number(s: Option<&&str>) -> usize {
    s.and_then(|s| s.parse().ok()).unwrap_or(0)
}

fn text(b: &[u8]) -> String {
    b.iter().flat_map(|c| std::ascii::escape_default(*c)).map(char::from).collect()
}

fn fields(of: &str, mut all: Vec<(String, Vec<u8>)>) -> String {
    all.sort_by(|a, b| a.0.to_lowercase().cmp(&b.0.to_lowercase())); // those of one name stay in their order
    all.iter().map(|(n, v)| format!("{of} {}: {}\n", n.to_lowercase(), text(v))).collect()
}

/// seen tells all of a request.
fn seen(request: &IncomingRequest) -> String {
    let mut s = format!("method {:?}\ntarget {:?}\n", request.method(), request.path_with_query());
    s += &format!("scheme {:?}\nauthority {:?}\n", request.scheme(), request.authority());
    s += &fields("header", request.headers().entries());
    let body = request.consume().unwrap();
    let (mut n, mut sum) = (0usize, 0u64);
    {
        let source = body.stream().unwrap();
        loop {
            match source.blocking_read(65536) {
                Ok(b) => {
                    n += b.len();
                    sum = b.iter().fold(sum, |s, c| s.wrapping_mul(31).wrapping_add(*c as u64));
                }
                Err(StreamError::Closed) => break,
                Err(StreamError::LastOperationFailed(e)) => {
                    s += &format!("body breaks: {:?}\n", http_error_code(&e).is_some());
                    break;
                }
            }
        }
    }
    s += &format!("body {n} bytes, sum {sum}\n");
    let trailers = IncomingBody::finish(body);
    trailers.subscribe().block();
    if let Some(Ok(Ok(Some(got)))) = trailers.get() {
        s += &fields("trailer", got.entries());
    }
    s
}

fn error(name: &str) -> ErrorCode {
    match name {
        "dns" => ErrorCode::DnsTimeout,
        "refused" => ErrorCode::ConnectionRefused,
        "denied" => ErrorCode::HttpRequestDenied,
        "large" => ErrorCode::HttpRequestBodySize(Some(1)),
        "timeout" => ErrorCode::HttpResponseTimeout,
        "configuration" => ErrorCode::ConfigurationError,
        _ => ErrorCode::InternalError(Some("a reason".into())),
    }
}

impl Guest for Mirror {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let path: Vec<&str> = target.split('?').next().unwrap().split('/').skip(1).collect();
        let headers = Fields::new();
        let (mut status, mut answer, mut trailers, mut finish, mut trap) = (200, Some(b"some body".to_vec()), None, true, false);
        match path[0] {
            "status" => status = number(path.get(1)) as u16,
            "bodiless" => (status, answer) = (number(path.get(1)) as u16, None),
            "fields" => {
                for v in [path[2], "second"] {
                    headers.append(path[1], v.as_bytes()).unwrap();
                }
            }
            "long" => headers.append("x-long", &vec![b'y'; number(path.get(1))]).unwrap(),
            "raw" => headers.append("x-raw", b"\xe4\xff").unwrap(),
            "length" => {
                headers.append("content-length", path[1].as_bytes()).unwrap();
                answer = Some(vec![b'z'; number(path.get(2))]);
            }
            "large" => answer = Some(vec![b'x'; number(path.get(1))]),
            "trailers" => {
                let f = Fields::new();
                f.append("x-sum", b"42").unwrap();
                trailers = Some(f);
            }
            "trap" => panic!("as it was asked"),
            "later" => trap = true,
            "silent" => return,
            "error" => return ResponseOutparam::set(out, Err(error(path.get(1).unwrap_or(&"")))),
            "unfinished" => finish = false,
            "drop" | "twice" => {}
            _ => answer = Some(seen(&request).into_bytes()),
        }
        let response = OutgoingResponse::new(headers);
        if response.set_status_code(status).is_err() {
            answer = Some(format!("status {status} is not allowed").into_bytes());
        }
        let body = response.body().unwrap();
        if path[0] == "twice" {
            // The outparam is used up by the first answer: a second one is a use of a handle that is not there.
            let handle = out.handle();
            ResponseOutparam::set(out, Ok(response));
            let again = unsafe { ResponseOutparam::from_handle(handle) };
            return ResponseOutparam::set(again, Err(ErrorCode::HttpProtocolError));
        }
        ResponseOutparam::set(out, Ok(response));
        if let Some(bytes) = answer {
            let to = body.write().unwrap();
            for piece in bytes.chunks(4096) {
                to.blocking_write_and_flush(piece).unwrap();
            }
        }
        if trap {
            wasi::clocks::monotonic_clock::subscribe_duration(50_000_000).block();
            panic!("as it was asked, later");
        }
        if finish {
            OutgoingBody::finish(body, trailers).unwrap();
        }
    }
}

wasi::http::proxy::export!(Mirror);
