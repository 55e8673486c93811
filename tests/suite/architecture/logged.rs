//! What may be written into the log: fields by this list, messages that are literals. A value gets in by way of a field
//! alone, and each field here holds ids, words of the program, numbers of machines, or an error of an enum of ours.

use std::path::Path;

use super::rust_files;

/// Names of fields. A new one is a decision: can it ever hold a cell, a name of a column, or a secret?
const FIELDS: [&str; 29] = [
    "address",
    "answer",
    "attempt",
    "became",
    "blobs",
    "bytes",
    "ended",
    "error",
    "fault",
    "file",
    "folder",
    "id",
    "job",
    "jobs",
    "keys",
    "late",
    "limit",
    "method",
    "milliseconds",
    "model",
    "place",
    "reason",
    "refused",
    "route",
    "stage",
    "status",
    "unfinished",
    "uploads",
    "worker",
];
/// Fields that may be written by `Debug`, which shows whatever a value holds.
const SHOWN: [&str; 2] = ["became", "status"];
/// Places that write to the terminal of whoever called them.
const TERMINALS: [&str; 2] = ["src/command/", "src/main.rs"];

/// What is wrong with the log lines of a source.
fn faults(path: &str, source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = Vec::new();
    for (at, _) in source.match_indices("tracing::") {
        let Some((name, rest)) = source[at..].split_once("!(") else { continue };
        if !name["tracing::".len()..].bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            continue;
        }
        for argument in arguments(rest) {
            if let Some(fault) = judge(argument.trim()) {
                found.push(format!("{path}: {name}!: {fault}"));
            }
        }
    }
    // What a span is told later.
    for (at, call) in source.match_indices(".record(\"") {
        let name = source[at + call.len()..].split('"').next().unwrap_or_default();
        if !FIELDS.contains(&name) {
            found.push(format!("{path}: record: a field that is not on the list: {name}"));
        }
    }
    let printed = ["println!", "eprintln!", "print!", "dbg!"]
        .iter()
        .any(|word| source.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(word)));
    if printed && !TERMINALS.iter().any(|terminal| path.starts_with(terminal)) {
        found.push(format!("{path}: prints"));
    }
    found
}

/// The arguments of a call, given what follows its opening parenthesis.
fn arguments(rest: &str) -> Vec<&str> {
    let (mut depth, mut quoted, mut start, mut list) = (0, false, 0, Vec::new());
    let mut before = ' ';
    for (i, c) in rest.char_indices() {
        match c {
            '"' if before != '\\' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => {
                list.push(&rest[start..i]);
                return list;
            }
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                list.push(&rest[start..i]);
                start = i + 1;
            }
            _ => {}
        }
        before = c;
    }
    list
}

fn judge(argument: &str) -> Option<String> {
    if argument.is_empty() {
        return None;
    }
    if argument.starts_with('"') {
        return argument.contains('{').then(|| format!("a message that holds a value: {argument}"));
    }
    let (name, value) = argument.split_once('=').unwrap_or((argument, argument));
    let name = name.trim().trim_start_matches(['%', '?']);
    let shown = value.trim().starts_with('?') && !SHOWN.contains(&name);
    match FIELDS.contains(&name) {
        _ if shown => Some(format!("a field by Debug: {argument}")),
        true => None,
        false => Some(format!("a field that is not on the list: {argument}")),
    }
}

#[test]
fn log_lines_have_listed_fields_and_literal_messages() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(&root.join("src"), &mut files);
    let (mut all, mut lines) = (Vec::new(), 0);
    for file in files {
        let path = file.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
        let source = std::fs::read_to_string(&file).expect("UTF-8 source");
        lines += source.matches("tracing::").count();
        all.extend(faults(&path, &source));
    }
    assert!(lines > 40, "the lines are where they were expected: {lines}");
    assert!(all.is_empty(), "\n{}", all.join("\n"));
}

#[test]
fn the_list_refuses() {
    let of = |code: &str| faults("src/http/rows.rs", &format!("//! x\nfn f() {{ {code} }}"));
    for bad in [
        "tracing::info!(cell, \"a row\")",
        "tracing::info!(cell = %x, \"a row\")",
        "tracing::warn!(?error, \"a row\")",
        "tracing::warn!(error = ?row, \"a row\")",
        "tracing::error!(\"a row {cell}\")",
        "tracing::error!(%error, \"a row {}\", cell)",
        "tracing::debug!(\"a row\", row)",
        "tracing::info_span!(\"x\", column = name)",
        "span.record(\"column\", name)",
        "tracing::Span::current().record(\"column\", name)",
        "println!(\"{}\", cell)",
        "dbg!(row)",
    ] {
        assert_eq!(of(bad).len().min(1), 1, "{bad}");
    }
    for good in [
        "tracing::info!(job = %lease.job_id, attempt = f(1, 2), \"a row, and (more)\")",
        "tracing::warn!(%error, \"x\"); tracing::warn!(worker = name, ?status, \"x\")",
        "let x = tracing::Level::INFO;",
        "tracing::info_span!(\"x\", status = Empty).record(\"status\", 200)",
        "\n// println!(x)\n",
    ] {
        assert!(of(good).is_empty(), "{good}: {:?}", of(good));
    }
    assert!(faults("src/command/key.rs", "fn f() { println!(\"{}\", key) }").is_empty());
}
