//! The rules. A fault is a line of text that begins with file and line.

use super::tokens::{Token, after_attributes, closing, end_of_item, matches, read};

/// Rooms and their floors; 5 is the roof, which may see everything.
const ROOMS: [(&str, u8); 12] = [
    ("model", 1),
    ("marginals", 1),
    ("tabular", 1),
    ("privacy", 1),
    ("engine", 2),
    ("report", 2),
    ("queue", 3),
    ("store", 3),
    ("http", 4),
    ("command", 5),
    ("config", 5),
    ("main", 5),
];
/// Edges along a floor that the picture in ARCHITECTURE.md draws; the roof's parts know each other.
const ARROWS: [(&str, &str); 2] = [("engine", "report"), ("queue", "store")];
/// Files that may hold `unsafe`, each with its argument.
const KERNELS: [&str; 2] = ["src/model/kernel.rs", "src/store/embedded/parent_death.rs"];
/// The one file of floor 1 that may ask the operating system for a key.
const ENTROPY: &str = "src/privacy/noise.rs";

/// Files that may make, or ask a role for, the proof that opens exact facts about rows.
const KEEPERS: [&str; 2] = ["src/store/custodial.rs", "src/http/role.rs"];

/// Files of `http` that ask the database for what is nobody's alone; all others see what is their caller's tenant's.
const OPERATORS: [&str; 6] = [
    "src/http/audit/routes.rs",
    "src/http/auth.rs",
    "src/http/certificates.rs",
    "src/http/desk.rs",
    "src/http/health.rs",
    "src/http/state.rs",
];

const LONGEST_FILE: usize = 400;
const LONGEST_FUNCTION: usize = 80;

/// Everything that is wrong with the file at `path`, which is relative to the root and begins with `src/`.
pub fn faults(path: &str, source: &str) -> Vec<String> {
    let tokens = read(source);
    let mut found = comfort(source);
    found.extend(long_functions(&tokens));
    found.extend(giving_up(&tokens));
    if path.ends_with("/mod.rs") {
        found.extend(code_in_mod(&tokens));
    }
    if !KERNELS.contains(&path) {
        found.extend(words(&tokens, &["unsafe"], "unsafe outside a kernel"));
    }
    found.extend(exact_facts(path, &tokens));
    if path.starts_with("src/http/") && !OPERATORS.contains(&path) {
        found.extend(words(&tokens, &["operator"], "tenants are kept apart: ask the database from a Desk"));
    }
    // the library's root declares the rooms and has none of its own
    if path != "src/lib.rs" {
        let room = path.trim_start_matches("src/").split(['/', '.']).next().unwrap_or_default();
        match floor(room) {
            None => found.push((1, format!("no such room: `{room}`"))),
            Some(floor) => {
                found.extend(edges(path, room, floor, &tokens));
                found.extend(outside_world(path, floor, &tokens));
            }
        }
    }
    found.into_iter().map(|(line, text)| format!("{path}:{line}: {text}")).collect()
}

type Faults = Vec<(usize, String)>;

fn floor(room: &str) -> Option<u8> {
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

fn comfort(source: &str) -> Faults {
    let mut found = Vec::new();
    let lines = source.lines().count();
    if lines > LONGEST_FILE {
        found.push((lines, format!("more than {LONGEST_FILE} lines: {lines}")));
    }
    let first = source.lines().find(|line| !line.trim().is_empty());
    if !first.is_some_and(|line| line.starts_with("//!")) {
        found.push((1, "no `//!` documentation at the top".to_owned()));
    }
    found
}

fn long_functions(tokens: &[Token]) -> Faults {
    let mut found = Vec::new();
    for at in (0..tokens.len()).filter(|at| tokens[*at].text == "fn") {
        let end = end_of_item(tokens, at);
        let lines = tokens.get(end).map_or(0, |last| last.line + 1 - tokens[at].line);
        if lines > LONGEST_FUNCTION {
            found.push((tokens[at].line, format!("`{}` has {lines} lines", tokens[at + 1].text)));
        }
    }
    found
}

fn giving_up(tokens: &[Token]) -> Faults {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let method = [".", "unwrap", "("].as_slice();
        let offence = matches(tokens, at, method)
            || matches(tokens, at, &[".", "expect", "("])
            || ["panic", "todo", "unimplemented"].iter().any(|name| matches(tokens, at, &[name, "!"]));
        if offence {
            let name = if token.text == "." { &tokens[at + 1].text } else { &token.text };
            found.push((token.line, format!("`{name}` gives up")));
        }
    }
    found
}

/// Exact facts are closed up where they are read, and one place of the counter decides who opens them.
fn exact_facts(path: &str, tokens: &[Token]) -> Faults {
    let mut found = Vec::new();
    if !KEEPERS.contains(&path) {
        found.extend(words(tokens, &["custodian_key"], "a custodian's key is asked for in src/http/role.rs alone"));
    }
    if !path.starts_with("src/store/") {
        let closed = (0..tokens.len()).filter(|at| matches(tokens, *at, &["Custodial", "::", "new"]));
        let why = "exact facts are closed up in src/store alone";
        found.extend(closed.map(|at| (tokens[at].line, format!("`Custodial::new`: {why}"))));
    }
    found
}

