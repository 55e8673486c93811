//! Certificates: what is signed is what is read, whatever was changed is refused, and a right signature makes no lie true.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dp2stage::privacy::{
    ArtifactDigests, Book, Certificate, CertificateFault, Charge, DatasetFacts, Envelope, EnvelopeFault, JobFacts, Jwk,
    PersonFacts, PublicKey, ReportCharges, SigningKey, Work, digest_of_json, epsilon_of,
};
use serde_json::{Value, json};
use time::macros::datetime;
use uuid::Uuid;

use super::ledger::{Writer, gaussian, grant, training, training_job};
use crate::support::scratch;

fn key(byte: u8) -> SigningKey {
    SigningKey::from_seed(&[byte; 32])
}

/// Three jobs on one ledger: the exact first plan, a measurement with training, and one that is charged block by block.
fn book() -> Book {
    let mut writer = Writer::new(grant(8.0, 1e-6));
    writer.job(1, &training_job());
    writer.job(2, &Work { opening: Some(gaussian(0.05)), ..training_job() });
    writer.job(3, &Work { opening: None, block: training(0.2, 8.0, 20), blocks: 1, spare_blocks: 2 });
    writer.book
}

fn certificate(book: &Book, job: u128, key: &SigningKey) -> Certificate {
    let charge = Charge::of(book, Uuid::from_u128(job)).unwrap();
    let epsilon = epsilon_of(&charge.event, charge.planned.delta).unwrap();
    let dataset = DatasetFacts { id: Uuid::from_u128(70), name: "ward".into(), public: false, rows_declared: 1000 };
    let times = (datetime!(2026-11-26 06:00:00.25 UTC), datetime!(2026-11-26 07:00:00 UTC));
    let program = Some("0.1.0".to_owned());
    let job = JobFacts { id: Uuid::from_u128(job), dataset, rows: 500, finished_at: times.0, program };
    let person = PersonFacts { column: "patient".into(), max_rows: 3, persons_declared: 400 };
    let artifacts = ArtifactDigests { schema: "ab".repeat(32), model: Some("cd".repeat(32)), ..Default::default() };
    let reports = ReportCharges { released_epsilon: 0.0, exact_for_custodian: true };
    Certificate::new((&key.public(), "0.1.0", times.1), job, (charge, epsilon, Some(person)), artifacts, reports)
}

fn sealed(certificate: &Certificate, key: &SigningKey) -> Envelope {
    Envelope::sign(&serde_json::to_vec(certificate).unwrap(), key)
}

/// Reads an envelope as `dp2stage verify` does, with the ledger.
fn verified(envelope: &Envelope, key: &SigningKey, book: &Book) -> Result<Certificate, CertificateFault> {
    let certificate = Certificate::open(envelope, &[key.public()])?;
    certificate.check()?;
    certificate.check_ledger(book)?;
    Ok(certificate)
}

#[test]
fn a_certificate_is_read_back_and_holds() {
    let (book, key) = (book(), key(7));
    for job in 1..=3 {
        let made = certificate(&book, job, &key);
        let envelope = sealed(&made, &key);
        let text = serde_json::to_string(&envelope).unwrap();
        let read = verified(&serde_json::from_str(&text).unwrap(), &key, &book).unwrap();
        assert_eq!(read, made, "nothing is lost on the way, floats included");
        assert_eq!(sealed(&made, &key), envelope, "a signature has no randomness");
    }
    let blocks = certificate(&book, 3, &key).mechanism.steps.unwrap();
    assert_eq!((blocks.executed, blocks.reserved, blocks.charged), (20, 60, 20), "what was handed back is not charged");
    let whole = certificate(&book, 2, &key);
    assert_eq!(whole.mechanism.steps.unwrap().charged, 21 * 50, "spare blocks are charged with the whole");
    // Lines that come later change nothing: the ledger after the job is a prefix.
    let short = Book::new(book.population, book.entries[..whole.ledger.entry as usize].to_vec());
    assert_eq!(certificate(&short, 2, &key), whole);
    whole.check_ledger(&short).unwrap();
    let shorter = Book::new(book.population, book.entries[..whole.ledger.entry as usize - 1].to_vec());
    assert!(whole.check_ledger(&shorter).is_err(), "a ledger from before the charge");
}

