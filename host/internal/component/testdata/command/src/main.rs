//! Writes its arguments and its standard input, and ends with the exit code that the first argument says.

use std::io::Read;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input).unwrap();
    println!("arguments {args:?}, input {input:?}");
    eprintln!("a word on standard error");
    if let Some(code) = args.first().and_then(|a| a.parse().ok()) {
        std::process::exit(code);
    }
}
