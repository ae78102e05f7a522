//! A plain waPC guest: two operations, one of which calls the host.

use wapc_guest::prelude::*;

#[no_mangle]
pub extern "C" fn wapc_init() {
    register_function("Plain.Reverse", reverse);
    register_function("Plain.Forward", forward);
    register_function("Plain.Fail", fail);
}

fn reverse(msg: &[u8]) -> CallResult {
    console_log("said by a plain guest");
    Ok(msg.iter().rev().copied().collect())
}

/// Sends the payload, which is the name of an actor, an operation and an argument, to that actor.
fn forward(msg: &[u8]) -> CallResult {
    let text = std::str::from_utf8(msg)?;
    let mut parts = text.splitn(3, ' ');
    let mut next = || parts.next().unwrap_or_default();
    let (namespace, operation, payload) = (next(), next(), next());
    Ok(host_call("default", namespace, operation, payload.as_bytes())?)
}

fn fail(_: &[u8]) -> CallResult {
    Err("refused by a plain guest".into())
}