/// Every leaf of a document, each changed in turn.
fn mutated(document: &Value) -> Vec<(String, Value)> {
    let leaves = |path: String, changed: Vec<(String, Value)>| {
        changed.into_iter().map(move |(rest, value)| (format!("{path}{rest}"), value)).collect::<Vec<_>>()
    };
    match document {
        Value::Object(members) => {
            let each = members.iter().flat_map(|(name, value)| {
                let inside = mutated(value).into_iter().map(|(rest, value)| {
                    let mut document = members.clone();
                    document[name] = value;
                    (rest, Value::Object(document))
                });
                let mut without = members.clone();
                without.remove(name);
                let gone = (" is gone".to_owned(), Value::Object(without));
                leaves(format!("/{name}"), inside.chain([gone]).collect())
            });
            let mut with = members.clone();
            with.insert("unknown".into(), json!(1));
            each.chain([(" with another member".to_owned(), Value::Object(with))]).collect()
        }
        Value::Array(items) => {
            let each = items.iter().enumerate().flat_map(|(i, value)| {
                let inside = mutated(value).into_iter().map(|(rest, value)| {
                    let mut document = items.clone();
                    document[i] = value;
                    (rest, Value::Array(document))
                });
                leaves(format!("/{i}"), inside.collect())
            });
            let twice = items.iter().cloned().chain(items.first().cloned()).collect();
            each.chain([(" with one more".to_owned(), Value::Array(twice))]).collect()
        }
        Value::String(text) => {
            let changed = match text.strip_suffix('0') {
                Some(rest) => format!("{rest}1"),
                None => format!("{}0", &text[..text.len().saturating_sub(1)]),
            };
            vec![(String::new(), json!(changed))]
        }
        Value::Number(number) => match number.as_i64() {
            Some(whole) => vec![(String::new(), json!(whole + 1)), (String::new(), json!(whole - 1))],
            None => {
                let real = number.as_f64().unwrap();
                vec![(String::new(), json!(real * (1.0 + 1e-3))), (String::new(), json!(real * (1.0 - 1e-3)))]
            }
        },
        Value::Bool(flag) => vec![(String::new(), json!(!flag))],
        Value::Null => vec![(String::new(), json!("something"))],
    }
}

#[test]
fn any_change_of_any_leaf_is_refused() {
    let (book, key) = (book(), key(7));
    let envelope = sealed(&certificate(&book, 2, &key), &key);
    let payload: Value = serde_json::from_slice(&envelope.unchecked().unwrap()).unwrap();
    let changes = mutated(&payload);
    assert!(changes.len() > 100, "{}", changes.len());
    for (what, changed) in changes {
        let changed = Envelope { payload: STANDARD.encode(changed.to_string()), ..envelope.clone() };
        let fault = Certificate::open(&changed, &[key.public()]).unwrap_err();
        assert_eq!(fault, CertificateFault::Envelope(EnvelopeFault::Signature), "{what}");
    }
    // The same content in other bytes is another payload.
    let spaced = Envelope { payload: STANDARD.encode(payload.to_string() + " "), ..envelope.clone() };
    assert!(spaced.open(&[key.public()]).is_err());
    for (what, changed) in mutated(&serde_json::to_value(&envelope).unwrap()) {
        let opened = serde_json::from_value::<Envelope>(changed).ok().map(|e| Certificate::open(&e, &[key.public()]));
        assert!(!matches!(opened, Some(Ok(_))), "{what}");
    }
    let signature = STANDARD.decode(&envelope.signatures[0].sig).unwrap();
    for bit in 0..signature.len() * 8 {
        let mut flipped = signature.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let mut changed = envelope.clone();
        changed.signatures[0].sig = STANDARD.encode(flipped);
        assert_eq!(changed.open(&[key.public()]), Err(EnvelopeFault::Signature), "bit {bit}");
    }
}

/// What was changed before it was signed: a right key makes no lie true.
#[test]
fn a_lie_under_a_right_key_is_refused() {
    let (book, key) = (book(), key(7));
    let mut told = 0;
    for job in 1..=3 {
        let payload = serde_json::to_value(certificate(&book, job, &key)).unwrap();
        for (what, changed) in mutated(&payload) {
            let provable = ["/guarantee/", "/ledger", "/mechanism", "/issuer/", "/form", "/version", "/job/id"];
            // What is declared about persons is in no ledger; more than the accountant's epsilon is no lie.
            let free = what.starts_with("/guarantee/person") || !provable.iter().any(|p| what.starts_with(p));
            let over = what == "/guarantee/epsilon"
                && changed["guarantee"]["epsilon"].as_f64() > payload["guarantee"]["epsilon"].as_f64();
            if free || over {
                continue;
            }
            let envelope = Envelope::sign(changed.to_string().as_bytes(), &key);
            let verdict = verified(&envelope, &key, &book);
            assert!(verdict.is_err(), "job {job}: {what} was believed");
            told += 1;
        }
    }
    assert!(told > 200, "{told}");

    let honest = certificate(&book, 2, &key);
    let mut lying = honest.clone();
    lying.guarantee.epsilon = honest.guarantee.epsilon * 0.99;
    match lying.check() {
        Err(CertificateFault::Epsilon { stated, found, .. }) => assert!(found > stated && stated > 0.0),
        other => panic!("{other:?}"),
    }
    lying.guarantee.epsilon = f64::NAN;
    assert!(lying.check().is_err());
    for bought in [-0.1, f64::NAN, honest.guarantee.epsilon_planned.get(), 1e9] {
        let mut lying = honest.clone();
        lying.reports.released_epsilon = bought;
        assert!(
            matches!(lying.check(), Err(CertificateFault::Contradiction(what)) if what.contains("figures")),
            "{bought}"
        );
    }
    let other_people = Book::new(Uuid::from_u128(8), book.entries.clone());
    assert!(honest.check_ledger(&other_people).is_err());
}

