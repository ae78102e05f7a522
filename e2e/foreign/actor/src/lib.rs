//! An actor on wasmbus-rpc: each path of its HTTP interface tries one thing an actor of that time did.

use wasmbus_rpc::actor::prelude::*;
use wasmcloud_interface_httpclient::{HttpClient, HttpClientSender, HttpRequest as ClientRequest};
use wasmcloud_interface_httpserver::{
    HttpRequest, HttpResponse, HttpServer, HttpServerReceiver, HttpServerSender,
};
use wasmcloud_interface_keyvalue::{
    IncrementRequest, KeyValue, KeyValueSender, ListAddRequest, ListRangeRequest, SetAddRequest, SetRequest,
};

#[derive(Debug, Default, Actor, HealthResponder)]
#[services(Actor, HttpServer)]
struct Foreign {}

#[async_trait]
impl HttpServer for Foreign {
    async fn handle_request(&self, ctx: &Context, req: &HttpRequest) -> RpcResult<HttpResponse> {
        let path = req.path.trim_start_matches('/');
        let (what, rest) = path.split_once('/').unwrap_or((path, ""));
        match what {
            "echo" => echo(req),
            "fetch" => fetch(ctx, rest, req).await,
            "count" => count(ctx, rest).await,
            "values" => values(ctx, rest).await,
            "builtin" => builtin().await,
            "large" => Ok(HttpResponse::ok(vec![b'x'; number(rest)?])),
            "actor" => actor(ctx, rest).await,
            "fail" => Err(RpcError::ActorHandler("refused by the guest".to_string())),
            "panic" => panic!("the guest has panicked"),
            _ => Ok(HttpResponse::not_found()),
        }
    }
}

fn number(s: &str) -> RpcResult<usize> {
    s.parse().map_err(|e| RpcError::InvalidParameter(format!("{s}: {e}")))
}

fn echo(req: &HttpRequest) -> RpcResult<HttpResponse> {
    HttpResponse::json(
        serde_json::json!({"method": req.method, "query": req.query_string, "header": req.header,
            "body": String::from_utf8_lossy(&req.body)}),
        201,
    )
}

/// A request to http://REST, with a header and the body that came.
async fn fetch(ctx: &Context, rest: &str, req: &HttpRequest) -> RpcResult<HttpResponse> {
    let out = ClientRequest {
        method: req.method.clone(),
        url: format!("http://{rest}?{}", req.query_string),
        headers: [("x-from".to_string(), vec!["rust".to_string()])].into(),
        body: req.body.clone(),
    };
    match HttpClientSender::new().request(ctx, &out).await {
        Ok(r) => HttpResponse::json(
            serde_json::json!({"status": r.status_code, "server": r.header.get("x-server"),
                "body": String::from_utf8_lossy(&r.body)}),
            200,
        ),
        Err(e) => Ok(HttpResponse::internal_server_error(e.to_string())),
    }
}

async fn count(ctx: &Context, key: &str) -> RpcResult<HttpResponse> {
    let arg = IncrementRequest { key: format!("foreign:{key}"), value: 1 };
    match KeyValueSender::new().increment(ctx, &arg).await {
        Ok(n) => HttpResponse::json(serde_json::json!({ "counter": n }), 200),
        Err(e) => Ok(HttpResponse::internal_server_error(e.to_string())),
    }
}

/// One of each kind of the key-value interface: strings, lists, sets, and integers wider than a byte.
async fn values(ctx: &Context, key: &str) -> RpcResult<HttpResponse> {
    let kv = KeyValueSender::new();
    let (text, list, set) = (format!("{key}:text"), format!("{key}:list"), format!("{key}:set"));
    kv.set(ctx, &SetRequest { key: text.clone(), value: "ä value".to_string(), expires: 0 }).await?;
    let got = kv.get(ctx, &text).await?;
    for v in ["one", "two"] {
        kv.list_add(ctx, &ListAddRequest { list_name: list.clone(), value: v.to_string() }).await?;
        kv.set_add(ctx, &SetAddRequest { set_name: set.clone(), value: v.to_string() }).await?;
    }
    let range = kv.list_range(ctx, &ListRangeRequest { list_name: list.clone(), start: 0, stop: -1 }).await?;
    let mut query = kv.set_query(ctx, &set).await?;
    query.sort();
    let wide = kv.increment(ctx, &IncrementRequest { key: format!("{key}:n"), value: 70_000 }).await?;
    let negative = kv.increment(ctx, &IncrementRequest { key: format!("{key}:n"), value: -140_000 }).await?;
    let contains = kv.contains(ctx, &text).await?;
    let deleted = kv.del(ctx, &text).await?;
    let after = kv.get(ctx, &text).await?;
    HttpResponse::json(
        serde_json::json!({"value": got.value, "exists": got.exists, "list": range, "set": query, "wide": wide,
            "negative": negative, "contains": contains, "deleted": deleted, "after": after.exists}),
        200,
    )
}

#[cfg(target_arch = "wasm32")]
async fn builtin() -> RpcResult<HttpResponse> {
    wasmcloud_interface_logging::log("info", "said by a guest in Rust").await?;
    let guid = wasmcloud_interface_numbergen::generate_guid().await?;
    let dice = wasmcloud_interface_numbergen::random_in_range(1, 6).await?;
    HttpResponse::json(serde_json::json!({"guid": guid, "dice": dice}), 200)
}

#[cfg(not(target_arch = "wasm32"))]
async fn builtin() -> RpcResult<HttpResponse> {
    Err(RpcError::ActorHandler("only in a lattice".to_string()))
}

/// Asks another actor, named by its key or by its call alias, for its /echo.
async fn actor(ctx: &Context, target: &str) -> RpcResult<HttpResponse> {
    let req = HttpRequest { method: "GET".to_string(), path: "/echo".to_string(), query_string: "by=actor".to_string(), ..Default::default() };
    HttpServerSender::to_actor(target).handle_request(ctx, &req).await
}
