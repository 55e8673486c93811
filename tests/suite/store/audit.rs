//! The audit log: whatever is changed in it is found, and it does not hold anybody up.

use std::time::Duration;

use dp2stage::store::{
    self, AuditCompletion, AuditEntry, AuditLine, AuditOpening, AuditRecorder, AuditTrail, StoreError,
};
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sqlx::{AssertSqlSafe, PgPool};

use crate::support::{blobs_in, fresh_database, repeats, scratch};

fn opening(object: &str) -> AuditOpening {
    AuditOpening {
        request_id: "r-1".into(),
        key: Some("0123456789ab".into()),
        role: "admin".into(),
        tenant: "default".into(),
        method: "POST".into(),
        route: "/v1/jobs".into(),
        objects: vec![object.to_owned()],
    }
}

/// What programs write: no control characters, but quotes, backslashes and other alphabets.
fn text() -> impl Strategy<Value = String> {
    "[ -~à-öא-ת]{0,12}"
}

fn objects() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[0-9a-f-]{1,9}", 0..3)
}

/// A sound log: openings, of which some are completed.
fn trail() -> impl Strategy<Value = AuditTrail> {
    let who = (text(), prop::option::of(text()), text(), text(), text(), text(), objects());
    let how = prop::option::of((prop::option::of(100u16..600), objects()));
    prop::collection::vec((who, how, 0i64..i64::MAX / 2), 1..8).prop_map(|requests| {
        let (mut lines, mut head) = (Vec::new(), [0; 32]);
        let mut push = |at, line| {
            let entry = AuditEntry::after(&head, (lines.len() as i64 + 1, at), line);
            head = entry.digest;
            lines.push(entry);
            lines.len() as i64
        };
        let mut late = None;
        for ((request_id, key, role, tenant, method, route, objects), how, at) in requests {
            let opened =
                push(at, AuditLine::Opened(AuditOpening { request_id, key, role, tenant, method, route, objects }));
            // Some are completed after the next one was opened.
            if let Some((opened, status, objects)) = late.take() {
                push(at, AuditLine::Completed(AuditCompletion { opened, status, objects }));
            }
            late = how.map(|(status, objects)| (opened, status, objects));
        }
        AuditTrail::new(lines)
    })
}

fn is_sound(bytes: &[u8]) -> bool {
    serde_json::from_slice::<AuditTrail>(bytes).is_ok_and(|trail| trail.verify().is_ok())
}

