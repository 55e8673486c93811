//! The documents: every command that they name is there.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const DOCUMENTS: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"];

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// What stands in code: between backticks, and lines of blocks.
fn code(text: &str) -> Vec<String> {
    let (mut found, mut inside) = (Vec::new(), false);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if inside {
            found.push(line.trim_start().to_owned());
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

/// The words after a command, up to the first that is none of a name.
fn named(code: &str, command: &str) -> Option<Vec<String>> {
    let rest = code.strip_prefix(command)?.strip_prefix(' ')?;
    let name = |word: &&str| {
        word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && word.starts_with(|c: char| c.is_ascii_lowercase())
    };
    Some(rest.split_whitespace().take_while(name).map(str::to_owned).collect())
}

#[test]
fn targets_of_make_are_there() {
    let makefile = read("Makefile");
    let mut seen = BTreeSet::new();
    for (file, code) in DOCUMENTS.iter().flat_map(|file| code(&read(file)).into_iter().map(move |code| (file, code))) {
        let Some(target) = named(&code, "make").and_then(|words| words.first().cloned()) else { continue };
        assert!(makefile.contains(&format!("\n{target}:")), "{file}: make {target}");
        seen.insert(target);
    }
    assert!(seen.len() > 8, "{seen:?}");
}

/// Every `dp2stage ...` has a help of its own.
#[test]
fn commands_of_the_program_are_there() {
    let mut seen = BTreeSet::new();
    for code in DOCUMENTS.iter().flat_map(|file| code(&read(file))) {
        let Some(words) = named(&code, "dp2stage").filter(|words| !words.is_empty()) else { continue };
        seen.insert(words);
    }
    let helped = |words: &[String]| {
        let help = Command::new(env!("CARGO_BIN_EXE_dp2stage")).args(words).arg("--help").output().unwrap();
        help.status.success()
    };
    for words in &seen {
        // What follows a command may be a name: `dp2stage models fetch gpt2`.
        assert!((1..=words.len()).rev().any(|n| helped(&words[..n])) && helped(&words[..1]), "dp2stage {words:?}");
    }
    assert!(seen.len() > 8, "{seen:?}");
}

/// Links to files of the repository lead somewhere.
#[test]
fn links_lead_somewhere() {
    let mut followed = 0;
    for file in DOCUMENTS {
        let text = read(file);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "{file}: {link}");
            followed += 1;
        }
    }
    assert!(followed > 5);
}
