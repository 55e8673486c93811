//! `dp2stage recover`.

use dp2stage::store::{self, Recovered};

use super::key::told;
use super::service::Database;
use crate::config::Config;

/// Writes back what a restored database has forgotten of its ledgers, and says what it did.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let database = Database::open(&config).await?;
    store::migrate(&database.pool).await?;
    let keys = store::keyring(&database.pool, &config.storage_keys()?, true).await?;
    let blobs = config.storage()?.open(keys)?;
    let recovered = told(&database.pool, ("recover", ""), store::recover(&database.pool, &blobs)).await;
    let lost = store::replace_audit_witness(&database.pool, &blobs).await;
    database.close().await?;
    let (recovered, lost) = (recovered?, lost?);
    if let Some(lost) = lost {
        println!("audit log: what was written after the backup is lost; it had {} lines at least", lost.entries);
    }
    recovered.iter().for_each(say);
    let faults = recovered.iter().filter(|told| told.fault.is_some()).count();
    anyhow::ensure!(faults == 0, "{faults} ledgers could not be recovered; nothing was written on them");
    println!("every ledger says what is witnessed; `dp2stage serve` may start");
    Ok(())
}

fn say(told: &Recovered) {
    let Recovered { population, unknown, lines, ended, released, fault } = told;
    if let Some(fault) = fault {
        return println!("population {population}: NOT RECOVERED, {fault}");
    }
    let of = if *unknown { " (the database did not know it: its datasets are lost, its budget is here)" } else { "" };
    println!(
        "population {population}{of}: {lines} lines written back, {released} reservations of lost jobs handed back"
    );
    for job in ended {
        println!("  job {job} had begun to spend and was ended; what it was charged stays charged");
    }
}