#[test]
fn any_byte_that_is_changed_in_an_export_is_found() {
    let mut runner = TestRunner::new(Config::with_cases(repeats(12, 200) as u32));
    let changed = (trail(), any::<u8>());
    runner
        .run(&changed, |(trail, other)| {
            let bytes = serde_json::to_vec(&trail).unwrap();
            prop_assert!(is_sound(&bytes));
            for at in 0..bytes.len() {
                for change in (0..8).map(|bit| bytes[at] ^ (1 << bit)).chain([other]) {
                    if change == bytes[at] {
                        continue;
                    }
                    let mut edited = bytes.clone();
                    edited[at] = change;
                    let (place, was) = (at, char::from(bytes[at]));
                    prop_assert!(!is_sound(&edited), "byte {place}: {was} became {}", char::from(change));
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn lines_that_are_removed_swapped_or_doubled_are_found() {
    let mut runner = TestRunner::new(Config::with_cases(repeats(200, 5000) as u32));
    runner
        .run(&trail(), |sound| {
            let lines = &sound.lines;
            let with = |lines: Vec<AuditEntry>, fitting: bool| {
                let ends = AuditTrail::new(lines.clone());
                let trail = if fitting { ends } else { AuditTrail { lines, ..sound.clone() } };
                trail.verify().is_ok()
            };
            prop_assert!(with(lines.clone(), true));
            for at in 0..lines.len() {
                let mut fewer = lines.clone();
                fewer.remove(at);
                prop_assert!(!with(fewer.clone(), false), "without line {at}");
                // Whoever has the file alone can cut its end off; what remains is then another, older log.
                prop_assert_eq!(with(fewer.clone(), true), at + 1 == lines.len());
                let numbered = fewer.into_iter().zip(1..).map(|(line, seq)| AuditEntry { seq, ..line }).collect();
                prop_assert_eq!(with(numbered, true), at + 1 == lines.len());
                let mut more = lines.clone();
                more.insert(at, lines[at].clone());
                prop_assert!(!with(more, true), "line {at} twice");
                for other in at + 1..lines.len() {
                    let mut swapped = lines.clone();
                    swapped.swap(at, other);
                    prop_assert!(!with(swapped.clone(), true), "{at} and {other} swapped");
                    let (mine, its) = (swapped[at].seq, swapped[other].seq);
                    (swapped[at].seq, swapped[other].seq) = (its, mine);
                    prop_assert!(!with(swapped, true), "{at} and {other} swapped with their numbers");
                }
            }
            Ok(())
        })
        .unwrap();
}

/// Whoever edits a line and computes its digest anew has to do so with every line behind it.
#[test]
fn a_line_that_was_written_anew_does_not_fit_the_next() {
    let mut runner = TestRunner::new(Config::with_cases(repeats(200, 5000) as u32));
    runner
        .run(&trail(), |sound| {
            for at in 0..sound.lines.len() {
                let mut lines = sound.lines.clone();
                let before = at.checked_sub(1).map_or([0; 32], |last| lines[last].digest);
                let AuditEntry { seq, at_micros, line, .. } = lines[at].clone();
                lines[at] = AuditEntry::after(&before, (seq, at_micros + 1), line);
                let last = at + 1 == lines.len();
                prop_assert_eq!(AuditTrail::new(lines).verify().is_ok(), last, "line {}", at);
            }
            Ok(())
        })
        .unwrap();
}

/// Two servers, many requests at a time: one sound chain, each request with its two lines, and few transactions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_share_a_transaction() {
    const REQUESTS: usize = 600;
    let database = fresh_database().await;
    let servers = [AuditRecorder::start(&database.pool), AuditRecorder::start(&database.pool)];
    let one = async |place: usize| {
        let line = servers[place % 2].open(opening(&place.to_string())).await.expect("it is written");
        match place % 3 {
            0 => line.complete(201, vec![format!("made-{place}")]),
            1 => line.complete(409, Vec::new()),
            // A client that goes away.
            _ => drop(line),
        }
    };
    join_all((0..REQUESTS).map(one)).await;
    join_all(servers.iter().map(AuditRecorder::settle)).await;
    let findings = store::verify_audit(&database.pool).await.unwrap().unwrap();
    assert_eq!((findings.entries, findings.open.len()), (2 * REQUESTS as i64, 0));
    let ends = "select count(*) filter (where status = 201), count(*) filter (where status = 409),
                       count(*) filter (where status is null) from audit_entries where opened is not null";
    let ends: (i64, i64, i64) = sqlx::query_as(ends).fetch_one(&database.pool).await.unwrap();
    assert_eq!(ends, (200, 200, 200));
    let batches = "select count(distinct xmin::text) from audit_entries";
    let batches: i64 = sqlx::query_scalar(batches).fetch_one(&database.pool).await.unwrap();
    println!("audit: {} lines of {REQUESTS} requests at a time in {batches} transactions", findings.entries);
    assert!(batches < findings.entries / 4, "{batches}");
}

/// Nothing may be done while nothing can be written; what was done is told of once it can.
#[tokio::test]
async fn what_cannot_be_written_is_refused_and_what_is_late_is_kept() {
    let database = fresh_database().await;
    let recorder = AuditRecorder::start(&database.pool);
    let line = recorder.open(opening("a")).await.expect("it is written");
    let mut lock = database.pool.begin().await.unwrap();
    sqlx::query("select from audit_head for update").execute(&mut *lock).await.unwrap();
    let began = std::time::Instant::now();
    line.complete(200, Vec::new());
    assert!(recorder.open(opening("b")).await.is_none());
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    lock.rollback().await.unwrap();
    recorder.open(opening("c")).await.expect("it is written").complete(200, Vec::new());
    recorder.settle().await;
    let findings = store::verify_audit(&database.pool).await.unwrap().unwrap();
    // What was asked for just before the lock went may have been written after all; then it is completed as given up.
    assert!([4, 6].contains(&findings.entries) && findings.open.is_empty(), "{findings:?}");
    let ends = "select o.objects[1], c.status from audit_entries o join audit_entries c on c.opened = o.seq";
    let ends: Vec<(String, Option<i32>)> = sqlx::query_as(ends).fetch_all(&database.pool).await.unwrap();
    assert!(ends.iter().all(|(object, status)| (object == "b") == status.is_none()), "{ends:?}");
}

async fn filled(pool: &PgPool) {
    let recorder = AuditRecorder::start(pool);
    for object in ["a", "b", "c", "d"] {
        let line = recorder.open(opening(object)).await.expect("it is written");
        if object != "b" {
            line.complete(202, vec!["x".into(), "y".into()]);
            recorder.settle().await;
        } else {
            std::mem::forget(line);
        }
    }
}

#[tokio::test]
async fn the_log_is_append_only() {
    let database = fresh_database().await;
    filled(&database.pool).await;
    for statement in [
        "update audit_entries set tenant = 'x' where seq = 1",
        "delete from audit_entries where seq = 7",
        "truncate audit_entries",
        "delete from audit_head",
        "truncate audit_head",
        "update audit_head set entries = entries - 1",
        "update audit_head set head = decode(repeat('11', 32), 'hex')",
        "insert into audit_head (one) values (true)",
        "insert into audit_head (one) values (false)",
        "insert into audit_entries (seq, opened, at_micros, objects, digest) select 8, opened, 0, objects, digest
         from audit_entries where seq = 2",
    ] {
        let refused = sqlx::query(statement).execute(&database.pool).await;
        assert!(refused.is_err(), "{statement}");
    }
    let findings = store::verify_audit(&database.pool).await.unwrap().unwrap();
    assert_eq!((findings.entries, findings.open.len()), (7, 1));
    assert_eq!(findings.open[0].seq, 3);
}

/// A superuser edits behind the triggers: every column of every line, lines themselves, and the end.
#[tokio::test]
async fn whatever_a_superuser_edits_is_found() {
    let database = fresh_database().await;
    let pool = &database.pool;
    filled(pool).await;
    store::verify_audit(pool).await.unwrap().unwrap();
    let keep = "create table kept as table audit_entries; create table kept_head as table audit_head";
    sqlx::raw_sql(keep).execute(pool).await.unwrap();
    let columns = [
        "at_micros = at_micros + 1",
        "request_id = request_id || ' '",
        "key_id = null",
        "key_id = 'ba9876543210'",
        "role = 'analyst'",
        "tenant = upper(tenant)",
        "method = 'PUT'",
        "route = '/v1/jobs/'",
        "objects = objects || 'z'::text",
        "objects = '{}'",
        "opened = opened - 2",
        "status = status + 1",
        "status = null",
        "digest = set_bit(digest, 17, 1 - get_bit(digest, 17))",
        "seq = seq + 100",
    ];
    let mut edits: Vec<String> = Vec::new();
    for seq in [1, 2, 7] {
        edits.extend(columns.iter().map(|column| format!("update audit_entries set {column} where seq = {seq}")));
    }
    edits.extend((1..=7).map(|seq| format!("delete from audit_entries where seq = {seq}")));
    edits.push("update audit_head set entries = entries - 1".into());
    edits.push("update audit_head set entries = entries + 1".into());
    edits.push("update audit_head set head = set_bit(head, 0, 1 - get_bit(head, 0))".into());
    edits.push("update audit_entries set seq = case seq when 4 then 5 else 4 end where seq in (4, 5)".into());
    let (mut found, mut nothing) = (0, 0);
    for edit in edits {
        let mut tx = pool.begin().await.unwrap();
        sqlx::query("set local session_replication_role = replica").execute(&mut *tx).await.unwrap();
        sqlx::raw_sql("alter table audit_entries drop constraint if exists audit_entries_pk cascade")
            .execute(&mut *tx)
            .await
            .unwrap();
        let same = "select (select count(*) from (table audit_entries except table kept) x)
                         + (select count(*) from (table kept except table audit_entries) x)
                         + (select count(*) from (table audit_head except table kept_head) x)";
        let done = sqlx::query(AssertSqlSafe(edit.clone())).execute(&mut *tx).await;
        // What a check of the table refuses is no edit; neither is what changes nothing.
        let changed = match done {
            Ok(_) => sqlx::query_scalar::<_, i64>(same).fetch_one(&mut *tx).await.unwrap() > 0,
            Err(_) => false,
        };
        if !changed {
            nothing += 1;
            continue;
        }
        tx.commit().await.unwrap();
        let verdict = store::verify_audit(pool).await;
        assert!(!matches!(verdict, Ok(Ok(_))), "not found: {edit}");
        found += 1;
        let mut tx = pool.begin().await.unwrap();
        let back = "set local session_replication_role = replica;
                    delete from audit_entries; insert into audit_entries table kept;
                    delete from audit_head; insert into audit_head table kept_head";
        sqlx::raw_sql(back).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    }
    println!("audit: {found} edits found, {nothing} refused by the tables");
    assert!(found >= 30, "{found} {nothing}");
    store::verify_audit(pool).await.unwrap().unwrap();
}

/// A log that is cut off at its end, with an end that fits, is a sound one: only the witness knows better.
#[tokio::test]
async fn a_log_that_was_cut_off_is_found_by_its_witness() {
    let (database, folder) = (fresh_database().await, scratch());
    let (pool, blobs) = (&database.pool, blobs_in(folder.path()));
    assert!(store::witness_audit(pool, &blobs).await.unwrap() && store::audit_witness(&blobs).await.unwrap().is_none());
    filled(pool).await;
    assert!(store::witness_audit(pool, &blobs).await.unwrap());
    let witnessed = store::audit_witness(&blobs).await.unwrap().expect("a witness");
    assert_eq!(witnessed.entries, 7);
    let mut tx = pool.begin().await.unwrap();
    let cut = "set local session_replication_role = replica;
               delete from audit_entries where seq > 5;
               update audit_head set entries = 5, head = (select digest from audit_entries where seq = 5)";
    sqlx::raw_sql(cut).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    store::verify_audit(pool).await.unwrap().unwrap();
    assert!(!store::audit_keeps(pool, &witnessed).await.unwrap());
    assert!(!store::witness_audit(pool, &blobs).await.unwrap(), "an older log takes no newer one's place");
    filled(pool).await;
    assert!(!store::witness_audit(pool, &blobs).await.unwrap(), "nor does one that goes on differently");
    assert_eq!(store::audit_witness(&blobs).await.unwrap(), Some(witnessed));
    assert_eq!(store::replace_audit_witness(pool, &blobs).await.unwrap(), Some(witnessed));
    assert!(store::witness_audit(pool, &blobs).await.unwrap());
    assert_eq!(store::replace_audit_witness(pool, &blobs).await.unwrap(), None);
}

/// An error of the database is one of this room's.
#[tokio::test]
async fn lines_that_complete_what_is_completed_are_refused() {
    let database = fresh_database().await;
    let mut connection = database.pool.acquire().await.unwrap();
    let opened = store::append_audit(&mut connection, vec![AuditLine::Opened(opening("a"))]).await.unwrap();
    let end = || AuditLine::Completed(AuditCompletion { opened: opened[0], status: None, objects: Vec::new() });
    store::append_audit(&mut connection, vec![end()]).await.unwrap();
    let again = store::append_audit(&mut connection, vec![end()]).await;
    assert!(matches!(again, Err(StoreError::Database(_))), "{again:?}");
    assert_eq!(store::verify_audit(&database.pool).await.unwrap().unwrap().entries, 2);
}
