//! No core dumps: the memory of servers and workers has keys and private rows in it.

use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{Resource, setrlimit};

/// Forbids core dumps of this process and of those that it starts, and has the kernel keep others of the same user from
/// reading its memory.
pub fn forbid() -> nix::Result<()> {
    // A handler that core_pattern names ignores the limit, but not the second.
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    set_dumpable(false)
}

#[cfg(test)]
mod tests {
    use nix::sys::prctl::get_dumpable;
    use nix::sys::resource::getrlimit;

    use super::*;

    #[test]
    fn a_process_that_forbids_them_has_none() {
        forbid().unwrap();
        assert_eq!(getrlimit(Resource::RLIMIT_CORE).unwrap(), (0, 0));
        assert!(!get_dumpable().unwrap());
    }
}
