//! A provider for the contract "acme:rust": Echo answers its argument, Fail answers an error, Back calls the actor.

use async_trait::async_trait;
use wasmbus_rpc::common::{Context, Message, MessageDispatch, Transport};
use wasmbus_rpc::core::LinkDefinition;
use wasmbus_rpc::error::{RpcError, RpcResult};
use wasmbus_rpc::provider::prelude::provider_main;
use wasmbus_rpc::provider::{ProviderDispatch, ProviderHandler, ProviderTransport};

#[derive(Clone, Default)]
struct Foreign {
    links: std::sync::Arc<std::sync::Mutex<std::collections::HashMap<String, LinkDefinition>>>,
}

#[async_trait]
impl ProviderHandler for Foreign {
    async fn put_link(&self, ld: &LinkDefinition) -> RpcResult<bool> {
        self.links.lock().unwrap().insert(ld.actor_id.clone(), ld.clone());
        Ok(true)
    }

    async fn delete_link(&self, actor_id: &str) {
        self.links.lock().unwrap().remove(actor_id);
    }
}

impl ProviderDispatch for Foreign {}

#[async_trait]
impl MessageDispatch for Foreign {
    async fn dispatch(&self, ctx: &Context, message: Message<'_>) -> Result<Vec<u8>, RpcError> {
        match message.method {
            "Rust.Echo" => Ok(message.arg.into_owned()),
            "Rust.Fail" => Err(RpcError::Other("out of rust".to_string())),
            "Rust.Back" => {
                let actor = ctx.actor.clone().unwrap_or_default();
                let link = self.links.lock().unwrap().get(&actor).cloned();
                let link = link.ok_or_else(|| RpcError::Other("no link".to_string()))?;
                let transport = ProviderTransport::new(&link, None);
                transport.send(ctx, Message { method: "Test.Echo", arg: message.arg }, None).await
            }
            other => Err(RpcError::MethodNotHandled(other.to_string())),
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    provider_main(Foreign::default(), Some("weft foreign provider".to_string()))
}
