//! `dp2stage verify`.

use std::path::Path;

use anyhow::Context;
use dp2stage::privacy::{Book, Findings};
use dp2stage::store::{self, AuditEntry, AuditFindings, AuditLine, AuditTrail, Blobs};
use serde_json::Value;
use sqlx::PgPool;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

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
    anyhow::ensure!(against.is_empty(), "--key, --ledger, --schema and --synthetic go with a certificate");
    if document["format"] == AuditTrail::FORMAT {
        // From the bytes: what is written twice in an object is a fault, and the document has lost one of the two.
        let trail: AuditTrail = serde_json::from_slice(&text).context("the audit log")?;
        say_audit(&trail.verify().context("the audit log")?);
        return Ok(());
    }
    anyhow::ensure!(
        document["format"] == Book::FORMAT,
        "{} is neither a ledger (GET /v1/datasets/{{dataset}}/ledger), nor a certificate (GET /v1/jobs/{{job}}/certificate), \
         nor an audit log (GET /v1/audit/chain)",
        path.display()
    );
    let book = ledger(&text)?;
    let findings = book.verify(true).with_context(|| format!("the ledger of population {}", book.population))?;
    say(&book, &findings);
    Ok(())
}

/// Reads a ledger; what it says is not checked.
pub fn ledger(text: &[u8]) -> anyhow::Result<Book> {
    serde_json::from_slice(text).context("not a ledger of a version that is known here")
}

/// Verifies every ledger of the database and the totals that are kept beside it, and the audit log.
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
    let keys = store::keyring(&database.pool, &config.storage_keys()?, true).await?;
    let audited = audit(&database.pool, &config.storage()?.open(keys)?).await?;
    database.close().await?;
    anyhow::ensure!(damaged == 0, "{damaged} of {} ledgers are damaged", ids.len());
    anyhow::ensure!(audited, "the audit log is damaged");
    Ok(())
}

/// Verifies the audit log of the database, and that it holds what is witnessed of it; says what it found.
async fn audit(pool: &PgPool, blobs: &Blobs) -> anyhow::Result<bool> {
    match store::verify_audit(pool).await? {
        Ok(findings) => say_audit(&findings),
        Err(fault) => {
            println!("audit log: DAMAGED, {fault}");
            return Ok(false);
        }
    }
    let Some(witnessed) = store::audit_witness(blobs).await? else { return Ok(true) };
    let kept = store::audit_keeps(pool, &witnessed).await?;
    if !kept {
        println!("audit log: DAMAGED, it does not hold line {} as it is witnessed in the storage", witnessed.entries);
    }
    Ok(kept)
}

fn say_audit(findings: &AuditFindings) {
    let AuditFindings { entries, head, open } = findings;
    println!("audit log: {entries} lines are sound; {} were never completed; head {}", open.len(), hex::encode(head));
    open.iter().for_each(say_open);
}

fn say_open(entry: &AuditEntry) {
    let AuditLine::Opened(opening) = &entry.line else { return };
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(entry.at_micros) * 1000).ok();
    let at = at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default();
    let key = opening.key.as_deref().unwrap_or("no key");
    println!(
        "  line {}: {} {} at {at}, {key}, request {}",
        entry.seq, opening.method, opening.route, opening.request_id
    );
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
