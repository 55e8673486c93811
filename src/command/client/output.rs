//! What goes to standard output. Remarks go to standard error, so that output can be piped.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use serde_json::Value;

use super::failure::Failure;
use super::words::plain;

/// Prints a text, and a line end where it has none. Whoever reads no further is no failure.
pub fn say(text: &str) -> Result<(), Failure> {
    print(plain(text).trim_end_matches('\n'))
}

/// Prints the server's JSON as it came.
pub fn say_json(text: &str) -> Result<(), Failure> {
    print(text.trim_end_matches('\n'))
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Other(anyhow::Error::new(error).context("standard output")))
        }
        _ => Ok(()),
    }
}

/// Says something beside the output.
pub fn remark(text: &str) {
    eprintln!("{}", plain(text));
}

/// Reads a JSON object from a file, or from standard input where the path is `-`. What is said of one that is none
/// holds nothing of it.
pub fn read_object(path: &Path) -> Result<Value, Failure> {
    let text = if path == Path::new("-") {
        io::read_to_string(io::stdin()).context("standard input")?
    } else {
        std::fs::read_to_string(path).with_context(|| path.display().to_string())?
    };
    let read: Result<Value, _> = serde_json::from_str(&text);
    match read {
        Ok(value) if value.is_object() => Ok(value),
        Ok(_) => Err(Failure::Usage(format!("{} holds JSON, but no object", path.display()))),
        Err(fault) => Err(Failure::Usage(format!("{} is not JSON: {fault}", path.display()))),
    }
}
