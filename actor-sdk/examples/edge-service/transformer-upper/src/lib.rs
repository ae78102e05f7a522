//! Writes texts in capitals.

wit_bindgen::generate!({ path: "../wit", world: "transformers", generate_all });

struct Upper;

impl exports::acme::edge::transformer::Guest for Upper {
    fn transform(text: String) -> String {
        text.to_uppercase()
    }
}

export!(Upper);
