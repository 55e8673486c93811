//! `dp2stage completions`.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::Cli;

/// Prints what a shell needs to complete command lines.
pub fn print(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "dp2stage", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}