/// Whoever has another key signs nothing in this one's name.
#[test]
fn other_keys_do_not_count() {
    let (book, mine, other) = (book(), key(7), key(8));
    let foreign = sealed(&certificate(&book, 1, &other), &other);
    assert_eq!(foreign.open(&[mine.public()]), Err(EnvelopeFault::Key));
    let mut renamed = foreign.clone();
    renamed.signatures[0].keyid = mine.public().id();
    assert_eq!(renamed.open(&[mine.public()]), Err(EnvelopeFault::Signature));
    // In the name of another issuer, by one whose key is accepted.
    let borrowed = sealed(&certificate(&book, 1, &mine), &other);
    let keys = [mine.public(), other.public()];
    assert_eq!(Certificate::open(&borrowed, &keys).unwrap_err(), CertificateFault::Issuer);
    // An old key goes on counting beside a new one.
    let keys = [key(9).public(), other.public()];
    assert!(Certificate::open(&foreign, &keys).is_ok());
}

/// The vectors of RFC 8032, section 7.1: secret key, public key, message, signature.
const VECTORS: [[&str; 4]; 3] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
];

#[test]
fn signatures_are_those_of_the_standard() {
    for [secret, public, message, signature] in VECTORS {
        let key = SigningKey::from_seed(&hex::decode(secret).unwrap().try_into().unwrap());
        let message = hex::decode(message).unwrap();
        assert_eq!(hex::encode(key.public().as_bytes()), public);
        assert_eq!(hex::encode(key.sign(&message)), signature);
        assert!(key.public().verifies(&message, &hex::decode(signature).unwrap()));
    }
    // RFC 8037, appendix A.3: the thumbprint of the first of these keys.
    let first = PublicKey::all_of(VECTORS[0][1]).unwrap()[0];
    assert_eq!(first.id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(Jwk::of(&first).x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    // Under a key of small order everything has a signature.
    assert!(!PublicKey::from_bytes([0; 32]).verifies(b"anything", &[0; 64]));
    assert_eq!(digest_of_json(&json!({"b": 1.5, "a": []})), digest_of_json(&json!({"a": [], "b": 1.5})));
}

/// Two other implementations read what is signed: ring (by way of rustls), and OpenSSL where it is installed.
#[test]
fn other_programs_verify_a_certificate() {
    let (book, key) = (book(), key(7));
    let envelope = sealed(&certificate(&book, 2, &key), &key);
    let payload = STANDARD.decode(&envelope.payload).unwrap();
    let kind = "application/vnd.dp2stage.certificate+json";
    let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    message.extend(&payload);
    let signature = STANDARD.decode(&envelope.signatures[0].sig).unwrap();

    let known = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    let ed25519 = known.mapping.iter().find(|(scheme, _)| *scheme == rustls::SignatureScheme::ED25519).unwrap().1[0];
    ed25519.verify_signature(key.public().as_bytes(), &message, &signature).expect("ring agrees");
    let mut changed = message.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert!(ed25519.verify_signature(key.public().as_bytes(), &changed, &signature).is_err());

    let folder = scratch();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    file("key.pem", key.public().to_pem().as_bytes());
    file("message", &message);
    file("signature", &signature);
    let arguments = "pkeyutl -verify -rawin -pubin -inkey key.pem -in message -sigfile signature";
    let Ok(output) = Command::new("openssl").args(arguments.split(' ')).current_dir(folder.path()).output() else {
        return println!("openssl is not installed");
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("Verified Successfully"), "{said}");
    // And the other way: a key that it made signs here.
    let made = Command::new("openssl").args(["genpkey", "-algorithm", "ed25519"]).output().unwrap();
    let text = String::from_utf8(made.stdout).unwrap();
    assert_eq!(SigningKey::from_pem(&text).unwrap().to_pem(), text);
}

#[test]
fn a_key_may_be_written_in_many_ways() {
    let key = key(3).public();
    let jwk = serde_json::to_value(Jwk::of(&key)).unwrap();
    let set = json!({"keys": [serde_json::to_value(Jwk::of(&self::key(4).public())).unwrap(), jwk]});
    let ways = [key.to_base64(), hex::encode(key.as_bytes()), key.to_pem(), jwk.to_string(), Jwk::of(&key).x];
    for way in ways {
        assert_eq!(PublicKey::all_of(&way).unwrap(), [key], "{way}");
    }
    assert_eq!(PublicKey::all_of(&set.to_string()).unwrap()[1], key);
    let mut foreign = jwk.clone();
    foreign["crv"] = json!("X25519");
    for bad in ["", "x", "{}", &key.to_base64()[1..], &key.to_pem()[..50], &foreign.to_string()] {
        assert!(PublicKey::all_of(bad).is_err(), "{bad}");
    }
}
