//! The house rules, read from the source: floors, forbidden words, comfort.
//!
//! The rules are in [`rules`]; [`tokens`] reads Rust without comments, strings and test code. A rule that cannot fail
//! proves nothing, so each is shown a small offender below.

mod logged;
mod rules;
mod tokens;

use std::fs;
use std::path::{Path, PathBuf};

use rules::faults;

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            rust_files(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push(entry);
        }
    }
}

#[test]
fn the_house_keeps_its_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(&root.join("src"), &mut files);
    assert!(files.len() > 10, "the source is where it was expected");
    let mut all = Vec::new();
    for file in files {
        let path = file.strip_prefix(root).expect("a file below the root").to_string_lossy().replace('\\', "/");
        all.extend(faults(&path, &fs::read_to_string(&file).expect("UTF-8 source")));
    }
    assert!(all.is_empty(), "\n{}", all.join("\n"));
}

/// The faults of a file with documentation and `code`.
fn of(path: &str, code: &str) -> Vec<String> {
    faults(path, &format!("//! Documented.\n{code}\n"))
}

#[track_caller]
fn refused(path: &str, code: &str, words: &str) {
    let found = of(path, code);
    assert!(found.len() == 1 && found[0].contains(words), "{path}: {code:?} gave {found:?}");
}

#[track_caller]
fn accepted(path: &str, code: &str) {
    let found = of(path, code);
    assert!(found.is_empty(), "{path}: {code:?} gave {found:?}");
}

#[test]
fn edges_go_down_or_along_an_arrow() {
    refused("src/privacy/ledger.rs", "use crate::store::Pool;", "privacy -> store");
    refused("src/model/ops.rs", "fn f() { crate::engine::train() }", "model -> engine");
    refused("src/engine/plan.rs", "use crate::{model::Gpt, queue::{Lease, Claim}};", "engine -> queue");
    refused("src/engine/plan.rs", "use super::super::store;", "engine -> store");
    refused("src/engine/stages/one.rs", "use super::super::super::{http};", "engine -> http");
    refused("src/report/html.rs", "use crate::engine::Plan;", "report -> engine");
    refused("src/store/jobs.rs", "use crate::queue::Lease;", "store -> queue");
    refused("src/queue/mod.rs", "pub use crate::http::Router;", "queue -> http");
    refused("src/http/router.rs", "use crate::config::Config;", "http -> config");
    refused("src/privacy/units.rs", "use crate::tabular::Table;", "privacy -> tabular");
    accepted("src/engine/plan.rs", "use crate::{model::Gpt, privacy, report::Report, tabular::Table, engine::Stop};");
    accepted("src/queue/worker.rs", "use crate::{engine, store}; use super::lease::Lease;");
    accepted("src/http/router.rs", "use crate::{queue, store, engine, tabular};");
    accepted("src/main.rs", "use dp2stage::{http, queue, store};");
    accepted("src/command/serve.rs", "use crate::config::Config; use dp2stage::http;");
    refused("src/cellar/wine.rs", "", "no such room");
}

#[test]
fn requests_see_what_is_their_tenants() {
    refused("src/http/jobs.rs", "fn f(app: &App) { store::find_job(&app.operator, id) }", "from a Desk");
    accepted("src/http/jobs.rs", "fn f(desk: &Desk) { store::find_job(&desk.tenant, id) }");
    accepted("src/http/auth.rs", "fn f(app: &App) { store::find_key(&app.operator, id) }");
}

#[test]
fn the_mathematics_has_no_world() {
    for code in [
        "use sqlx::PgPool;",
        "async fn f() { tokio::spawn(g()) }",
        "use std::fs;",
        "use std::{fmt, io::Read, fs::File};",
        "use std::net::TcpStream;",
        "fn f() { let _ = std::time::Instant::now(); }",
        "fn f(now: SystemTime) {}",
        "fn f() { let rng = ChaCha20Rng::from_os_rng(); }",
        "fn f() { let rng = rand::rng(); }",
        "fn f() { let rng = rand::thread_rng(); }",
        "use rand::rngs::OsRng;",
    ] {
        refused("src/tabular/csv.rs", code, "floor 1");
    }
    accepted("src/privacy/noise.rs", "fn f() { let rng = ChaCha20Rng::from_os_rng(); }");
    refused("src/privacy/noise.rs", "use std::fs;", "floor 1");
    refused("src/engine/plan.rs", "use axum::Router;", "floor 2");
    refused("src/report/html.rs", "fn f() { sqlx::query(x) }", "floor 2");
    accepted("src/engine/checkpoint.rs", "use std::fs; use std::time::Instant;");
    accepted("src/tabular/table.rs", "use std::{fmt, collections::BTreeMap};");
}

