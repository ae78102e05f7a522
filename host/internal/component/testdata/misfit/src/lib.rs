//! Exports acme:edge/filter with another type than filter does, and an interface with a resource.

wit_bindgen::generate!({ path: "wit", world: "misfits", generate_all });

use exports::acme::edge::store::{Entry, GuestEntry};

struct Misfit;

struct Name(String);

impl exports::acme::edge::filter::Guest for Misfit {
    fn apply(text: String, limit: u32) -> Result<String, String> {
        Ok(text.chars().take(limit as usize).collect())
    }
}

impl GuestEntry for Name {
    fn get(&self) -> String { self.0.clone() }
}

impl exports::acme::edge::store::Guest for Misfit {
    type Entry = Name;
    fn open(name: String) -> Entry { Entry::new(Name(name)) }
}

export!(Misfit);
