//! Exports acme:edge/filter, acme:edge/kinds and a function of the world. What apply does says FILTER in the
//! environment: upper (the default), reverse, or fail.

wit_bindgen::generate!({ path: "../wit", world: "filters", generate_all });

use exports::acme::edge::kinds::{Colour, Point, Rights, Shape};

struct Filter;

impl exports::acme::edge::filter::Guest for Filter {
    fn apply(text: String) -> Result<String, String> {
        match std::env::var("FILTER").as_deref() {
            Ok("reverse") => Ok(text.chars().rev().collect()),
            Ok("fail") => Err(format!("cannot filter {text}")),
            _ => Ok(text.to_uppercase()),
        }
    }
}

impl exports::acme::edge::kinds::Guest for Filter {
    fn of_bool(v: bool) -> bool { v }
    fn of_whole(a: u8, b: i8, c: u16, d: i16, e: u32, f: i32, g: u64, h: i64) -> (u8, i8, u16, i16, u32, i32, u64, i64) {
        (a, b, c, d, e, f, g, h)
    }
    fn of_float(a: f32, b: f64) -> (f32, f64) { (a, b) }
    fn of_char(v: char) -> char { v }
    fn of_string(v: String) -> String { v }
    fn of_bytes(v: Vec<u8>) -> Vec<u8> { v }
    fn of_list(v: Vec<Vec<u16>>) -> Vec<Vec<u16>> { v }
    fn of_record(v: Point) -> Point { v }
    fn of_variant(v: Shape) -> Shape { v }
    fn of_enum(v: Colour) -> Colour { v }
    fn of_flags(v: Rights) -> Rights { v }
    fn of_option(v: Option<Option<u32>>) -> Option<Option<u32>> { v }
    fn of_result(v: Result<u32, String>) -> Result<u32, String> { v }
    fn of_nothing() {}
}

impl Guest for Filter {
    fn greet(name: String) -> String { format!("hello {name}") }
}

export!(Filter);
