//! A provider for the contract "acme:sdk": Echo answers its argument, Fail answers an error, Back calls the actor.

use std::borrow::Cow;

use async_trait::async_trait;
use wasmcloud_provider_sdk::core::{LinkDefinition, WasmCloudEntity};
use wasmcloud_provider_sdk::error::{InvocationError, ProviderInvocationError};
use wasmcloud_provider_sdk::provider_main::get_connection;
use wasmcloud_provider_sdk::{start_provider, Context, MessageDispatch, Provider, ProviderHandler};

type Links = std::sync::Arc<tokio::sync::RwLock<std::collections::HashMap<String, LinkDefinition>>>;

#[derive(Clone, Default)]
struct Foreign {
    links: Links,
}

impl Provider for Foreign {}

#[async_trait]
impl ProviderHandler for Foreign {
    async fn put_link(&self, ld: &LinkDefinition) -> bool {
        self.links.write().await.insert(ld.actor_id.clone(), ld.clone());
        true
    }

    async fn delete_link(&self, actor_id: &str) {
        self.links.write().await.remove(actor_id);
    }
}

#[async_trait]
impl MessageDispatch for Foreign {
    async fn dispatch<'a>(
        &'a self,
        ctx: Context,
        method: String,
        body: Cow<'a, [u8]>,
    ) -> Result<Vec<u8>, ProviderInvocationError> {
        match method.as_str() {
            "Sdk.Echo" => Ok(body.into_owned()),
            "Sdk.Fail" => Err(ProviderInvocationError::Provider("out of the sdk".to_string())),
            "Sdk.Back" => {
                let actor = ctx.actor.unwrap_or_default();
                let link = self.links.read().await.get(&actor).cloned();
                let link = link.ok_or_else(|| ProviderInvocationError::Provider("no link".to_string()))?;
                let origin = WasmCloudEntity {
                    public_key: link.provider_id,
                    contract_id: link.contract_id,
                    link_name: link.link_name,
                };
                let target = WasmCloudEntity { public_key: actor, ..Default::default() };
                let client = get_connection().get_rpc_client();
                let response = client.send(origin, target, "Test.Echo", body.into_owned()).await?;
                match response.error {
                    Some(e) => Err(ProviderInvocationError::Provider(e)),
                    None => Ok(response.msg),
                }
            }
            other => Err(InvocationError::Malformed(format!("no method {other}")).into()),
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Ok(start_provider(Foreign::default(), Some("weft foreign provider".to_string()))?)
}