#[test]
fn source_does_not_give_up_or_go_unsafe() {
    for code in [
        "fn f() { g().unwrap() }",
        "fn f() { g()\n    .expect(\"reason\") }",
        "fn f() { panic!() }",
        "fn f() { todo!() }",
        "fn f() { unimplemented!(\"later\") }",
    ] {
        refused("src/http/router.rs", code, "gives up");
    }
    refused("src/model/ops.rs", "fn f() { unsafe { g() } }", "unsafe");
    accepted("src/store/embedded/parent_death.rs", "fn f() { unsafe { g() } }");
    accepted("src/http/router.rs", "fn f() { g().unwrap_or(1); expect(2); self.panic() }");
}

#[test]
fn exact_facts_open_in_one_place() {
    refused("src/http/jobs.rs", "fn f(role: Role) { role.custodian_key(); }", "src/http/role.rs alone");
    refused("src/command/key.rs", "fn f() { Role::custodian_key(role); }", "src/http/role.rs alone");
    refused("src/http/jobs.rs", "fn f() { Custodial::new(rows) }", "src/store alone");
    accepted("src/http/role.rs", "fn f(role: Role) { role.custodian_key(); }");
    accepted("src/store/jobs.rs", "fn f() { Custodial::new(rows) }");
}

#[test]
fn files_are_short_documented_and_mod_files_hold_no_code() {
    refused("src/store/jobs.rs", &"\n".repeat(400), "400 lines");
    accepted("src/store/jobs.rs", &"\n".repeat(398));
    refused("src/store/jobs.rs", &format!("fn long() {{{}}}", "\n".repeat(80)), "`long` has 81 lines");
    accepted("src/store/jobs.rs", &format!("fn long() {{{}}}", "\n".repeat(79)));
    let undocumented = faults("src/store/jobs.rs", "// a note\nfn f() {}\n");
    assert!(undocumented.len() == 1 && undocumented[0].contains("//!"), "{undocumented:?}");
    refused("src/store/mod.rs", "pub fn f() {}", "holds code");
    refused("src/store/mod.rs", "pub mod jobs { }", "holds code");
    refused("src/store/mod.rs", "const A: u8 = 1;", "holds code");
    accepted("src/store/mod.rs", "#![allow(x)]\nmod a;\npub(crate) mod b;\n#[cfg(x)]\npub use a::{B, c::*};\n");
}

#[test]
fn comments_strings_and_tests_do_not_count() {
    for code in [
        "// use sqlx::PgPool; x.unwrap()",
        "/// use sqlx::PgPool; x.unwrap()\nfn f() {}",
        "/* outer /* unsafe { x.unwrap() } */ use tokio; */",
        "const A: &str = \"use sqlx; // \\\" .unwrap()\";",
        "const A: &str = r#\"use \"sqlx\"; panic!()\"#;",
        "const A: &[u8] = b\"unsafe\"; const B: char = '\"'; const C: char = '\\''; fn f<'a>(tokio_like: &'a str) {}",
        "fn f(r#type: u8) {}",
        "#[cfg(test)]\nmod tests {\n    use sqlx::X; #[test] fn f() { g().unwrap(); }\n}",
        "#[cfg(test)]\n#[allow(x)]\nfn helper() { panic!() }",
    ] {
        accepted("src/tabular/csv.rs", code);
    }
    refused("src/tabular/csv.rs", "#[cfg(test)]\nmod tests;\nfn f() { g().unwrap() }", "gives up");
    refused("src/tabular/csv.rs", "const A: char = '\"'; fn f() { g().unwrap() } const B: &str = \"\";", "gives up");
}
