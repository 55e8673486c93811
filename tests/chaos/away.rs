//! R7: the database goes away and comes back.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use uuid::Uuid;

use crate::jobs::{PATIENCE, job, trained, until_stage, witness};
use crate::proxy::{Proxy, Road};
use crate::replay::replay;
use crate::served::Served;
use crate::support::{figure, fresh_database, repeats, scratch};

/// What an outage was like for clients.
#[derive(Default)]
struct Outage {
    asked: usize,
    slowest: Duration,
    /// Anything but 503 with Retry-After.
    wrong: usize,
}

/// Asks while the road is closed, and opens it again.
async fn outage(served: &Served, proxy: &Proxy, (road, seconds): (Road, u64), id: Uuid) -> Outage {
    proxy.set(road);
    let (closed, mut seen) = (Instant::now(), Outage::default());
    while closed.elapsed() < Duration::from_secs(seconds) {
        let asked = Instant::now();
        let said = match seen.asked % 3 {
            0 => served.get("/readyz").await,
            1 => served.get(&format!("/v1/jobs/{id}")).await,
            _ => served.post("/v1/jobs", &trained(0.1, 1), None).await,
        };
        seen.slowest = seen.slowest.max(asked.elapsed());
        let right = said.as_ref().is_some_and(|s| s.status == StatusCode::SERVICE_UNAVAILABLE && s.retry_after);
        if !right {
            println!("R7: {road:?} after {:.1} s: {said:?}", closed.elapsed().as_secs_f64());
        }
        seen.wrong += usize::from(!right);
        seen.asked += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    proxy.set(Road::Open);
    seen
}

/// The server and its worker reach the database by a road that is cut, and by one that swallows packets.
#[tokio::test]
async fn the_database_goes_away_and_comes_back() {
    let (database, folder, file) = (fresh_database().await, scratch(), witness("away"));
    let proxy = Proxy::to(&database.options).await;
    let (user, name) = (database.options.get_username(), database.options.get_database().expect("a name"));
    let url = format!("postgres://{user}@127.0.0.1:{}/{name}?sslmode=disable", proxy.port);
    let environment = [
        ("DP2STAGE_WITNESS", file.to_str().expect("a plain path")),
        ("DP2STAGE__QUEUE__LEASE_SECONDS", "30"),
        ("DP2STAGE__QUEUE__POLL_SECONDS", "0.5"),
        ("DP2STAGE__QUEUE__BACKOFF_SECONDS", "0"),
    ];
    let served = Served::start(&url, folder.path(), &environment).await;
    served.clinic(300).await;
    let mut cuts = vec![(Road::Cut, 1), (Road::Cut, 5), (Road::Swallows, 5)];
    if repeats(0, 1) == 1 {
        cuts.extend([(Road::Cut, 10), (Road::Swallows, 10), (Road::Cut, 90), (Road::Swallows, 90)]);
    }
    let (mut wrong, mut slow, mut late, mut unfinished, mut again) = (0, 0, 0, 0, 0);
    for &cut in &cuts {
        let submitted = served.post("/v1/jobs", &trained(0.1, 20), None).await.expect("an answer");
        let id: Uuid = submitted.body["id"].as_str().expect("an id").parse().expect("a UUID");
        until_stage(&database.pool, id, "stage2").await;
        let seen = outage(&served, &proxy, cut, id).await;
        let opened = Instant::now();
        while served.get("/readyz").await.is_none_or(|said| said.status != StatusCode::OK) {
            assert!(opened.elapsed() < PATIENCE, "it does not recover");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let recovered = opened.elapsed();
        let mut state = job(&database.pool, id).await;
        while !["succeeded", "failed", "cancelled"].contains(&state.0.as_str()) && opened.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(50)).await;
            state = job(&database.pool, id).await;
        }
        println!(
            "R7: {:?} for {} s: {} requests, the slowest answer after {:.1} s; recovered after {:.1} s; job {state:?} {:.1} s later",
            cut.0,
            cut.1,
            seen.asked,
            seen.slowest.as_secs_f64(),
            recovered.as_secs_f64(),
            opened.elapsed().as_secs_f64()
        );
        wrong += seen.wrong;
        // The goals are 2 s and 5 s; a loaded machine may take longer.
        slow += usize::from(seen.slowest > Duration::from_secs(5));
        late += usize::from(recovered > Duration::from_secs(15));
        unfinished += usize::from(state.0 != "succeeded");
        again += usize::from(cut.1 < 20 && state.2 != 1);
    }
    drop(served);
    let told = replay(&database.pool, &file).await;
    let faults = [
        (wrong, "answers other than 503"),
        (slow, "slow"),
        (late, "late to recover"),
        (unfinished, "jobs not finished"),
        (again, "jobs begun again within their lease"),
        (told.under_counted.len() + told.beyond_spares.len(), "wrong charges"),
    ];
    figure("R7", (cuts.len(), "times the database was away"), &faults);
}
