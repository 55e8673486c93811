//! `dp2stage verify`.

use std::path::Path;

use anyhow::Context;
use dp2stage::privacy::{Book, Findings};
use dp2stage::store;
use serde_json::Value;

use super::attested::{Against, certificate};
use super::service::Database;
use crate::config::Config;

/// Verifies an exported ledger or a certificate, told apart by what is in them, without a database.
pub fn file(path: &Path, against: &Against) -> anyhow::Result<()> {
    let text = std::fs::read(path).with_context(|| format!("{}", path.display()))?;
    let document: Value = serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", path.display()))?;
    if document.get("payload").is_some() || document.get("payloadType").is_some() {
        return certificate(&text, against);
    }
    anyhow::ensure!(
        document["format"] == Book::FORMAT,
        "{} is neither a ledger (GET /v1/datasets/{{dataset}}/ledger) nor a certificate (GET /v1/jobs/{{job}}/certificate)",
        path.display()
    );
    anyhow::ensure!(against.is_empty(), "--key, --ledger, --schema and --synthetic go with a certificate");
    let book = ledger(&text)?;
    let findings = book.verify(true).with_context(|| format!("the ledger of population {}", book.population))?;
    say(&book, &findings);
    Ok(())
}

/// Reads a ledger; what it says is not checked.
pub fn ledger(text: &[u8]) -> anyhow::Result<Book> {
    serde_json::from_slice(text).context("not a ledger of a version that is known here")
}

/// Verifies every ledger of the database and the totals that are kept beside it.
pub async fn database(config: Config) -> anyhow::Result<()> {
    let database = Database::open(&config).await?;
    store::migrate(&database.pool).await?;
    let mut damaged = 0;
    let ids = store::populations(&database.pool).await?;
    for &id in &ids {
        let budget = store::budget(&database.pool, id).await?;
        match budget.verify(true) {
            Ok(findings) => say(&budget.book, &findings),
            Err(fault) => {
                damaged += 1;
                println!("population {id}: DAMAGED, {fault}");
            }
        }
    }
    database.close().await?;
    anyhow::ensure!(damaged == 0, "{damaged} of {} ledgers are damaged", ids.len());
    Ok(())
}

fn say(book: &Book, findings: &Findings) {
    let (grant, shares) = (findings.account.grant, findings.account.shares());
    println!(
        "population {}: {} entries are sound; ({}, {})-DP for one {}; spent {:.4}, reserved {:.4}, free {:.4}; head {}",
        book.population,
        book.entries.len(),
        grant.epsilon,
        grant.delta,
        findings.unit.word(),
        shares.spent,
        shares.reserved,
        shares.remaining,
        hex::encode(findings.head),
    );
}
