//! Which tokens open what, and which nothing.

use dp2stage::http::{OidcTimes, Rates};
use dp2stage::tabular::UploadLimits;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::provider::{AUDIENCE, Provider, Signer, b64, now};
use crate::api::refusal::problem;
use crate::support::{Answer, TestApi, clinic};

async fn ask(api: &TestApi, token: &str, path: &str) -> Answer {
    api.send(api.request(Method::GET, path).header("authorization", format!("Bearer {token}"))).await
}

/// With one member as it is here; null takes it away.
fn with(mut claims: Value, member: &str, value: Value) -> Value {
    match value {
        Value::Null => claims.as_object_mut().unwrap().remove(member),
        value => claims.as_object_mut().unwrap().insert(member.into(), value),
    };
    claims
}

/// Each role by each algorithm opens what it opens, and is told of by a digest of the subject.
#[tokio::test]
async fn a_good_token_opens_what_its_role_may() {
    let signers = [Signer::rsa("r", 0), Signer::ec("e"), Signer::ed("d")];
    let provider = Provider::start(&signers.each_ref()).await;
    let mut settings = provider.settings();
    settings.role_claim = "realm_access.roles".into();
    settings.tenant_claim = Some("tenant".into());
    let api = TestApi::with_oidc(provider.oidc(settings, OidcTimes::default()), Rates::default()).await;
    for (i, signer) in signers.iter().enumerate() {
        for (roles, opened) in [
            (json!("our-analyst"), [200, 403, 403]),
            (json!(["x", "our-custodian"]), [200, 404, 403]),
            (json!(["our-analyst", "our-admin"]), [200, 404, 200]),
        ] {
            let claims = with(provider.claims(), "realm_access", json!({"roles": roles}));
            let token = signer.token(&with(claims, "roles", json!(["our-admin"])));
            let paths = ["/v1/jobs", "/v1/jobs/x/attempts", "/v1/keys"];
            for (path, status) in paths.into_iter().zip(opened) {
                assert_eq!(ask(&api, &token, path).await.status.as_u16(), status, "{i} {roles} {path}");
            }
        }
    }
    let claims = with(provider.claims(), "realm_access", json!({"roles": ["our-admin"]}));
    // Of a list of audiences one is enough, clocks may differ a little, and keys go on being good.
    for (member, value) in [
        ("aud", json!(["other", AUDIENCE])),
        ("exp", json!(now() - 30)),
        ("exp", json!(now() as f64 + 30.5)),
        ("nbf", json!(now() + 30)),
        ("sub", json!("x".repeat(255))),
    ] {
        let token = signers[1].token(&with(claims.clone(), member, value.clone()));
        ask(&api, &token, "/v1/keys").await.expect(200);
    }
    for kind in ["at+jwt", "JWT", "application/at+jwt"] {
        let header = json!({"alg": "EdDSA", "kid": "d", "typ": kind, "jku": "https://evil.example"});
        ask(&api, &signers[2].under(&header, &claims.to_string()), "/v1/keys").await.expect(200);
    }
    ask(&api, &api.token(dp2stage::store::Role::Admin).await, "/v1/keys").await.expect(200);

    let token = signers[0].token(&claims);
    let declared =
        json!({"name": "clinic", "schema": clinic(), "rows_public": 100, "budget": {"epsilon": 1.0, "delta": 1e-6}});
    let request = api.request(Method::POST, "/v1/datasets").header("authorization", format!("Bearer {token}"));
    let made = api.send(request.json(&declared)).await.expect(201);
    let subject = hex::encode(Sha256::digest(format!("{}\n4711", provider.issuer)));
    let subject = format!("oidc:{}", &subject[..32]);
    // The second line about it is written when the answer is on its way.
    let began = std::time::Instant::now();
    let listed = loop {
        let listed = ask(&api, &token, &format!("/v1/audit?key={subject}")).await.expect(200);
        if listed["items"][0]["completed_at"].is_string() {
            break listed;
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "nothing is told of {subject}: {listed}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    let line = &listed["items"][0];
    assert_eq!((&line["key"], &line["role"], &line["tenant"]), (&json!(subject), &json!("admin"), &json!("ward")));
    assert_eq!((&line["route"], &line["objects"][0]), (&json!("/v1/datasets"), &made["id"]));
    problem(&ask(&api, &token, "/v1/audit?key=oidc:4711").await, 422, "request_invalid");
    assert!(!listed.to_string().contains("4711"), "the subject itself is nowhere: {listed}");
    // Another tenant's token sees nothing of it.
    let other = signers[0].token(&with(claims, "tenant", json!("other")));
    problem(&ask(&api, &other, "/v1/datasets/clinic").await, 404, "not_found");
    assert_eq!(provider.asked(), 1, "keys are kept");
}

/// Tokens whose body is not as it should be.
fn bad_claims(provider: &Provider) -> Vec<(String, Value)> {
    let long = "x".repeat(300);
    let changes = [
        ("exp", vec![json!(now() - 120), Value::Null, json!("never"), json!([]), json!((now() + 300).to_string())]),
        ("nbf", vec![json!(now() + 120), json!("0"), json!({}), json!(true)]),
        ("iss", vec![json!("https://evil.example"), json!(format!("{}/", provider.issuer)), Value::Null, json!(1)]),
        ("aud", vec![json!("other"), json!(["other"]), json!([]), Value::Null, json!(1), json!({"x": AUDIENCE})]),
        ("sub", vec![json!(""), Value::Null, json!(7), json!(long), json!("a\u{0}b")]),
        (
            "roles",
            vec![json!([]), json!(["our-boss"]), Value::Null, json!(1), json!({"our-admin": true}), json!("our-ADMIN")],
        ),
        (
            "tenant",
            vec![
                json!("a b"),
                json!("a'; drop"),
                json!("../a"),
                json!(""),
                json!(long),
                Value::Null,
                json!(1),
                json!(["a", "b"]),
                json!("schl\u{fc}ssel"),
                json!("a\n"),
            ],
        ),
    ];
    let changes = changes.into_iter().flat_map(|(member, values)| values.into_iter().map(move |value| (member, value)));
    changes.map(|(member, value)| (format!("{member}: {value}"), with(provider.claims(), member, value))).collect()
}

/// Tokens that are signed with something else than they should be, or not at all.
fn forged(provider: &Provider, (rsa, ec, hidden): (&Signer, &Signer, &Signer)) -> Vec<(&'static str, String)> {
    let claims = provider.claims().to_string();
    let head = |alg: &str, kid: &str| json!({"alg": alg, "kid": kid, "typ": "JWT"});
    let message = |header: &Value| format!("{}.{}", b64(header.to_string().as_bytes()), b64(claims.as_bytes()));
    let hmac = |secret: &[u8]| {
        let message = message(&head("HS256", rsa.id()));
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
        mac.update(message.as_bytes());
        format!("{message}.{}", b64(&mac.finalize().into_bytes()))
    };
    let (n, e) = rsa.rsa_parts();
    let good = rsa.token(&provider.claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, body) = signed.split_once('.').unwrap();
    let grown = with(provider.claims(), "roles", json!(["our-admin"])).to_string();
    let under = |extra: Value| {
        let mut header = head("RS256", rsa.id());
        header.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        rsa.under(&header, &claims)
    };
    let twice = claims.replacen('{', &format!("{{\"exp\": {}, ", now() + 300), 1);
    vec![
        ("alg none", format!("{}.", message(&head("none", rsa.id())))),
        ("alg NONE, signed", rsa.under(&head("NONE", rsa.id()), &claims)),
        ("alg none, signed", rsa.under(&head("none", rsa.id()), &claims)),
        ("no alg", rsa.under(&json!({"kid": rsa.id()}), &claims)),
        ("HS256, the modulus as secret", hmac(&n)),
        ("HS256, the published key as secret", hmac(rsa.published().to_string().as_bytes())),
        ("HS256, nothing as secret", hmac(b"")),
        ("HS256, modulus and exponent", hmac(&[n, e].concat())),
        ("PS256", rsa.under(&head("PS256", rsa.id()), &claims)),
        ("RS512", rsa.under(&head("RS512", rsa.id()), &claims)),
        ("RS256 with the name of a curve's key", rsa.under(&head("RS256", ec.id()), &claims)),
        ("ES256 with the name of an RSA key", ec.under(&head("ES256", rsa.id()), &claims)),
        ("RS256 signed on a curve", ec.under(&head("RS256", rsa.id()), &claims)),
        ("another algorithm than its key's", ec.under(&head("RS256", ec.id()), &claims)),
        ("another key of the same name", Signer::rsa(rsa.id(), 1).token(&provider.claims())),
        ("a key that nobody knows", Signer::rsa("unknown", 1).token(&provider.claims())),
        ("a key for encryption", hidden.token(&provider.claims())),
        (
            "a key that it brings along",
            Signer::ec("own")
                .under(&json!({"alg": "ES256", "kid": "own", "jwk": Signer::ec("own").published()}), &claims),
        ),
        ("no key named", rsa.under(&json!({"alg": "RS256"}), &claims)),
        ("a key's name that is none", rsa.under(&json!({"alg": "RS256", "kid": 1}), &claims)),
        ("a key's name without end", rsa.under(&head("RS256", &"x".repeat(400)), &claims)),
        ("must be understood", under(json!({"crit": ["exp"]}))),
        ("the body is not in base64", under(json!({"b64": false}))),
        ("a token for logging out", under(json!({"typ": "logout+jwt"}))),
        ("no signature", format!("{signed}.")),
        ("truncated", good[..good.len() - 8].to_owned()),
        (
            "a letter of the signature",
            format!(
                "{signed}.{}A",
                &signature[..signature.len() - 1].replacen(
                    &signature[..1],
                    if signature.starts_with('A') { "B" } else { "A" },
                    1
                )
            ),
        ),
        ("another body", format!("{header}.{}.{signature}", b64(grown.as_bytes()))),
        ("another head", format!("{}.{body}.{signature}", b64(b"{\"alg\":\"RS256\",\"kid\":\"r\"}"))),
        ("padded", format!("{signed}=.{signature}")),
        ("two parts", signed.to_owned()),
        ("one part", header.to_owned()),
        ("four parts", format!("{good}.{signature}")),
        ("five parts", format!("{good}.{signature}.{signature}")),
        ("dots", "..".to_owned()),
        ("as if it were a key", format!("dp2_{good}")),
        ("with a space", format!(" {good}")),
        ("huge", rsa.token(&with(provider.claims(), "more", json!("x".repeat(20_000))))),
        ("no JSON", rsa.under(&head("RS256", rsa.id()), "claims")),
        ("no object", rsa.under(&head("RS256", rsa.id()), "[]")),
        ("a claim twice", rsa.under(&head("RS256", rsa.id()), &twice)),
        ("not UTF-8", format!("{}.{}.{signature}", b64(b"\xff"), b64(b"\xff"))),
    ]
}

/// Every one of them: the same 401, to the last letter.
#[tokio::test]
async fn bad_tokens_open_nothing() {
    let (rsa, ec, hidden) = (Signer::rsa("r", 0), Signer::ec("e"), Signer::rsa("hidden", 1));
    let provider = Provider::start(&[]).await;
    let mut for_others = hidden.published();
    for_others["use"] = json!("enc");
    let mut otherwise = rsa.published();
    (otherwise["kid"], otherwise["alg"]) = (json!("otherwise"), json!("RS512"));
    let keys = json!({"keys": [{"kty": "oct", "kid": "r", "k": "c2VjcmV0"}, {"kty": 1}, for_others, otherwise,
                               rsa.published(), ec.published()]});
    provider.publish_all(keys);
    let mut settings = provider.settings();
    settings.tenant_claim = Some("tenant".into());
    let api = TestApi::with_oidc(provider.oidc(settings, OidcTimes::default()), Rates::default()).await;
    let mut bad: Vec<(String, String)> =
        bad_claims(&provider).into_iter().map(|(what, claims)| (what, rsa.token(&claims))).collect();
    bad.extend(forged(&provider, (&rsa, &ec, &hidden)).into_iter().map(|(what, token)| (what.to_owned(), token)));
    bad.push(("of another algorithm".into(), Signer::rsa("otherwise", 0).token(&provider.claims())));
    bad.push(("nothing".into(), String::new()));
    ask(&api, &rsa.token(&provider.claims()), "/v1/jobs").await.expect(200);
    ask(&api, &ec.token(&provider.claims()), "/v1/jobs").await.expect(200);
    let mut bodies = std::collections::BTreeSet::new();
    for (what, token) in &bad {
        let answer = ask(&api, token, "/v1/jobs").await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text);
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        bodies.insert(with(problem(&answer, 401, "unauthorized"), "request_id", Value::Null).to_string());
    }
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert!(provider.asked() <= 2, "asked {} times: names of keys that nobody knows are no reason", provider.asked());
    println!("{} bad tokens", bad.len());
    ask(&api, &rsa.token(&provider.claims()), "/v1/jobs").await.expect(200);
}

/// An algorithm that the operator does not take is not taken.
#[tokio::test]
async fn algorithms_are_the_operators_choice() {
    let (rsa, ec) = (Signer::rsa("r", 0), Signer::ec("e"));
    let provider = Provider::start(&[&rsa, &ec]).await;
    let mut settings = provider.settings();
    settings.algorithms = vec!["ES256".into()];
    let api = TestApi::with_oidc(provider.oidc(settings, OidcTimes::default()), Rates::default()).await;
    ask(&api, &ec.token(&provider.claims()), "/v1/jobs").await.expect(200);
    problem(&ask(&api, &rsa.token(&provider.claims()), "/v1/jobs").await, 401, "unauthorized");
}

/// Where no provider is named, nobody asks one.
#[tokio::test]
async fn without_a_provider_tokens_are_nothing() {
    let rsa = Signer::rsa("r", 0);
    let provider = Provider::start(&[&rsa]).await;
    let api = TestApi::start(false, UploadLimits::default()).await;
    let answer = ask(&api, &rsa.token(&provider.claims()), "/v1/jobs").await;
    let body = problem(&answer, 401, "unauthorized");
    assert!(!body["detail"].as_str().unwrap().contains("identity"), "{body}");
    assert_eq!(provider.asked(), 0);
}

/// Limits are each subject's own; whoever sends bad tokens waits, and those with good ones from the same address do not.
#[tokio::test]
async fn subjects_are_counted_apart() {
    let rsa = Signer::rsa("r", 0);
    let provider = Provider::start(&[&rsa]).await;
    let rates = Rates::new(3, 3, 4);
    let api = TestApi::with_oidc(provider.oidc(provider.settings(), OidcTimes::default()), rates).await;
    let of = |subject: &str| rsa.token(&with(provider.claims(), "sub", json!(subject)));
    for _ in 0..3 {
        // Another token of the same subject is the same subject.
        ask(&api, &rsa.token(&with(with(provider.claims(), "sub", json!("a")), "jti", json!(now()))), "/v1/jobs")
            .await
            .expect(200);
    }
    problem(&ask(&api, &of("a"), "/v1/jobs").await, 429, "rate_limited");
    ask(&api, &of("b"), "/v1/jobs").await.expect(200);
    let bad = Signer::rsa("r", 1).token(&provider.claims());
    for _ in 0..4 {
        problem(&ask(&api, &bad, "/v1/jobs").await, 401, "unauthorized");
    }
    problem(&ask(&api, &bad, "/v1/jobs").await, 429, "rate_limited");
    ask(&api, &of("b"), "/v1/jobs").await.expect(200);
}
