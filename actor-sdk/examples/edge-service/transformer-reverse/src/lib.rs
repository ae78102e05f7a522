//! Writes texts backwards.

wit_bindgen::generate!({ path: "../wit", world: "transformers", generate_all });

struct Reverse;

impl exports::acme::edge::transformer::Guest for Reverse {
    fn transform(text: String) -> String {
        text.chars().rev().collect()
    }
}

export!(Reverse);
