//! An issuer that changes its keys, does not answer, or answers with something else.

use std::time::{Duration, Instant};

use dp2stage::http::{OidcTimes, Rates};
use reqwest::Method;
use serde_json::json;

use super::provider::{Answers, Provider, Signer};
use crate::api::refusal::problem;
use crate::support::{Answer, TestApi};

/// Times that a test can wait for.
const SHORT: OidcTimes = OidcTimes {
    fresh: Duration::from_millis(400),
    stale: Duration::from_millis(1500),
    refresh: Duration::from_millis(300),
    retry: Duration::from_millis(100),
    patience: Duration::from_millis(500),
};

async fn ask(api: &TestApi, token: &str) -> Answer {
    api.send(api.request(Method::GET, "/v1/jobs").header("authorization", format!("Bearer {token}"))).await
}

/// 503 with a time to come back, and never 401: the token may be good.
#[track_caller]
fn unavailable(answer: &Answer) {
    let body = problem(answer, 503, "unavailable");
    assert!(body["detail"].as_str().unwrap().contains("identity provider"), "{body}");
    assert!(answer.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() >= 1);
}

async fn until(api: &TestApi, token: &str, status: u16) -> Duration {
    let began = Instant::now();
    while ask(api, token).await.status.as_u16() != status {
        assert!(began.elapsed() < Duration::from_secs(5), "never {status}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}

/// A new key is good once a token names it, one that was taken away is not for long, and strangers' names of keys make
/// nobody ask more often than is said.
#[tokio::test]
async fn keys_are_changed() {
    let (old, new) = (Signer::rsa("old", 0), Signer::ec("new"));
    let provider = Provider::start(&[&old]).await;
    let api = TestApi::with_oidc(provider.oidc(provider.settings(), SHORT), Rates::default()).await;
    assert_eq!(provider.asked(), 0, "before the first token nobody is asked");
    let (of_old, of_new) = (old.token(&provider.claims()), new.token(&provider.claims()));
    ask(&api, &of_old).await.expect(200);
    problem(&ask(&api, &of_new).await, 401, "unauthorized");
    assert_eq!(provider.asked(), 1, "the keys are a moment old");
    provider.publish(&[&old, &new]);
    until(&api, &of_new, 200).await;
    ask(&api, &of_old).await.expect(200);
    provider.publish(&[&new]);
    let gone = until(&api, &of_old, 401).await;
    assert!(gone < Duration::from_secs(2), "{gone:?}");

    let (before, began) = (provider.asked(), Instant::now());
    for i in 0..200 {
        let stranger = Signer::ed(&format!("stranger-{i}")).token(&provider.claims());
        problem(&ask(&api, &stranger).await, 401, "unauthorized");
    }
    let most = began.elapsed().as_millis() / SHORT.refresh.as_millis() + 1;
    assert!((provider.asked() - before) as u128 <= most, "{} of {most}", provider.asked() - before);
}

/// While the issuer is away known keys are good for a while, and nobody is told that a token is bad which may be good.
#[tokio::test]
async fn an_issuer_that_is_away_is_said_so() {
    let (known, other) = (Signer::rsa("known", 0), Signer::ec("other"));
    let provider = Provider::start(&[&known, &other]).await;
    provider.answer(Answers::Status(503));
    let api = TestApi::with_oidc(provider.oidc(provider.settings(), SHORT), Rates::new(0, 0, 3)).await;
    let (of_known, of_other) = (known.token(&provider.claims()), other.token(&provider.claims()));
    let began = Instant::now();
    for _ in 0..30 {
        unavailable(&ask(&api, &of_known).await);
    }
    let most = began.elapsed().as_millis() / SHORT.retry.as_millis() + 1;
    assert!((provider.asked() as u128) <= most, "{} of {most}", provider.asked());
    // What is no token at all needs no keys to be refused.
    problem(&ask(&api, "x.y.z").await, 401, "unauthorized");
    provider.publish(&[&known]);
    until(&api, &of_known, 200).await;
    provider.answer(Answers::Status(503));
    let away = Instant::now();
    let mut good = 0;
    while away.elapsed() < Duration::from_secs(1) {
        ask(&api, &of_known).await.expect(200);
        good += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(good > 10);
    // It may be one of those that would have come.
    unavailable(&ask(&api, &of_other).await);
    let lasted = until(&api, &of_known, 503).await;
    assert!(lasted < Duration::from_secs(2), "{lasted:?}");
    unavailable(&ask(&api, &of_known).await);
    provider.publish(&[&known, &other]);
    until(&api, &of_known, 200).await;
    ask(&api, &of_other).await.expect(200);
}

/// Whatever it answers with that is not what it should: nothing is believed, nothing is followed, and it takes no longer
/// than it may.
#[tokio::test]
async fn an_odd_issuer_is_not_believed() {
    let rsa = Signer::rsa("r", 0);
    let provider = Provider::start(&[&rsa]).await;
    let keys = json!({"keys": [rsa.published()]}).to_string();
    let description = |issuer: &str, place: &str| json!({"issuer": issuer, "jwks_uri": place}).to_string();
    let (own, place) = (provider.issuer.clone(), format!("{}/keys", provider.issuer));
    let odd = |what, text: String| Answers::Odd(what, text);
    let token = rsa.token(&provider.claims());
    for answers in [
        odd("description", String::new()),
        odd("description", "[]".into()),
        odd("description", description("https://evil.example", &place)),
        odd("description", description(&format!("{own}/"), &place)),
        odd("description", description(&own, "http://10.0.0.1/keys")),
        odd("description", description(&own, &place.replace("127.0.0.1", "localhost"))),
        odd("description", description(&own, "file:///etc/passwd")),
        odd("description", description(&own, "keys")),
        odd("keys", String::new()),
        odd("keys", "{}".into()),
        odd("keys", "{\"keys\": []}".into()),
        odd("keys", "{\"keys\": [{\"kty\": \"RSA\", \"kid\": \"r\"}, 5, null]}".into()),
        odd("keys", keys.replacen('{', &format!("{{\"more\": \"{}\", ", "x".repeat(2 << 20)), 1)),
        Answers::Status(404),
        Answers::Status(302),
        Answers::Status(307),
        Answers::Slow(Duration::from_secs(60)),
    ] {
        provider.answer(answers);
        let api = TestApi::with_oidc(provider.oidc(provider.settings(), SHORT), Rates::default()).await;
        let began = Instant::now();
        unavailable(&ask(&api, &token).await);
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
    provider.answer(odd("keys", keys));
    let api = TestApi::with_oidc(provider.oidc(provider.settings(), SHORT), Rates::default()).await;
    ask(&api, &token).await.expect(200);
}