/// A `mod.rs` holds documentation, `mod x;` and `pub use`.
fn code_in_mod(tokens: &[Token]) -> Faults {
    let mut at = after_attributes(tokens, 0);
    while at < tokens.len() {
        let public = matches(tokens, at, &["pub"]);
        let mut head = at + usize::from(public);
        if public && matches(tokens, head, &["("]) {
            head = closing(tokens, head) + 1;
        }
        let declares = matches(tokens, head, &["mod"]) && matches(tokens, head + 2, &[";"]);
        let exports = public && matches(tokens, head, &["use"]);
        if !declares && !exports {
            return vec![(tokens[at].line, "mod.rs holds code".to_owned())];
        }
        while at < tokens.len() && tokens[at].text != ";" {
            at += 1;
        }
        at = after_attributes(tokens, at + 1);
    }
    Vec::new()
}

fn words(tokens: &[Token], forbidden: &[&str], why: &str) -> Faults {
    let offenders = tokens.iter().filter(|token| forbidden.contains(&token.text.as_str()));
    offenders.map(|token| (token.line, format!("`{}`: {why}", token.text))).collect()
}

/// The names that follow a path at `at` (the index after its last `::`): one, or those of a group in braces.
fn names_at(tokens: &[Token], at: usize) -> Vec<&Token> {
    let Some(first) = tokens.get(at) else { return Vec::new() };
    if first.text != "{" {
        return vec![first];
    }
    let end = closing(tokens, at);
    let mut names = Vec::new();
    let mut index = at + 1;
    while index < end {
        names.push(&tokens[index]);
        while index < end && tokens[index].text != "," {
            index = if tokens[index].text == "{" { closing(tokens, index) } else { index } + 1;
        }
        index += 1;
    }
    names
}

/// Names below the path `root`, as in `std::fs` and `std::{fs, net::TcpStream}`.
fn names_below<'a>(tokens: &'a [Token], root: &str) -> Vec<&'a Token> {
    let starts = (0..tokens.len()).filter(|at| matches(tokens, *at, &[root, "::"]));
    starts.flat_map(|at| names_at(tokens, at + 2)).collect()
}

/// Names below the crate's root, whether it is reached as `crate`, `dp2stage` or by climbing with `super`.
fn rooms_named<'a>(path: &str, tokens: &'a [Token]) -> Vec<&'a Token> {
    let mut named = names_below(tokens, "crate");
    named.extend(names_below(tokens, "dp2stage"));
    let parts = path.trim_start_matches("src/").split('/').filter(|part| *part != "mod.rs").count();
    let mut at = 0;
    while at < tokens.len() {
        let climbed = (0..).take_while(|step| matches(tokens, at + 2 * step, &["super", "::"])).count();
        if climbed >= parts {
            named.extend(names_at(tokens, at + 2 * climbed));
        }
        at += 2 * climbed + 1;
    }
    named
}

fn edges(path: &str, room: &str, own: u8, tokens: &[Token]) -> Faults {
    let mut found = Vec::new();
    for name in rooms_named(path, tokens) {
        let Some(other) = floor(&name.text) else { continue };
        let level = other == own && (own == 5 || ARROWS.contains(&(room, name.text.as_str())));
        if other >= own && !level && name.text != room {
            found.push((name.line, format!("an edge that the house does not have: {room} -> {}", name.text)));
        }
    }
    found
}

fn outside_world(path: &str, floor: u8, tokens: &[Token]) -> Faults {
    match floor {
        1 => {
            let why = "no I/O, clock, runtime or randomness of its own on floor 1";
            let mut found = words(tokens, &["sqlx", "axum", "tokio", "SystemTime", "Instant"], why);
            let std = names_below(tokens, "std").into_iter();
            let std = std.filter(|name| ["fs", "net", "env", "process"].contains(&name.text.as_str()));
            found.extend(std.map(|name| (name.line, format!("`std::{}`: {why}", name.text))));
            if path != ENTROPY {
                let named = ["thread_rng", "OsRng", "from_entropy", "try_from_os_rng", "getrandom"];
                found.extend(words(tokens, &named, why));
                let seeded = tokens.iter().filter(|token| token.text.starts_with("from_os"));
                found.extend(seeded.map(|token| (token.line, format!("`{}`: {why}", token.text))));
                let rng = names_below(tokens, "rand").into_iter().filter(|name| name.text == "rng");
                found.extend(rng.map(|name| (name.line, format!("`rand::rng`: {why}"))));
            }
            found
        }
        2 => words(tokens, &["sqlx", "axum"], "no SQL and no HTTP on floor 2"),
        _ => Vec::new(),
    }
}
