//! Imports acme:edge/filter and exports it, too: what it answers is what the other one does, in brackets.

wit_bindgen::generate!({ path: "../wit", world: "callers", generate_all });

use acme::edge::filter;

struct Caller;

impl exports::acme::edge::filter::Guest for Caller {
    fn apply(text: String) -> Result<String, String> {
        filter::apply(&text).map(|t| format!("({t})"))
    }
}

impl exports::acme::edge::service::Guest for Caller {
    fn process(text: String, times: u32) -> Result<Vec<String>, String> {
        (0..times).map(|_| filter::apply(&text)).collect()
    }
}

export!(Caller);
