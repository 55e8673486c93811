//! Finding the server programs: `initdb` and `postgres`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use super::EmbeddedError;

/// The oldest supported major version of PostgreSQL.
pub const OLDEST_MAJOR: u32 = 15;

/// Folders of this kind hold one folder per installed version, each with a `bin` inside.
const VERSIONED: [&str; 5] =
    ["/usr/lib/postgresql", "/usr", "/usr/local/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"];

/// Where to look for the server programs.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The only folder to look in, when the operator named one.
    pub named: Option<PathBuf>,
    /// Folders to look in first, in order.
    pub path: Vec<PathBuf>,
    /// Folders whose entries `<version>/bin`, `pgsql-<version>/bin` or `postgresql@<version>/bin` come next, newest
    /// version first.
    pub versioned: Vec<PathBuf>,
}

impl Places {
    /// `named` or else `PG_BIN_DIR` alone; without either `PATH`, then the folders of Debian, Red Hat and Homebrew.
    pub fn of_this_machine(named: Option<&Path>) -> Self {
        let from_env = || env::var_os("PG_BIN_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        Self {
            named: named.map(Path::to_owned).or_else(from_env),
            path: env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect(),
            versioned: VERSIONED.iter().map(PathBuf::from).collect(),
        }
    }

    /// Every folder here that holds the server programs, in order of preference.
    fn folders(&self) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = self.path.iter().filter(|dir| is_bin_dir(dir)).cloned().collect();
        let mut versioned: Vec<_> = self.versioned.iter().flat_map(|root| versions_below(root)).collect();
        versioned.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
        found.extend(versioned.into_iter().map(|(_, dir)| dir));
        found
    }
}

fn versions_below(root: &Path) -> Vec<(u32, PathBuf)> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let version = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let major = name.trim_start_matches("postgresql@").trim_start_matches("pgsql-").parse().ok()?;
        let dir = entry.path().join("bin");
        is_bin_dir(&dir).then_some((major, dir))
    };
    entries.filter_map(version).collect()
}

fn is_bin_dir(dir: &Path) -> bool {
    dir.is_absolute() && dir.join("initdb").is_file() && dir.join("postgres").is_file()
}

/// The server programs of one version.
#[derive(Clone, Debug)]
pub struct Binaries {
    dir: PathBuf,
    major: u32,
}

impl Binaries {
    /// Looks through `places` for programs of version [`OLDEST_MAJOR`] or newer. A data folder of version `wanted`
    /// prefers its own version over newer ones, since a server reads only data of its own major version.
    ///
    /// # Errors
    /// [`EmbeddedError::EmptyBinDir`], [`EmbeddedError::NoBinaries`] or [`EmbeddedError::TooOld`].
    pub fn find(places: &Places, wanted: Option<u32>) -> Result<Self, EmbeddedError> {
        let folders = match &places.named {
            Some(dir) => vec![fs::canonicalize(dir).unwrap_or_else(|_| dir.clone())],
            None => places.folders(),
        };
        let mut usable = Vec::new();
        let mut too_old = None;
        for dir in folders {
            match version_of(&dir) {
                Some(major) if major >= OLDEST_MAJOR => usable.push(Self { dir, major }),
                Some(found) => too_old = too_old.or(Some(EmbeddedError::TooOld { dir, found })),
                None => {}
            }
        }
        let own = usable.iter().position(|found| Some(found.major) == wanted).unwrap_or(0);
        if own < usable.len() {
            return Ok(usable.swap_remove(own));
        }
        Err(too_old.unwrap_or_else(|| match &places.named {
            Some(dir) => EmbeddedError::EmptyBinDir(dir.clone()),
            None => EmbeddedError::NoBinaries,
        }))
    }

    /// The folder that holds the programs.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Their major version.
    pub fn major(&self) -> u32 {
        self.major
    }
}

/// Major version that `postgres --version` in `dir` prints, as in "postgres (PostgreSQL) 15.18 (Debian …)".
fn version_of(dir: &Path) -> Option<u32> {
    if !is_bin_dir(dir) {
        return None;
    }
    let output = Command::new(dir.join("postgres")).arg("--version").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let number = text.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    let digits = number.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(number.len());
    number[..digits].parse().ok()
}
