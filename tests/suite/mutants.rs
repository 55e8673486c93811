//! Faults that would break the promise of privacy, each with a test that must find it.
//!
//! `make mutants` plants them one by one in a copy of the source and runs the named test there, which
//! must pass without the fault and fail with it. Texts are exact and must occur once, so that a change of
//! the source cannot disarm a mutant unnoticed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::scratch;

mod planted;

use planted::MUTANTS;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every mutant can be planted, in one place, and names a test that there is.
#[test]
fn mutants_can_be_planted() {
    for mutant in &MUTANTS {
        let source = std::fs::read_to_string(root().join(mutant.file)).unwrap();
        assert_eq!(source.matches(mutant.text).count(), 1, "{}: its text is not there once", mutant.name);
        let (file, test) = mutant.test.rsplit_once("::").unwrap();
        let file = root().join("tests/suite").join(file.replace("::", "/")).with_extension("rs");
        let tests = std::fs::read_to_string(&file).unwrap();
        let heads = ["#[test]\nfn", "#[test]\n    fn", "#[tokio::test]\nasync fn", "worker_threads = 2)]\nasync fn"];
        let found = heads.iter().any(|head| tests.contains(&format!("{head} {test}(")));
        assert!(found, "{}: there is no {}", mutant.name, mutant.test);
        assert!(ROOMS.contains(&mutant.test.split("::").next().unwrap()), "{} is not built", mutant.test);
    }
    let names: BTreeSet<_> = MUTANTS.iter().map(|mutant| mutant.name).collect();
    assert_eq!(names.len(), MUTANTS.len());
}

/// The long form: `make mutants`; those named in DP2STAGE_MUTANTS, separated by commas, or all.
#[test]
#[ignore = "builds the suite once for each mutant: make mutants"]
fn every_mutant_is_found() {
    let wanted = std::env::var("DP2STAGE_MUTANTS").unwrap_or_default();
    let chosen: Vec<_> =
        MUTANTS.iter().filter(|m| wanted.is_empty() || wanted.split(',').any(|name| name == m.name)).collect();
    assert!(!chosen.is_empty(), "no mutant has the name {wanted}");
    let folder = scratch();
    let copy = folder.path().join("copy");
    plant_tree(&copy);
    let target = plant_target();
    let field = (&*copy, target.path());
    let tests: BTreeSet<_> = chosen.iter().map(|mutant| mutant.test).collect();
    assert!(cargo(field, &["--no-run"]), "the copy does not build");
    assert!(run(field, &tests.into_iter().collect::<Vec<_>>()), "the tests fail without a mutant");
    for mutant in chosen {
        let file = copy.join(mutant.file);
        let source = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, source.replace(mutant.text, mutant.fault)).unwrap();
        assert!(cargo(field, &["--no-run"]), "{}: the copy does not build", mutant.name);
        let survived = run(field, &[mutant.test]);
        std::fs::write(&file, source).unwrap();
        println!("{}: {}", mutant.name, if survived { "SURVIVED" } else { "found" });
        assert!(!survived, "{} is not found by {}", mutant.name, mutant.test);
    }
}

/// The rooms of the suite that are built with mutants: a test of another one would not run, and so find nothing.
const ROOMS: [&str; 10] =
    ["coding", "engine", "fuzz", "marginals", "model", "privacy", "report", "store", "support", "tabular"];

/// The rooms that are built need no other.
#[test]
fn the_rooms_of_mutants_stand_alone() {
    for room in ROOMS {
        for file in files_of(&root().join("tests/suite").join(room)) {
            let text = std::fs::read_to_string(&file).unwrap();
            for (_, rest) in text.match_indices("crate::").map(|(at, found)| text.split_at(at + found.len())) {
                let named = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                assert!(ROOMS.contains(&named), "{}: {named} is not built with mutants", file.display());
            }
        }
    }
}

/// The file of this room, and all that is in its folder.
fn files_of(room: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (vec![room.with_extension("rs")], vec![room.to_path_buf()]);
    files.retain(|file| file.exists());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                files.push(entry);
            }
        }
    }
    assert!(!files.is_empty(), "{}: nothing there", room.display());
    files
}

/// A copy of the source with the rooms of the suite that mutants need.
fn plant_tree(copy: &Path) {
    std::fs::create_dir(copy).unwrap();
    let parts = ["Cargo.toml", "Cargo.lock", "build.rs", "src", "tests", "benches", "migrations", "openapi", ".sqlx"];
    let from = parts.map(|part| root().join(part));
    assert!(Command::new("cp").arg("-r").args(from).arg(copy).status().unwrap().success());
    let rooms: String = ROOMS.iter().map(|room| format!("mod {room};\n")).collect();
    let main = format!("//! The rooms of the suite that mutants need.\n{rooms}");
    std::fs::write(copy.join("tests/suite/main.rs"), main).unwrap();
}

/// Whether all these tests pass.
fn run(field: (&Path, &Path), tests: &[&str]) -> bool {
    let arguments: Vec<_> = ["--", "--exact"].iter().chain(tests).copied().collect();
    cargo(field, &arguments)
}

/// A target folder with links to the compiled dependencies of this build, and without this package: a
/// mutant must never lie where somebody might run it. On the same file system, as links want it.
fn plant_target() -> tempfile::TempDir {
    let profile = Path::new(env!("CARGO_BIN_EXE_dp2stage")).parent().unwrap();
    let folder = tempfile::Builder::new().prefix("mutants-").tempdir_in(profile.parent().unwrap()).unwrap();
    let debug = folder.path().join("debug");
    std::fs::create_dir(&debug).unwrap();
    let parts = ["deps", "build", ".fingerprint"];
    let from = parts.map(|part| profile.join(part));
    assert!(Command::new("cp").arg("-al").args(from).arg(&debug).status().unwrap().success());
    for part in parts {
        for entry in std::fs::read_dir(debug.join(part)).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            let own = ["dp2stage-", "libdp2stage-", "suite-", "chaos-", "accounting-"]
                .iter()
                .any(|own| name.starts_with(own));
            if own && entry.path().is_dir() {
                std::fs::remove_dir_all(entry.path()).unwrap();
            } else if own {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
    }
    folder
}

fn cargo((copy, target): (&Path, &Path), arguments: &[&str]) -> bool {
    let mut command = Command::new(env!("CARGO"));
    // What cargo told this test about its package would make build scripts of dependencies run anew.
    let told = |name: &str| {
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "OUT_DIR"].iter().any(|part| name.starts_with(part))
    };
    for (name, _) in std::env::vars().filter(|(name, _)| told(name)) {
        command.env_remove(name);
    }
    command.args(["test", "--quiet", "--offline", "--locked", "--test", "suite"]).args(arguments);
    command.current_dir(copy).env("CARGO_TARGET_DIR", target).env("CARGO_INCREMENTAL", "1").env("SQLX_OFFLINE", "true");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap().success()
}
