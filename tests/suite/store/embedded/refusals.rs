//! What a start refuses, and the words it uses.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use dp2stage::store::embedded::{Binaries, Cluster, EmbeddedError, Places};
use nix::unistd::geteuid;

use super::process::{copy_made_before, quick};
use crate::support::scratch;

/// Server programs that can do nothing but tell their version.
fn fake_programs(bin: &Path, version: &str) {
    fs::create_dir_all(bin).expect("a folder");
    for program in ["initdb", "postgres"] {
        let path = bin.join(program);
        fs::write(&path, format!("#!/bin/sh\necho '{program} (PostgreSQL) {version} (Some 1.2)'\n")).expect("a script");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("an executable script");
    }
}

#[test]
fn missing_programs_are_reported_with_both_remedies() {
    let folder = scratch();
    let nowhere = Places { path: vec![folder.path().into()], ..Places::default() };
    let wrong = Places { named: Some(folder.path().into()), ..Places::of_this_machine(None) };
    for places in [nowhere, wrong] {
        let error = Binaries::find(&places, None).expect_err("no programs");
        let message = error.to_string();
        assert!(message.contains("apt-get install -y postgresql"), "{message}");
        assert!(message.contains("DATABASE_URL"), "{message}");
    }
}

#[test]
fn programs_are_chosen_by_place_and_version() {
    let folder = scratch();
    let at = |name: &str| folder.path().join(name);
    for (bin, version) in
        [("path", "16.1"), ("lib/9.6/bin", "9.6.24"), ("lib/15/bin", "15.18"), ("lib/18/bin", "18beta2")]
    {
        fake_programs(&at(bin), version);
    }
    let find = |path: bool, wanted| {
        let path = if path { vec![at("path")] } else { vec![] };
        let places = Places { named: None, path, versioned: vec![at("lib"), at("absent")] };
        Binaries::find(&places, wanted).expect("programs").major()
    };
    assert_eq!(find(true, None), 16, "the path comes first");
    assert_eq!(find(false, None), 18, "then the newest version");
    assert_eq!(find(true, Some(15)), 15, "existing data prefer their own version");
    assert_eq!(find(true, Some(17)), 16, "a version that is not there changes nothing");
    let old = Places { named: Some(at("lib/9.6/bin")), ..Places::default() };
    let error = Binaries::find(&old, None).expect_err("too old");
    assert!(matches!(error, EmbeddedError::TooOld { found: 9, .. }), "{error}");
}

#[test]
fn data_of_another_version_or_of_no_version_are_left_alone() {
    let folder = scratch();
    copy_made_before(folder.path());
    let config = quick(folder.path());
    let data = folder.path().join("state/data");
    let version = data.join("PG_VERSION");
    fs::write(&version, "12\n").expect("a changed version");
    let error = Cluster::start(&config).expect_err("another version");
    assert!(matches!(&error, EmbeddedError::VersionMismatch { data, .. } if data == "12"), "{error}");
    assert!(error.to_string().contains("pg_upgrade"), "{error}");
    fs::remove_file(&version).expect("no version");
    let error = Cluster::start(&config).expect_err("no cluster");
    assert!(matches!(error, EmbeddedError::NotACluster(_)), "{error}");
    assert!(data.join("base").is_dir() && data.join("pg_wal").is_dir());
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let folder = scratch();
    copy_made_before(folder.path());
    let config = quick(folder.path());
    let conf = folder.path().join("state/data/postgresql.conf");
    fs::write(&conf, "no_such_setting = 1\n").expect("a broken configuration");
    let error = Cluster::start(&config).expect_err("a broken configuration");
    assert!(matches!(error, EmbeddedError::Startup { .. }), "{error}");
    assert!(error.to_string().contains("no_such_setting"), "{error}");
}

#[test]
fn root_is_told_which_folder_bars_the_server() {
    if !geteuid().is_root() {
        return eprintln!("skipped: only root hands the server to another account");
    }
    let folder = scratch();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).expect("a closed folder");
    let error = Cluster::start(&quick(folder.path())).expect_err("a closed folder");
    let closed = fs::canonicalize(folder.path()).expect("a path");
    assert!(matches!(&error, EmbeddedError::Unreachable { at, .. } if *at == closed), "{error}");
}
