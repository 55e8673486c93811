//! Signing in, staying in, and who does not get in.

use std::time::{Duration, Instant};

use dp2stage::http::Rates;
use dp2stage::store::Role;
use reqwest::Method;
use serde_json::json;

use super::{House, Person, browser, cookie_of, knock};
use crate::support::TestApi;

/// A server with keys, and a custodian's.
async fn keyed() -> (TestApi, String) {
    let api = TestApi::limited(Rates::default()).await;
    let key = api.token(Role::Custodian).await;
    (api, key)
}

/// A job that is refused for want of its dataset, if it gets that far.
async fn job(request: reqwest::RequestBuilder, api: &TestApi) -> u16 {
    api.send(request.json(&json!({"dataset": "none", "epsilon": 1.0}))).await.status.as_u16()
}

#[tokio::test]
async fn strangers_are_asked_to_sign_in_and_see_nothing() {
    let house = House::new().await;
    for (path, _) in house.pages() {
        for cookie in ["", "dp2stage=", "dp2stage=00", "__Host-dp2stage=00", "dp2stage=\u{7f}", "other=1"] {
            let mut request = browser().get(format!("{}{path}", house.api.base));
            if let (false, Ok(value)) = (cookie.is_empty(), reqwest::header::HeaderValue::from_str(cookie)) {
                request = request.header("cookie", value);
            }
            let answer = house.api.send(request).await;
            assert_eq!(answer.status, 401, "{path} with {cookie:?}");
            assert!(answer.text.contains("action=\"/sign-in\"") && !answer.text.contains("clinic"), "{path}");
            assert!(answer.text.contains(&format!("name=\"next\" value=\"{path}\"")), "{path} is where one goes on to");
        }
    }
    for path in ["/sign-out", "/upload"] {
        let refused = house.api.send(browser().post(format!("{}{path}", house.api.base))).await;
        assert!(matches!(refused.status.as_u16(), 401 | 405), "{path}: {}", refused.status);
    }
}

