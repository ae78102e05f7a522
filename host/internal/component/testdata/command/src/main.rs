//! Writes its arguments and its standard input, and ends as the first argument says: with an exit code, or badly.

use std::io::{Read, Write};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input).unwrap();
    println!("arguments {args:?}, input {input:?}");
    eprintln!("a word on standard error");
    match args.first().map_or("", String::as_str) {
        "panic" => {
            for n in 1..=5 {
                eprintln!("page {n}");
            }
            print!("half a line");
            std::io::stdout().flush().unwrap();
            panic!("out of paper");
        }
        "spin" => loop {
            std::hint::spin_loop();
        },
        "grow" => drop(std::hint::black_box(vec![1u8; 1 << 30])),
        "bytes" => std::io::stdout().write_all(b"\x00\xff\n\r\x1b\x07").unwrap(),
        code => {
            if let Ok(code) = code.parse() {
                std::process::exit(code);
            }
        }
    }
}
