//! Refuses texts of more than 20 characters, and takes the blanks around others away.

wit_bindgen::generate!({ path: "../wit", world: "filters", generate_all });

struct Length;

impl exports::acme::edge::filter::Guest for Length {
    fn apply(text: String) -> Result<String, String> {
        let text = text.trim();
        match text.chars().count() {
            n @ 21.. => Err(format!("{n} characters, 20 allowed")),
            _ => Ok(text.into()),
        }
    }
}

export!(Length);
