//! The program: everyone is known here, and nowhere else.

mod command;
mod config;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    match command::Cli::parse().run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dp2stage: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