#[tokio::test]
async fn a_key_is_sent_once_and_a_cookie_stands_for_it() {
    let (api, key) = keyed().await;
    let answer = knock(&api, &key, "/jobs?status=queued").await;
    assert_eq!((answer.status.as_u16(), answer.headers["location"].to_str().unwrap()), (303, "/jobs?status=queued"));
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    let (value, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; Max-Age=28800; HttpOnly; SameSite=Strict");
    let secret = value.strip_prefix("dp2stage=").expect("the plain name, in the clear");
    assert!(secret.len() == 64 && !key.contains(secret), "nothing of the key");
    assert_ne!(cookie_of(&knock(&api, &key, "/").await), value, "each session has its own");
    let https = api.base.replace("http://", "https://");
    let request = browser().post(format!("{}/sign-in", api.base)).header("origin", https).body(format!("key={key}"));
    let by_tls = api.send(request).await;
    let by_tls = by_tls.headers["set-cookie"].to_str().unwrap();
    assert!(by_tls.starts_with("__Host-dp2stage=") && by_tls.ends_with("; Secure"), "{by_tls}");
    let renamed = by_tls.split(';').next().unwrap().replace("__Host-", "");
    let downgraded = api.send(browser().get(&api.base).header("cookie", renamed)).await;
    assert_eq!(downgraded.status, 401, "a session by TLS is opened by its own cookie alone");
    for next in ["//evil.example", "https://evil.example", "/\\evil.example", "x"] {
        assert_eq!(knock(&api, &key, next).await.headers["location"], "/", "{next}");
    }
}

#[tokio::test]
async fn bad_keys_and_forms_of_other_sites_begin_no_session() {
    let (api, key) = keyed().await;
    for bad in ["", "dp2_", "nonsense", &key[..key.len() - 1], &format!("{key}0"), &key.replace("dp2_", "dp3_")] {
        let answer = knock(&api, bad, "/jobs").await;
        assert_eq!(answer.status, 401, "{bad}");
        assert!(answer.headers.get("set-cookie").is_none() && !answer.text.contains(&key[20..40]));
        assert!(
            answer.text.contains("This key opens nothing") && answer.text.contains("value=\"/jobs\""),
            "{}",
            answer.text
        );
    }
    let own = api.base.trim_start_matches("http://").to_owned();
    let other = format!("http://{}", own.replace(|c: char| c.is_ascii_digit(), "1"));
    for (origin, site) in [
        (None, None),
        (Some("null"), None),
        (Some("https://evil.example"), None),
        (Some(&*other), None),
        (Some(&*api.base), Some("cross-site")),
        (Some(&*api.base), Some("same-site")),
    ] {
        let mut request = browser().post(format!("{}/sign-in", api.base)).body(format!("key={key}"));
        for (name, value) in [("origin", origin), ("sec-fetch-site", site)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let answer = api.send(request).await;
        assert_eq!(answer.status, 403, "{origin:?} {site:?}");
        assert!(answer.headers.get("set-cookie").is_none());
    }
    let large = browser().post(format!("{}/sign-in", api.base)).header("origin", &api.base).body("key=".repeat(5000));
    assert_eq!(api.send(large).await.status, 413);
}

/// What a cookie opens is asked for by our own pages; a site elsewhere, or on another port of this host, gets nothing done.
#[tokio::test]
async fn a_cookie_counts_for_our_own_pages_alone() {
    let (api, key) = keyed().await;
    let person = Person::signed_in(&api, &key).await;
    let jobs = || person.bare(Method::POST, "/v1/jobs");
    assert_eq!(job(person.request(Method::POST, "/v1/jobs"), &api).await, 404, "a page's own script gets through");
    let token = ("x-form-token", person.token.as_str());
    let wrong = "0".repeat(64);
    let other = api.base.replace("127.0.0.1", "localhost");
    for sent in [
        vec![],
        vec![("origin", api.base.as_str())],
        vec![token],
        vec![token, ("origin", "null")],
        vec![token, ("origin", "https://evil.example")],
        vec![token, ("origin", other.as_str())],
        vec![("x-form-token", wrong.as_str()), ("origin", api.base.as_str())],
        vec![token, ("origin", api.base.as_str()), ("sec-fetch-site", "cross-site")],
        vec![token, ("origin", api.base.as_str()), ("sec-fetch-site", "same-site")],
    ] {
        let request = sent.iter().fold(jobs(), |request, (name, value)| request.header(*name, *value));
        assert_eq!(job(request, &api).await, 403, "{sent:?}");
        for (method, path) in [
            (Method::DELETE, "/v1/datasets/none"),
            (Method::PUT, "/v1/datasets/none/rows"),
            (Method::POST, "/sign-out"),
        ] {
            let request =
                sent.iter().fold(person.bare(method, path), |request, (name, value)| request.header(*name, *value));
            assert_eq!(api.send(request).await.status, 403, "{path} {sent:?}");
        }
    }
    for (site, status) in [("same-origin", 200), ("none", 200), ("same-site", 403), ("cross-site", 403)] {
        for path in ["/", "/v1/datasets"] {
            let read = api.send(person.bare(Method::GET, path).header("sec-fetch-site", site)).await;
            assert_eq!(read.status, status, "{path} from {site}");
        }
    }
    // A key that is sent goes before a cookie.
    let both = person.request(Method::GET, "/v1/datasets").header("authorization", "Bearer dp2_000000000000_0");
    assert_eq!(api.send(both).await.status, 401);
    let analyst = api.token(Role::Analyst).await;
    let both = person.request(Method::POST, "/v1/datasets").header("authorization", format!("Bearer {analyst}"));
    assert_eq!(api.send(both.json(&json!({}))).await.status, 403);
    // Another session's token is not this one's.
    let second = Person::signed_in(&api, &key).await;
    assert_eq!(job(jobs().header("origin", &api.base).header("x-form-token", &second.token), &api).await, 403);
}

#[tokio::test]
async fn a_session_ends_when_one_signs_out() {
    let (api, key) = keyed().await;
    let (person, other) = (Person::signed_in(&api, &key).await, Person::signed_in(&api, &key).await);
    let out = api.send(person.request(Method::POST, "/sign-out")).await;
    assert_eq!(out.status, 204);
    assert!(out.headers["set-cookie"].to_str().unwrap().starts_with("dp2stage=; Path=/; Max-Age=0;"));
    for path in ["/", "/v1/datasets"] {
        assert_eq!(person.get(path).await.status, 401, "{path}");
    }
    assert_eq!(job(person.request(Method::POST, "/v1/jobs"), &api).await, 401);
    assert_eq!(other.get("/").await.status, 200, "the key's other session goes on");
}

/// A session is worth what its key is worth, at any moment.
#[tokio::test]
async fn a_session_ends_with_its_key() {
    let (api, key) = keyed().await;
    let admin = api.token(Role::Admin).await;
    let (person, boss) = (Person::signed_in(&api, &key).await, Person::signed_in(&api, &admin).await);
    let id = key.split('_').nth(1).unwrap();
    assert_eq!(api.send(boss.request(Method::DELETE, &format!("/v1/keys/{id}"))).await.status, 204);
    assert_eq!(person.get("/").await.status, 401, "at once, where it was revoked");
    // Elsewhere: behind this server's back.
    let id = admin.split('_').nth(1).unwrap();
    let ended = sqlx::query("update api_keys set revoked_at = now() where id = $1").bind(id);
    ended.execute(&api.database.pool).await.unwrap();
    let began = Instant::now();
    while boss.get("/audit").await.status == 200 {
        assert!(began.elapsed() < Duration::from_secs(1), "a session of a revoked key is refused within a second");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(boss.get("/v1/datasets").await.status, 401);
}

#[tokio::test]
async fn what_is_done_at_pages_is_told_of_and_counted() {
    let api = TestApi::limited(Rates::new(40, 3, 5)).await;
    let (key, id) = {
        let key = api.token(Role::Custodian).await;
        let id = key.split('_').nth(1).unwrap().to_owned();
        (key, id)
    };
    let person = Person::signed_in(&api, &key).await;
    assert_eq!(job(person.request(Method::POST, "/v1/jobs"), &api).await, 404);
    assert_eq!(api.send(person.request(Method::DELETE, "/v1/datasets/none")).await.status, 404);
    assert_eq!(api.send(person.request(Method::POST, "/sign-out")).await.status, 204);
    let lines = "select method || ' ' || route from audit_entries where opened is null and key_id = $1 order by seq";
    let told: Vec<String> = sqlx::query_scalar(lines).bind(&id).fetch_all(&api.database.pool).await.unwrap();
    assert_eq!(told, ["POST /sign-in", "POST /v1/jobs", "DELETE /v1/datasets/{dataset}", "POST /sign-out"]);
    let again = Person::signed_in(&api, &key).await;
    assert_eq!(job(again.request(Method::POST, "/v1/jobs"), &api).await, 429, "writes of a session are its key's");
    while again.get("/").await.status == 200 {}
    let limited = again.get("/").await;
    assert_eq!(limited.status, 429, "and so are its reads");
    assert!(limited.headers.contains_key("retry-after") && limited.text.contains("<main"));
    let refused = {
        let mut last = 401;
        for _ in 0..6 {
            last = knock(&api, "dp2_000000000000_0", "/").await.status.as_u16();
        }
        last
    };
    assert_eq!(refused, 429, "whoever guesses at keys is made to wait");
}
