//! Refuses texts with the word "secret".

wit_bindgen::generate!({ path: "../wit", world: "filters", generate_all });

struct Words;

impl exports::acme::edge::filter::Guest for Words {
    fn apply(text: String) -> Result<String, String> {
        match text.split_whitespace().any(|w| w.eq_ignore_ascii_case("secret")) {
            true => Err("it has the word secret".into()),
            false => Ok(text),
        }
    }
}

export!(Words);
