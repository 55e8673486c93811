//! An identity provider on loopback, which signs whatever it is told to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dp2stage::http::{Oidc, OidcSettings, OidcTimes};
use dp2stage::store::Role;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};

use crate::support::client;

/// Two RSA keys that open nothing but this test's own server; ring makes none.
const RSA: [&[u8]; 2] = [
    include_bytes!("../../../fixtures/oidc/of-no-worth-1.pk8"),
    include_bytes!("../../../fixtures/oidc/of-no-worth-2.pk8"),
];

pub const AUDIENCE: &str = "dp2stage";

/// A key of an issuer.
pub enum Signer {
    Rsa(String, Box<RsaKeyPair>),
    Ec(String, EcdsaKeyPair),
    Ed(String, Ed25519KeyPair),
}

impl Signer {
    pub fn rsa(id: &str, which: usize) -> Self {
        Self::Rsa(id.into(), Box::new(RsaKeyPair::from_pkcs8(RSA[which]).expect("a key")))
    }

    pub fn ec(id: &str) -> Self {
        let (kind, dice) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let key = EcdsaKeyPair::generate_pkcs8(kind, &dice).expect("a key");
        Self::Ec(id.into(), EcdsaKeyPair::from_pkcs8(kind, key.as_ref(), &dice).expect("a key"))
    }

    pub fn ed(id: &str) -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        Self::Ed(id.into(), Ed25519KeyPair::from_pkcs8(key.as_ref()).expect("a key"))
    }

    pub fn id(&self) -> &str {
        match self {
            Self::Rsa(id, _) | Self::Ec(id, _) | Self::Ed(id, _) => id,
        }
    }

    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(..) => "RS256",
            Self::Ec(..) => "ES256",
            Self::Ed(..) => "EdDSA",
        }
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let dice = SystemRandom::new();
        match self {
            Self::Rsa(_, key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &dice, message, &mut signature).expect("a signature");
                signature
            }
            Self::Ec(_, key) => key.sign(&dice, message).expect("a signature").as_ref().to_vec(),
            Self::Ed(_, key) => key.sign(message).as_ref().to_vec(),
        }
    }

    /// The modulus and the exponent of an RSA key.
    pub fn rsa_parts(&self) -> (Vec<u8>, Vec<u8>) {
        let Self::Rsa(_, key) = self else { panic!("no RSA key") };
        let parts = PublicKeyComponents::<Vec<u8>>::from(key.public());
        (parts.n, parts.e)
    }

    /// The key as it is published.
    pub fn published(&self) -> Value {
        let mut key = match self {
            Self::Rsa(..) => {
                let (n, e) = self.rsa_parts();
                json!({"kty": "RSA", "n": b64(&n), "e": b64(&e)})
            }
            Self::Ec(_, key) => {
                let point = key.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": b64(&point[1..33]), "y": b64(&point[33..])})
            }
            Self::Ed(_, key) => json!({"kty": "OKP", "crv": "Ed25519", "x": b64(key.public_key().as_ref())}),
        };
        key["kid"] = json!(self.id());
        key["use"] = json!("sig");
        key["alg"] = json!(self.algorithm());
        key
    }

    /// A token with the claims, signed.
    pub fn token(&self, claims: &Value) -> String {
        self.under(&json!({"alg": self.algorithm(), "kid": self.id(), "typ": "JWT"}), &claims.to_string())
    }

    /// A token with whatever head and body, signed.
    pub fn under(&self, header: &Value, body: &str) -> String {
        let message = format!("{}.{}", b64(header.to_string().as_bytes()), b64(body.as_bytes()));
        format!("{message}.{}", b64(&self.sign(message.as_bytes())))
    }
}

pub fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

/// What the provider answers.
#[derive(Clone)]
pub enum Answers {
    /// Where its keys are.
    Published,
    /// This status.
    Status(u16),
    /// Something else than it should.
    Odd(&'static str, String),
    /// Nothing for so long, and then a status.
    Slow(Duration),
}

/// The provider. Its keys are what `answers` says.
pub struct Provider {
    pub issuer: String,
    answers: Arc<Mutex<(Answers, Value)>>,
    asked: Arc<AtomicUsize>,
}

impl Provider {
    pub async fn start(signers: &[&Signer]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let issuer = format!("http://{}/realm", listener.local_addr().expect("an address"));
        let provider = Self {
            issuer: issuer.clone(),
            answers: Arc::new(Mutex::new((Answers::Published, Value::Null))),
            asked: Arc::default(),
        };
        let (answers, asked) = (provider.answers.clone(), provider.asked.clone());
        let description = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys")});
        let whole = description.clone();
        let describe = {
            let answers = answers.clone();
            move || async move {
                asked.fetch_add(1, Ordering::SeqCst);
                let (now, _) = answers.lock().expect("unpoisoned").clone();
                match now {
                    Answers::Published | Answers::Odd("keys", _) => axum::Json(description).into_response(),
                    Answers::Odd(_, text) => text.into_response(),
                    other => answer(other).await,
                }
            }
        };
        // Keys are there whatever the description says: nothing but the rule keeps anybody from them.
        let keys = move || async move {
            let (now, keys) = answers.lock().expect("unpoisoned").clone();
            match now {
                Answers::Odd("keys", text) => text.into_response(),
                _ => axum::Json(keys).into_response(),
            }
        };
        let routes = Router::new()
            .route("/realm/.well-known/openid-configuration", get(describe))
            .route("/realm/elsewhere", get(move || async move { axum::Json(whole) }))
            .route("/realm/keys", get(keys));
        tokio::spawn(axum::serve(listener, routes).into_future());
        provider.publish(signers);
        provider
    }

    /// Has these keys from now on.
    pub fn publish(&self, signers: &[&Signer]) {
        let keys: Vec<Value> = signers.iter().map(|signer| signer.published()).collect();
        self.publish_all(json!({"keys": keys}));
    }

    /// Has this set of keys from now on.
    pub fn publish_all(&self, keys: Value) {
        *self.answers.lock().expect("unpoisoned") = (Answers::Published, keys);
    }

    pub fn answer(&self, answers: Answers) {
        self.answers.lock().expect("unpoisoned").0 = answers;
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// What an operator says of it.
    pub fn settings(&self) -> OidcSettings {
        OidcSettings {
            issuer: self.issuer.clone(),
            audience: AUDIENCE.into(),
            role_claim: "roles".into(),
            roles: [Role::Admin, Role::Custodian, Role::Analyst]
                .map(|role| (role, vec![format!("our-{}", role.word())])),
            tenant_claim: None,
            algorithms: ["RS256", "ES256", "EdDSA"].map(String::from).into(),
        }
    }

    /// What a server is given.
    pub fn oidc(&self, settings: OidcSettings, times: OidcTimes) -> Oidc {
        // Clients want a provider of cryptography.
        let _ = client();
        Oidc::new(settings, times).expect("settings")
    }

    /// Good claims of an analyst.
    pub fn claims(&self) -> Value {
        json!({"iss": self.issuer, "sub": "4711", "aud": AUDIENCE, "exp": now() + 300, "iat": now(),
               "roles": ["our-analyst", "of no meaning"], "tenant": "ward"})
    }
}

async fn answer(answers: Answers) -> Response {
    match answers {
        Answers::Status(status @ 300..400) => {
            // Where it leads to is as good as can be.
            let status = StatusCode::from_u16(status).expect("a status");
            (status, [(header::LOCATION, "/realm/elsewhere")]).into_response()
        }
        Answers::Status(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Answers::Slow(time) => {
            tokio::time::sleep(time).await;
            StatusCode::OK.into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
