//! The operating system account that runs the server.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::{Uid, User, getegid, geteuid};

use super::EmbeddedError;

/// Who runs the server: this process's own user, or for root an account without privileges.
#[derive(Clone, Debug)]
pub(super) struct Account {
    name: String,
    uid: u32,
    gid: u32,
    /// True when this process is root and must hand the server to the account.
    switch: bool,
}

impl Account {
    /// The account for a cluster in `data`. An existing cluster decides, since PostgreSQL wants to own its data.
    pub fn for_data(data: &Path) -> Result<Self, EmbeddedError> {
        let owner = fs::metadata(data).ok().map(|meta| meta.uid());
        let euid = geteuid();
        if !euid.is_root() {
            let own = Self { name: name_of(euid), uid: euid.as_raw(), gid: getegid().as_raw(), switch: false };
            own.must_own(data, owner)?;
            return Ok(own);
        }
        let known = |user: Option<User>| {
            user.map(|user| Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw(), switch: true })
        };
        let of_owner = owner.filter(|uid| *uid != 0).and_then(|uid| User::from_uid(Uid::from_raw(uid)).ok().flatten());
        if let Some(account) = known(of_owner) {
            return Ok(account);
        }
        let account = ["postgres", "nobody"]
            .iter()
            .find_map(|name| known(User::from_name(name).ok().flatten()))
            .ok_or(EmbeddedError::NoAccount)?;
        account.must_own(data, owner)?;
        Ok(account)
    }

    fn must_own(&self, folder: &Path, owner: Option<u32>) -> Result<(), EmbeddedError> {
        match owner {
            Some(owner) if owner != self.uid => {
                Err(EmbeddedError::WrongOwner { folder: folder.to_owned(), owner, account: self.name.clone() })
            }
            _ => Ok(()),
        }
    }

    /// A command that runs `program` as this account, with an empty environment and without standard input.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if self.switch {
            // the standard library also drops the supplementary groups when root sets a user id
            command.uid(self.uid).gid(self.gid);
        }
        // root's working directory may be unreadable to the account, hence "/"
        command.current_dir("/").env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
        command
    }

    /// Makes `folder` (not its parents) for this account alone, or checks that it is so already.
    ///
    /// The check matters in shared places: whoever owns the socket's folder can pose as the server.
    pub fn private_folder(&self, folder: &Path) -> Result<(), EmbeddedError> {
        match DirBuilder::new().mode(0o700).create(folder) {
            Ok(()) if self.switch => {
                chown(folder, Some(self.uid), Some(self.gid)).map_err(EmbeddedError::io("cannot hand over", folder))
            }
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let meta = fs::symlink_metadata(folder).map_err(EmbeddedError::io("cannot read", folder))?;
                self.must_own(folder, Some(meta.uid()))?;
                if !meta.is_dir() {
                    return Err(EmbeddedError::io("cannot use", folder)(io::ErrorKind::NotADirectory.into()));
                }
                fs::set_permissions(folder, Permissions::from_mode(0o700))
                    .map_err(EmbeddedError::io("cannot protect", folder))
            }
            Err(error) => Err(EmbeddedError::io("cannot make", folder)(error)),
        }
    }

    /// Checks that the account can pass through every folder from the root down to `folder`, which must exist.
    ///
    /// Without this the server fails later with a bare "Permission denied". Access lists beyond the mode bits are not
    /// read.
    pub fn must_reach(&self, folder: &Path) -> Result<(), EmbeddedError> {
        if !self.switch {
            return Ok(());
        }
        let needed = fs::canonicalize(folder).map_err(EmbeddedError::io("cannot reach", folder))?;
        let mut way: Vec<PathBuf> = needed.ancestors().map(Path::to_owned).collect();
        way.reverse();
        for at in way {
            let meta = fs::metadata(&at).map_err(EmbeddedError::io("cannot read", &at))?;
            let passage = match (meta.uid() == self.uid, meta.gid() == self.gid) {
                (true, _) => 0o100,
                (false, true) => 0o010,
                (false, false) => 0o001,
            };
            if meta.mode() & passage == 0 {
                return Err(EmbeddedError::Unreachable { account: self.name.clone(), needed, at });
            }
        }
        Ok(())
    }
}

fn name_of(uid: Uid) -> String {
    User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}
