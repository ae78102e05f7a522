//! An actor on wasmbus-rpc 0.9: an echo, a counter and an error.

use wasmbus_rpc::actor::prelude::*;
use wasmcloud_interface_httpserver::{HttpRequest, HttpResponse, HttpServer, HttpServerReceiver};
use wasmcloud_interface_keyvalue::{IncrementRequest, KeyValue, KeyValueSender};

#[derive(Debug, Default, Actor, HealthResponder)]
#[services(Actor, HttpServer)]
struct Old {}

#[async_trait]
impl HttpServer for Old {
    async fn handle_request(&self, ctx: &Context, req: &HttpRequest) -> RpcResult<HttpResponse> {
        match req.path.as_str() {
            "/echo" => HttpResponse::json(
                serde_json::json!({"method": req.method, "query": req.query_string, "body": String::from_utf8_lossy(&req.body)}),
                201,
            ),
            "/fail" => Err(RpcError::ActorHandler("refused by the guest".to_string())),
            path => {
                let arg = IncrementRequest { key: format!("old:{}", path.replace('/', ":")), value: 1 };
                match KeyValueSender::new().increment(ctx, &arg).await {
                    Ok(n) => HttpResponse::json(serde_json::json!({ "counter": n }), 200),
                    Err(e) => Ok(HttpResponse::internal_server_error(e.to_string())),
                }
            }
        }
    }
}
