//! The one place of this room that needs `unsafe`: a child that ends when the thread that started it ends.
#![allow(unsafe_code)]

use std::process::Command;

/// Asks the kernel to send SIGINT (PostgreSQL: fast shutdown) to the child of `command` as soon as the *thread* that
/// spawns it ends, however it ends; so the thread must live as long as the child should. See prctl(2),
/// PR_SET_PDEATHSIG. The request survives `exec`, and it is made after the change of user, which would clear it.
#[cfg(target_os = "linux")]
pub(super) fn end_with_this_thread(command: &mut Command) {
    use std::io;
    use std::os::unix::process::CommandExt;

    use nix::sys::prctl::set_pdeathsig;
    use nix::sys::signal::Signal;
    use nix::unistd::{Pid, getppid};

    let parent = Pid::this();
    let hook = move || {
        set_pdeathsig(Signal::SIGINT)?;
        // the parent may have died before the request was made
        if getppid() != parent {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        Ok(())
    };
    // SAFETY: the hook runs between fork and exec of a process with threads, where only async-signal-safe calls are
    // allowed. It makes two plain system calls, allocates nothing, takes no lock, and its captured value is `Copy`.
    unsafe { command.pre_exec(hook) };
}

/// Other systems have no such request: there a server outlives a service that is killed, and the next start reports
/// that the data folder is in use.
#[cfg(not(target_os = "linux"))]
pub(super) fn end_with_this_thread(_command: &mut Command) {}
