//! Keys: made, shown once, listed, expiring, revoked, used.

use std::time::{Duration, Instant};

use dp2stage::http;
use dp2stage::store::{self, Role};
use dp2stage::tabular::UploadLimits;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::refusal::problem;
use crate::support::{Answer, Server, TestApi, fresh_database, scratch};

async fn ask(api: &TestApi, token: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    let request = api.request(method, path).header("authorization", format!("Bearer {token}"));
    api.send(body.iter().fold(request, |request, body| request.json(body))).await
}

async fn make(api: &TestApi, admin: &str, body: Value) -> (Value, String) {
    let answer = ask(api, admin, Method::POST, "/v1/keys", Some(body)).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    let location = answer.headers["location"].to_str().unwrap().to_owned();
    let made = answer.expect(201);
    assert_eq!(location, format!("/v1/keys/{}", made["id"].as_str().unwrap()));
    let token = made["key"].as_str().unwrap().to_owned();
    (made, token)
}

/// S6: the secret is in one answer, and nowhere else; 256 bits of it, kept as SHA-256.
#[tokio::test]
async fn a_key_is_shown_once_and_kept_as_a_digest() {
    let api = TestApi::start(false, UploadLimits::default()).await;
    let admin = api.token(Role::Admin).await;
    let wish = json!({"role": "custodian", "tenant": "default", "name": "Müller's notebook", "expires_at": "2090-01-01T00:00:00Z"});
    let (made, token) = make(&api, &admin, wish.clone()).await;
    let ["dp2", id, secret] = token.split('_').collect::<Vec<_>>()[..] else { panic!("{token}") };
    assert_eq!((id, hex::decode(secret).map(|bytes| bytes.len())), (made["id"].as_str().unwrap(), Ok(32)));
    for member in ["role", "tenant", "name", "expires_at"] {
        assert_eq!(made[member], wish[member], "{made}");
    }
    assert!(made["revoked_at"].is_null() && made["last_used_at"].is_null() && made["created_at"].is_string());
    ask(&api, &token, Method::GET, "/v1/jobs", None).await.expect(200);
    problem(&ask(&api, &token, Method::GET, "/v1/keys", None).await, 403, "forbidden");

    let stored: Vec<u8> = sqlx::query_scalar("select secret from api_keys where id = $1")
        .bind(id)
        .fetch_one(&api.database.pool)
        .await
        .unwrap();
    let digest = Sha256::digest(secret.as_bytes());
    assert_eq!(stored, digest.as_slice());
    // No table holds the secret, and no list its digest.
    let tables: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace",
    )
    .fetch_all(&api.database.pool)
    .await
    .unwrap();
    for table in tables {
        let search = format!("select count(*) from {table} t where t::text like '%{secret}%'");
        let hits: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(search)).fetch_one(&api.database.pool).await.unwrap();
        assert_eq!(hits, 0, "{table}");
    }
    let listed = ask(&api, &admin, Method::GET, "/v1/keys", None).await;
    assert!(!listed.text.contains(secret) && !listed.text.contains(&hex::encode(digest)), "{}", listed.text);
    let items = listed.expect(200)["items"].clone();
    let mine = items.as_array().unwrap().iter().find(|item| item["id"] == id).unwrap().clone();
    assert!(mine.get("key").is_none() && mine["name"] == wish["name"], "{mine}");
    let (other, another) = make(&api, &admin, json!({"role": "analyst"})).await;
    assert_ne!(another, token);
    assert_eq!(
        (&other["tenant"], &other["name"], &other["expires_at"]),
        (&json!("default"), &Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn keys_are_listed_in_pages() {
    let api = TestApi::start(false, UploadLimits::default()).await;
    let admin = api.token(Role::Admin).await;
    let mut ids = vec![admin.split('_').nth(1).unwrap().to_owned()];
    for _ in 0..6 {
        ids.push(make(&api, &admin, json!({"role": "analyst"})).await.0["id"].as_str().unwrap().to_owned());
    }
    let (mut seen, mut path) = (Vec::new(), "/v1/keys?limit=3".to_owned());
    loop {
        let page = ask(&api, &admin, Method::GET, &path, None).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/keys?limit=3&cursor={next}");
    }
    assert_eq!(seen, ids, "in the order of their making, each once");
}

/// S6: within a second on another server, at once on the one that revoked it.
#[tokio::test]
async fn a_revoked_key_opens_nothing_any_more() {
    let api = TestApi::start(false, UploadLimits::default()).await;
    let admin = api.token(Role::Admin).await;
    let mut slowest = Duration::ZERO;
    for _ in 0..5 {
        let (made, token) = make(&api, &admin, json!({"role": "analyst"})).await;
        let id = made["id"].as_str().unwrap();
        // Another server, or the command line, which this one hears nothing of.
        ask(&api, &token, Method::GET, "/v1/jobs", None).await.expect(200);
        store::revoke_key(&api.database.pool, id, false).await.unwrap();
        let began = Instant::now();
        while ask(&api, &token, Method::GET, "/v1/jobs", None).await.status == 200 {
            assert!(began.elapsed() < Duration::from_secs(1), "a revoked key is refused within a second");
        }
        slowest = slowest.max(began.elapsed());
    }
    println!("S6: a revoked key is refused after at most {slowest:?} by a server that was not told");
    let (made, token) = make(&api, &admin, json!({"role": "analyst"})).await;
    let path = format!("/v1/keys/{}", made["id"].as_str().unwrap());
    ask(&api, &token, Method::GET, "/v1/jobs", None).await.expect(200);
    for _ in 0..2 {
        ask(&api, &admin, Method::DELETE, &path, None).await.expect(204);
        problem(&ask(&api, &token, Method::GET, "/v1/jobs", None).await, 401, "unauthorized");
    }
    let listed = ask(&api, &admin, Method::GET, "/v1/keys", None).await.expect(200);
    let revoked = listed["items"].as_array().unwrap().iter().filter(|item| item["revoked_at"].is_string()).count();
    assert_eq!(revoked, 6);
    for name in ["000000000000", "x", "%00", "%ff", &token] {
        problem(&ask(&api, &admin, Method::DELETE, &format!("/v1/keys/{name}"), None).await, 404, "not_found");
    }
}

#[tokio::test]
async fn a_key_ends_when_it_says() {
    let api = TestApi::start(false, UploadLimits::default()).await;
    let mut key = http::issue(Role::Analyst).unwrap();
    key.stored.expires_at = Some(time::OffsetDateTime::now_utc() + Duration::from_millis(1500));
    store::insert_key(&api.database.pool, &key.stored).await.unwrap();
    let began = Instant::now();
    while ask(&api, &key.token, Method::GET, "/v1/jobs", None).await.status == 200 {
        assert!(began.elapsed() < Duration::from_millis(2500), "it is still good");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(began.elapsed() > Duration::from_millis(1000), "{:?}", began.elapsed());
    problem(&ask(&api, &key.token, Method::GET, "/v1/jobs", None).await, 401, "unauthorized");
}

/// Nobody locks everybody out by accident: not alone, and not two at the same moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_admin_key_stays() {
    let api = TestApi::start(false, UploadLimits::default()).await;
    let admin = api.token(Role::Admin).await;
    let path = |token: &str| format!("/v1/keys/{}", token.split('_').nth(1).unwrap());
    // An expired one and a custodian's are no help.
    let mut expired = http::issue(Role::Admin).unwrap();
    expired.stored.expires_at = Some(time::OffsetDateTime::now_utc() - Duration::from_secs(1));
    store::insert_key(&api.database.pool, &expired.stored).await.unwrap();
    api.token(Role::Custodian).await;
    let refused = ask(&api, &admin, Method::DELETE, &path(&admin), None).await;
    let body = problem(&refused, 409, "state_conflict");
    assert!(body["detail"].as_str().unwrap().contains("last admin key"), "{body}");
    ask(&api, &admin, Method::GET, "/v1/keys", None).await.expect(200);
    for _ in 0..20 {
        let (one, two) = (api.token(Role::Admin).await, api.token(Role::Admin).await);
        ask(&api, &one, Method::GET, "/v1/keys", None).await.expect(200);
        for token in [&admin, &expired.token] {
            let id = token.split('_').nth(1).unwrap();
            let revoke = "update api_keys set revoked_at = now() where id = $1";
            sqlx::query(revoke).bind(id).execute(&api.database.pool).await.unwrap();
        }
        let (first, second) = (path(&one), path(&two));
        let (a, b) =
            tokio::join!(ask(&api, &one, Method::DELETE, &second, None), ask(&api, &two, Method::DELETE, &first, None));
        let good = [a.status.as_u16(), b.status.as_u16()];
        assert!(good.contains(&204) && (good.contains(&409) || good.contains(&401)), "{good:?}");
        let left = "select count(*) from api_keys where role = 'admin' and revoked_at is null and expires_at is null";
        assert_eq!(sqlx::query_scalar::<_, i64>(left).fetch_one(&api.database.pool).await.unwrap(), 1);
        sqlx::query("update api_keys set revoked_at = now() where revoked_at is null and role = 'admin'")
            .execute(&api.database.pool)
            .await
            .unwrap();
    }
}

/// Written about once a minute and not in the way of the request.
#[tokio::test]
async fn the_last_use_is_noted() {
    let api = TestApi::start(false, UploadLimits::default()).await;
    let token = api.token(Role::Analyst).await;
    let id = token.split('_').nth(1).unwrap();
    let used =
        async || -> Option<time::OffsetDateTime> { store::shown_key(&api.database.pool, id).await.unwrap().used_at };
    assert!(used().await.is_none());
    let bad = format!("dp2_{id}_{}", "0".repeat(64));
    problem(&ask(&api, &bad, Method::GET, "/v1/jobs", None).await, 401, "unauthorized");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(used().await.is_none(), "a wrong secret is no use of the key");
    ask(&api, &token, Method::GET, "/v1/jobs", None).await.expect(200);
    let began = Instant::now();
    while used().await.is_none() {
        assert!(began.elapsed() < Duration::from_secs(5), "it is not noted");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let first = used().await;
    for _ in 0..20 {
        ask(&api, &token, Method::GET, "/v1/jobs", None).await.expect(200);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(used().await, first, "once a minute is enough");
    let mut lock = api.database.pool.begin().await.unwrap();
    sqlx::query("update api_keys set used_at = now() - interval '1 hour'").execute(&mut *lock).await.unwrap();
    lock.commit().await.unwrap();
    store::note_use(&api.database.pool, id).await.unwrap();
    assert!(used().await >= first);
}

/// The same on the command line.
#[tokio::test]
async fn keys_are_made_listed_and_revoked_on_the_server() {
    let (database, folder) = (fresh_database().await, scratch());
    let run = |arguments: &[&str]| {
        let output = Server::command(&database.url, folder.path(), arguments);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    let (good, admin, _) = run(&["key", "create", "--name", "first", "--days", "30"]);
    assert!(good && admin.trim().starts_with("dp2_") && admin.lines().count() == 1, "{admin}");
    let (good, custodian, _) = run(&["key", "create", "--role", "custodian", "--tenant", "ward"]);
    assert!(good);
    let ids: Vec<&str> = [&admin, &custodian].map(|token| token.trim().split('_').nth(1).unwrap()).into();
    let (good, listed, _) = run(&["key", "list"]);
    let lines: Vec<&str> = listed.lines().collect();
    assert!(good && lines.len() == 3 && lines[1].contains(ids[0]) && lines[1].contains("first, until "), "{listed}");
    assert!(lines[2].contains("custodian") && lines[2].contains("never") && lines[2].contains("ward"), "{listed}");
    assert!([&admin, &custodian].iter().all(|token| !listed.contains(token.trim().rsplit('_').next().unwrap())));
    let (good, _, said) = run(&["key", "revoke", ids[0]]);
    assert!(!good && said.contains("last admin key"), "{said}");
    assert!(run(&["key", "revoke", ids[1]]).0 && run(&["key", "revoke", ids[0], "--even-the-last"]).0);
    assert!(!run(&["key", "revoke", "000000000000"]).0);
    assert_eq!(run(&["key", "list"]).1.matches("revoked").count(), 2);
    for bad in [["--role", "boss"], ["--tenant", "a b"], ["--name", ""], ["--days", "0"]] {
        assert!(!run(&[&["key", "create"][..], &bad[..]].concat()).0, "{bad:?}");
    }
    // The log tells of commands too.
    let told = "select o.route, o.role, o.objects, c.status from audit_entries o
                join audit_entries c on c.opened = o.seq order by o.seq";
    let told: Vec<(String, String, Vec<String>, Option<i32>)> =
        sqlx::query_as(told).fetch_all(&database.pool).await.unwrap();
    let told: Vec<_> = told.iter().map(|of| (of.0.as_str(), of.1.as_str(), of.2.join(" "), of.3.unwrap())).collect();
    let of = |route, id: &str, status| (route, "operator", id.to_owned(), status);
    let expected = [
        of("key create", ids[0], 200),
        of("key create", ids[1], 200),
        of("key revoke", ids[0], 400),
        of("key revoke", ids[1], 200),
        of("key revoke", ids[0], 200),
        of("key revoke", "000000000000", 400),
    ];
    assert_eq!(told, expected);
}
