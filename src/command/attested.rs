//! `dp2stage verify` of a certificate.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use dp2stage::model::Digest;
use dp2stage::privacy::{
    Certificate, CertificateFault, Envelope, EnvelopeFault, PublicKey, digest_of_json, does_not_promise, promises,
};
use dp2stage::tabular::Declaration;
use serde_json::Value;
use time::format_description::well_known::Rfc3339;

use super::verify::ledger;

/// What a certificate is checked with; what is not given is not checked.
#[derive(Debug, Args)]
pub struct Against {
    /// The key of the issuer: base64 or hex, or a file with it, PEM, or what `GET /v1/certificate-keys` gives.
    #[arg(long, value_name = "KEY_OR_FILE")]
    key: Option<String>,
    /// The ledger of the population, as `GET /v1/datasets/{dataset}/ledger` gives it.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// The declaration of the table's columns.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// The whole synthetic table as `GET /v1/jobs/{job}/synthetic` gives it, with `?raw=true` or without.
    #[arg(long, value_name = "FILE")]
    synthetic: Option<PathBuf>,
}

impl Against {
    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        self.key.is_none() && self.ledger.is_none() && self.schema.is_none() && self.synthetic.is_none()
    }
}

/// Checks a certificate and says what it found; an error when anything was found wrong.
pub fn certificate(text: &[u8], against: &Against) -> anyhow::Result<()> {
    let envelope: Envelope = serde_json::from_slice(text).context("not a certificate in a DSSE envelope")?;
    // Nothing in a certificate counts before its signature does.
    let (certificate, owner) = opened(&envelope, against.key.as_deref())?;
    let job = &certificate.job;
    let issued = certificate.issued_at.format(&Rfc3339)?;
    println!("certificate of job {} on the dataset {:?}, issued {issued}", job.id, job.dataset.name);
    println!("ok           the signature fits the key {} {owner}", certificate.issuer.key_id);
    let findings = [
        certificate.check().map(|found| {
            let guarantee = &certificate.guarantee;
            Some(format!(
                "its events cost epsilon {found:.6} at delta {}; it states {:.6}",
                guarantee.delta, guarantee.epsilon
            ))
        }),
        against.ledger.as_deref().map(|file| with_ledger(&certificate, file)).transpose(),
    ];
    let mut faults = 0;
    let mut tell = |what: &str, finding: anyhow::Result<Option<String>>| match finding {
        Ok(Some(found)) => println!("ok           {found}"),
        Ok(None) => println!("not checked  {what}"),
        Err(fault) => {
            faults += 1;
            println!("FAILED       {fault:#}");
        }
    };
    let [events, lines] = findings.map(|finding| finding.map_err(anyhow::Error::from));
    tell("", events);
    tell("that the ledger bears it out: --ledger FILE", lines);
    tell("the schema: --schema FILE", against.schema.as_deref().map(|file| schema(&certificate, file)).transpose());
    let synthetic = against.synthetic.as_deref().map(|file| synthetic(&certificate, file)).transpose();
    tell("the synthetic table: --synthetic FILE", synthetic);
    anyhow::ensure!(faults == 0, "the certificate does not hold: {faults} of the checks above failed");
    list("Promised:", &promises(&certificate));
    list("Not promised:", &does_not_promise(&certificate));
    Ok(())
}

/// The certificate, once its signature was found to fit; and whose key that was.
fn opened(envelope: &Envelope, key: Option<&str>) -> anyhow::Result<(Certificate, &'static str)> {
    match key {
        Some(key) => {
            let file = Path::new(key);
            let text = if file.is_file() { std::fs::read_to_string(file)? } else { key.to_owned() };
            let keys = PublicKey::all_of(&text).map_err(|bad| anyhow::anyhow!("--key: {bad}, nor a file with one"))?;
            Ok((Certificate::open(envelope, &keys)?, "that was given"))
        }
        None => {
            let named = Certificate::named_key(envelope)?;
            let opened = Certificate::open(envelope, &[named]).map_err(|fault| match fault {
                // There is one key, its own: another name is a change.
                CertificateFault::Envelope(EnvelopeFault::Key) => CertificateFault::Issuer,
                fault => fault,
            })?;
            Ok((opened, "that it names itself: WHOSE KEY THAT IS WAS NOT CHECKED, give --key"))
        }
    }
}

fn with_ledger(certificate: &Certificate, file: &Path) -> Result<String, CertificateFault> {
    let fault = |fault: anyhow::Error| CertificateFault::Ledger(format!("{fault:#}"));
    let book = ledger(&read(file).map_err(fault)?).map_err(fault)?;
    certificate.check_ledger(&book)?;
    let position = &certificate.ledger;
    Ok(format!(
        "the ledger is sound and says the same: entry {} of {}, {:.4} of the budget spent by then",
        position.entry,
        book.len(),
        position.spent_share
    ))
}

fn schema(certificate: &Certificate, file: &Path) -> anyhow::Result<String> {
    let document: Value = serde_json::from_slice(&read(file)?).with_context(|| format!("{}", file.display()))?;
    let declared = Declaration::from_json(&document).map_err(|e| anyhow::anyhow!("{}: {e}", file.display()))?;
    let same = digest_of_json(&declared.schema.to_json()) == certificate.artifacts.schema;
    anyhow::ensure!(same, "{} is not the schema of the certificate", file.display());
    Ok(format!("{} is the schema", file.display()))
}

fn synthetic(certificate: &Certificate, file: &Path) -> anyhow::Result<String> {
    let found = std::fs::File::open(file).and_then(Digest::of_rest).with_context(|| format!("{}", file.display()))?;
    let (found, stated) = (found.to_string(), &certificate.artifacts);
    // Of tables whose texts look like formulas, older certificates know the raw form alone.
    let same = found == stated.synthetic_csv || Some(found) == stated.synthetic_csv_raw;
    anyhow::ensure!(
        same,
        "{} is not the synthetic table of the certificate, byte for byte (nor as ?raw=true gives it)",
        file.display()
    );
    Ok(format!("{} is the synthetic table", file.display()))
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("{}", file.display()))
}

fn list(title: &str, words: &[String]) {
    println!("{title}");
    for word in words {
        println!("  - {word}");
    }
}
