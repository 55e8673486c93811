//! What is kept on disks: the state folder, keys, blobs, models.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use dp2stage::store::models::{Listed, Standing};
use dp2stage::store::{self, Keyring, KeyringError};

use super::database::Reached;
use super::finding::{Finding, chain};
use crate::config::Config;

/// The state folder.
pub fn state_folder(config: &Config) -> Finding {
    const CHECK: &str = "state";
    let folder = match config.state_dir() {
        Ok(folder) => folder,
        Err(error) => return Finding::bad(CHECK, chain(&error), "name it with --state-dir"),
    };
    let shown = folder.display();
    match fs::metadata(&folder) {
        Ok(found) if !found.is_dir() => {
            Finding::bad(CHECK, format!("{shown} is no folder"), "name another one with --state-dir")
        }
        Ok(found) if found.permissions().mode() & 0o022 != 0 => {
            Finding::bad(CHECK, format!("{shown} can be changed by others"), format!("chmod go-w {shown}"))
        }
        Ok(_) if nix::unistd::access(&folder, nix::unistd::AccessFlags::W_OK).is_err() => Finding::bad(
            CHECK,
            format!("{shown} cannot be written by this user"),
            "give it to the user that the server runs as",
        ),
        Ok(_) => Finding::ok(CHECK, shown),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Finding::ok(CHECK, format!("{shown} is not there yet; the server makes it"))
        }
        Err(error) => Finding::bad(CHECK, format!("{shown}: {error}"), "give it to the user that the server runs as"),
    }
}

/// The keys that tables are sealed under, against those that the database knows.
pub fn storage_keys(
    config: &Config,
    keys: &anyhow::Result<Result<Keyring, KeyringError>>,
    known: Option<&[String]>,
) -> Finding {
    const CHECK: &str = "storage key";
    let lost = "bring the right one back (storage.key_file, or the file keys/storage of the state folder): without it no table can be read";
    match keys {
        Err(error) => Finding::bad(CHECK, chain(error), "name the state folder with --state-dir"),
        Ok(Err(KeyringError::Io(_, error))) if error.kind() == std::io::ErrorKind::NotFound => match known {
            Some([_, ..]) => Finding::bad(CHECK, "there is none, and the database knows of tables under one", lost),
            _ if config.database.url.is_some() && known.is_none() => {
                Finding::warning(CHECK, "there is none; whether tables are under one, only the database knows", lost)
            }
            _ => Finding::ok(CHECK, "none yet; the first server makes one: back it up apart from the database"),
        },
        Ok(Err(error)) => Finding::bad(CHECK, error, lost),
        Ok(Ok(keys)) => {
            let names = keys.names();
            match known {
                Some(known @ [_, ..]) if !known.iter().any(|name| names.contains(name)) => {
                    Finding::bad(CHECK, "it is not the one that the database knows", lost)
                }
                _ => {
                    Finding::ok(CHECK, format!("{} key(s); have a copy apart from the database's backups", names.len()))
                }
            }
        }
    }
}

/// The key that certificates are signed with.
pub fn certificate_key(config: &Config) -> Finding {
    const CHECK: &str = "signing key";
    match config.certificate_key() {
        Err(error) => Finding::bad(CHECK, chain(&error), "name the state folder with --state-dir"),
        Ok(path) if !path.exists() => {
            Finding::ok(CHECK, format!("{} is not there yet; the server makes it", path.display()))
        }
        Ok(path) => match store::signing_key(&path) {
            Ok(_) => Finding::ok(CHECK, path.display()),
            Err(error) => Finding::bad(
                CHECK,
                error,
                format!("chmod 600 {0}, or `dp2stage key rotate-certificate`", path.display()),
            ),
        },
    }
}

/// The place of blobs, and whether the database has forgotten what is witnessed there.
pub async fn blobs(config: &Config, keys: Option<Keyring>, reached: Option<&Reached>) -> Vec<Finding> {
    const CHECK: &str = "storage";
    let storage = match config.storage() {
        Ok(storage) => storage,
        Err(error) => return vec![Finding::bad(CHECK, chain(&error), "set storage.url")],
    };
    let shown = storage.url.clone();
    let folder = storage.url.strip_prefix("file://").map(std::path::PathBuf::from);
    if folder.as_ref().is_some_and(|folder| !folder.exists()) {
        return vec![Finding::ok(CHECK, format!("{shown} is not there yet; the server makes it"))];
    }
    let Some(keys) = keys else {
        return vec![Finding::warning(
            CHECK,
            format!("{shown} was not looked at: there is no storage key"),
            "see above",
        )];
    };
    let opened = tokio::task::spawn_blocking(move || {
        let blobs = storage.open(keys).map_err(|error| error.to_string())?;
        blobs.check_room().map(|()| blobs).map_err(|error| error.to_string())
    });
    let blobs = match opened.await.map_err(|error| error.to_string()).and_then(|opened| opened) {
        Ok(blobs) => blobs,
        Err(error) => {
            let fix = "see that it is there, writable and has room (storage.quota_bytes, storage.min_free_bytes)";
            return vec![Finding::bad(CHECK, format!("{shown}: {error}"), fix)];
        }
    };
    let mut found = vec![Finding::ok(CHECK, format!("{shown} is there and has room"))];
    if let Some(reached) = reached {
        found.push(match store::rewound(&reached.pool, &blobs).await {
            Ok(rewound) if rewound.is_empty() => Finding::ok("ledgers", "the database knows all that was spent"),
            Ok(rewound) => Finding::bad(
                "ledgers",
                format!("{} ledger(s) are behind what the storage witnesses: the database was restored from a backup, or is another one", rewound.len()),
                "stop all servers and workers and run `dp2stage recover`; for a new installation name another storage",
            ),
            Err(error) => Finding::bad("ledgers", error, "see above"),
        });
    }
    found
}

/// Ready-made models that are declared.
pub fn models(config: &Config) -> Vec<Finding> {
    const CHECK: &str = "models";
    let models = match config.models() {
        Ok(models) => models,
        Err(error) => return vec![Finding::bad(CHECK, chain(&error), "see [models] in config.toml")],
    };
    let finding = |model: Listed| {
        let wrong = model.files.iter().find(|file| !matches!(file.standing, Standing::Here | Standing::Trusted));
        match wrong {
            None => Finding::ok(CHECK, format!("{} is ready", model.name)),
            Some(file) if matches!(file.standing, Standing::Missing) => Finding::warning(
                CHECK,
                format!("{} is not here: {} is missing", model.name, file.name),
                format!("dp2stage models fetch {}", model.name),
            ),
            Some(file) => Finding::bad(
                CHECK,
                format!("{}: {} is not what was declared", model.name, file.name),
                format!("remove it and run `dp2stage models fetch {0}`, or `dp2stage models pin {0}`", model.name),
            ),
        }
    };
    models.list().into_iter().map(finding).collect()
}
