//! R7: the database goes away and comes back.

use std::time::{Duration, Instant};

use dp2stage::store::{self, Bell};
use reqwest::StatusCode;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::jobs::{PATIENCE, job, settled, trained, until_stage, witness};
use crate::proxy::{Proxy, Road};
use crate::replay::replay;
use crate::served::Served;
use crate::support::{TestDatabase, figure, fresh_database, repeats, scratch};

/// The URL of a database by way of a proxy.
fn road(database: &TestDatabase, proxy: &Proxy) -> String {
    let (user, name) = (database.options.get_username(), database.options.get_database().expect("a name"));
    format!("postgres://{user}@127.0.0.1:{}/{name}?sslmode=disable", proxy.port)
}

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
    let url = road(&database, &proxy);
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

/// Packets are swallowed again and again, under jobs and under clients that go away: what was under way then is given up,
/// the job finishes, and no connection of the pool is lost for ever.
#[tokio::test]
async fn a_road_that_swallows_again_and_again_holds_nothing_up() {
    let (database, folder, file) = (fresh_database().await, scratch(), witness("swallows"));
    let proxy = Proxy::to(&database.options).await;
    let environment = [
        ("DP2STAGE_WITNESS", file.to_str().expect("a plain path")),
        ("DP2STAGE__DATABASE__CONNECTIONS", "6"),
        ("DP2STAGE__QUEUE__LEASE_SECONDS", "6"),
        ("DP2STAGE__QUEUE__POLL_SECONDS", "0.5"),
        ("DP2STAGE__QUEUE__MAX_ATTEMPTS", "1000"),
        ("DP2STAGE__QUEUE__BACKOFF_SECONDS", "0"),
    ];
    let served = Served::start(&road(&database, &proxy), folder.path(), &environment).await;
    served.clinic(300).await;
    let submitted = served.post("/v1/jobs", &trained(0.1, 60), None).await.expect("an answer");
    let id: Uuid = submitted.body["id"].as_str().expect("an id").parse().expect("a UUID");
    until_stage(&database.pool, id, "stage2").await;
    let times = repeats(12, 100);
    let swallow = async {
        for _ in 0..times {
            proxy.set(Road::Swallows);
            tokio::time::sleep(Duration::from_millis(150)).await;
            proxy.set(Road::Open);
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
    };
    let clients = futures_util::future::join_all((0..4).map(|_| async {
        loop {
            served.is_well("/v1/jobs").await;
        }
    }));
    tokio::select! {
        () = swallow => {}
        _ = clients => {}
    }
    let opened = Instant::now();
    let mut well = false;
    while !well && opened.elapsed() < Duration::from_secs(60) {
        let all = futures_util::future::join_all((0..20).map(|_| served.is_well("/v1/jobs"))).await;
        well = all.into_iter().all(|well| well);
    }
    let recovered = opened.elapsed();
    let ended = settled(&database.pool, Duration::from_secs(400)).await == 0;
    let (state, told) = (job(&database.pool, id).await, replay(&database.pool, &file).await);
    println!("R7: all connections are back after {:.1} s; job {state:?}", recovered.as_secs_f64());
    println!("R7: {told:?}");
    // What was cut short in a block may have used up the spares: an end like another.
    let right = ended && (state.0 == "succeeded" || state.1.as_deref() == Some("reservation_exhausted"));
    let faults = [
        (usize::from(!well), "connections lost"),
        (usize::from(!right), "jobs held up"),
        (told.under_counted.len() + told.beyond_spares.len(), "wrong charges"),
    ];
    figure("R7", (times, "times packets were swallowed"), &faults);
}

/// Whoever listens for jobs on a connection that a network has forgotten finds out, and listens on another.
#[tokio::test]
async fn a_bell_that_went_deaf_hears_again() {
    let (database, stop) = (fresh_database().await, CancellationToken::new());
    let proxy = Proxy::to(&database.options).await;
    let url = road(&database, &proxy);
    let bell = Bell::start(store::connect(url.parse().expect("a URL"), 4), stop.clone());
    let mut listener = bell.listener();
    let mut hears = async |patience: u64| {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(patience) {
            sqlx::query("select pg_notify('jobs', '')").execute(&database.pool).await.expect("a ring");
            if tokio::time::timeout(Duration::from_millis(500), listener.recv()).await.is_ok() {
                return Some(began.elapsed());
            }
        }
        None
    };
    assert!(hears(30).await.is_some(), "it never heard");
    proxy.set(Road::Swallows);
    tokio::time::sleep(Duration::from_millis(300)).await;
    proxy.set(Road::Open);
    let again = hears(90).await;
    stop.cancel();
    println!("R7: a deaf bell heard again after {again:?}");
    figure("R7", (1, "bells that went deaf"), &[(usize::from(again.is_none()), "deaf for ever")]);
}
