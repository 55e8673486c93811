//! The program: everyone is known here, and nowhere else.

mod command;
mod config;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    // Clients of HTTPS take the process's provider of cryptography; it is ring, as for the database. That
    // one was there already is no fault.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Where tests make this process fail; only builds for tests have such places.
    let _scenario = fail::has_failpoints().then(fail::FailScenario::setup);
    match command::Cli::parse().run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dp2stage: {error:#}");
            error.downcast_ref::<command::Failure>().map_or(1, command::Failure::code).into()
        }
    }
}
