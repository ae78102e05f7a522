//! Answers "OPERATION:PAYLOAD" on standard output; Command.Fail ends with a status.

use std::io::{Read, Write};

fn main() -> std::io::Result<()> {
    let operation = std::env::args().nth(1).unwrap_or_default();
    let mut payload = Vec::new();
    std::io::stdin().read_to_end(&mut payload)?;
    if operation == "Command.Fail" {
        eprintln!("refused by a command");
        std::process::exit(3);
    }
    let mut out = std::io::stdout();
    out.write_all(operation.as_bytes())?;
    out.write_all(b":")?;
    out.write_all(&payload)
}
