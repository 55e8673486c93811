//! Declarations, folders, the cache of other programs, and models that changed under a plan.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use dp2stage::model::{Digest, ReadyMadeError, TokenizerError, WeightsError};
use dp2stage::store::models::{Declaration, Hub, Models, ModelsError, Standing, known_models};

use super::{REVISION, WHOLE, files, models, offline, put, repository};
use crate::support::scratch;

fn folder(folder: PathBuf) -> Declaration {
    Declaration { folder: Some(folder), ..Declaration::default() }
}

#[test]
fn a_folder_needs_no_digests_and_no_network() {
    for tokenizer in [&["tokenizer.json"][..], &["vocab.json", "merges.txt"]] {
        let state = scratch();
        put(state.path(), &["config.json", "model.safetensors"]);
        let small = models(state.path(), folder(state.path().to_owned()), offline());
        assert!(matches!(small.load("small"), Err(ModelsError::NotInFolder { file, .. }) if file == "tokenizer.json"));
        put(state.path(), tokenizer);
        let description = small.describe("small").unwrap();
        assert_eq!(description.files.len(), 2 + tokenizer.len());
        small.load("small").unwrap();
        small.load_described(&description).unwrap();
        assert!(small.list()[0].files.iter().all(|file| file.standing == Standing::Trusted));
    }
}

#[test]
fn a_model_that_changed_under_a_plan_is_not_loaded() {
    let state = scratch();
    put(state.path(), &WHOLE);
    let small = models(state.path(), folder(state.path().to_owned()), offline());
    let description = small.describe("small").unwrap();
    let mut weights = files()["model.safetensors"].clone();
    *weights.last_mut().unwrap() ^= 1;
    std::fs::write(state.path().join("model.safetensors"), &weights).unwrap();
    small.load("small").unwrap();
    let changed = small.load_described(&description);
    assert!(matches!(changed, Err(ModelsError::Changed { file, .. }) if file == "model.safetensors"));
    assert_eq!(small.describe("small").unwrap().files["model.safetensors"], Digest::of(&weights));
}

#[test]
fn a_declared_digest_holds_in_a_folder_too() {
    let state = scratch();
    put(state.path(), &WHOLE);
    let declared = Declaration { files: repository(&WHOLE).files, ..folder(state.path().to_owned()) };
    let small = models(state.path(), declared, offline());
    small.load("small").unwrap();
    std::fs::write(state.path().join("config.json"), b"{}").unwrap();
    assert!(matches!(small.load("small"), Err(ModelsError::Digest { .. })));
    assert!(matches!(small.describe("small"), Err(ModelsError::Digest { .. })));
    assert_eq!(small.list()[0].files[0].standing, Standing::Wrong);
}

#[test]
fn faults_of_checkpoints_are_named() {
    let state = scratch();
    put(state.path(), &["config.json", "tokenizer.json"]);
    let small = models(state.path(), folder(state.path().to_owned()), offline());
    std::fs::write(state.path().join("pytorch_model.bin"), b"PK\x03\x04").unwrap();
    let checkpoint = |what: fn(&ReadyMadeError) -> bool| {
        let refused = small.load("small").unwrap_err();
        assert!(matches!(&refused, ModelsError::Checkpoint { source, .. } if what(source)), "{refused}");
    };
    checkpoint(|e| matches!(e, ReadyMadeError::Weights(WeightsError::Pickle)));
    std::fs::write(state.path().join("model.safetensors"), b"PK\x03\x04").unwrap();
    checkpoint(|e| matches!(e, ReadyMadeError::Weights(WeightsError::Pickle)));
    put(state.path(), &["model.safetensors"]);
    small.load("small").unwrap();
    std::fs::write(state.path().join("tokenizer.json"), b"{}").unwrap();
    checkpoint(|e| matches!(e, ReadyMadeError::Tokenizer(TokenizerError::Format(_))));
}

#[tokio::test]
async fn without_a_network_files_may_be_put_by_hand() {
    let state = scratch();
    let small = models(state.path(), repository(&WHOLE), offline());
    let place = state.path().join("models/small").join(REVISION);
    let refused = small.fetch("small").await.unwrap_err().to_string();
    assert!(refused.contains("HF_HUB_OFFLINE") && refused.contains(&place.display().to_string()), "{refused}");
    put(&place, &WHOLE);
    assert!(small.fetch("small").await.unwrap().is_empty());
    small.load("small").unwrap();
}

#[test]
fn the_cache_of_other_programs_is_read_where_it_is_right() {
    let (state, cache) = (scratch(), scratch());
    let snapshot = cache.path().join("models--somebody--small/snapshots").join(REVISION);
    put(&snapshot, &WHOLE);
    let hub = Hub { cache: Some(cache.path().to_owned()), ..offline() };
    let small = models(state.path(), repository(&WHOLE), hub);
    small.load("small").unwrap();
    assert!(small.list()[0].files.iter().all(|file| file.standing == Standing::Here));
    std::fs::write(snapshot.join("config.json"), b"{}").unwrap();
    assert!(matches!(small.load("small"), Err(ModelsError::NotHere { file, .. }) if file == "config.json"));
}

#[test]
fn declarations_that_leave_something_open_are_refused() {
    let state = scratch();
    let sound = repository(&WHOLE);
    let refused = |name: &str, declaration: Declaration| {
        let made = Models::new(state.path(), &[(name.to_owned(), declaration)].into(), offline());
        assert!(matches!(made, Err(ModelsError::Declaration { .. })), "{name}");
    };
    assert!(Models::new(state.path(), &[("a.b_c-1".to_owned(), sound.clone())].into(), offline()).is_ok());
    for name in ["", "..", "a/b", ".hidden", "a b"] {
        refused(name, sound.clone());
    }
    for repository in ["a/b/c", "../b", "a/", "a b/c", "a?b"] {
        refused("small", Declaration { repository: Some(repository.into()), ..sound.clone() });
    }
    for revision in [None, Some("main".to_owned()), Some("0123abc".into()), Some("g".repeat(40))] {
        refused("small", Declaration { revision, ..sound.clone() });
    }
    refused("small", Declaration { repository: None, ..sound.clone() });
    let odd = BTreeMap::from([("model.bin".to_owned(), Digest::of(b""))]);
    refused("small", Declaration { files: odd, ..sound.clone() });
    let unknown = models(state.path(), sound, offline()).load("gpt3").unwrap_err();
    assert!(matches!(&unknown, ModelsError::Unknown { known, .. } if known == "small"), "{unknown}");
}

/// The pins of the models that are known must all be there: one that does not parse would be lost.
#[test]
fn known_models_are_pinned_whole() {
    let known = known_models();
    assert_eq!(known.keys().collect::<Vec<_>>(), ["distilgpt2", "gpt2"]);
    for declaration in known.values() {
        assert_eq!(declaration.files.keys().collect::<Vec<_>>(), WHOLE.iter().collect::<Vec<_>>());
    }
    let state = scratch();
    let models = Models::new(state.path(), &known, offline()).unwrap();
    for model in models.list() {
        assert!(model.files.iter().all(|file| file.standing == Standing::Missing));
    }
}

#[test]
fn the_variables_of_other_programs_are_honoured() {
    let hub = |given: &[(&str, &str)]| {
        let given: HashMap<String, String> =
            given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Hub::from_variables(|name| given.get(name).cloned())
    };
    let plain = hub(&[("HOME", "/home/me"), ("HF_TOKEN", ""), ("HF_HUB_OFFLINE", "0")]);
    assert_eq!(plain.endpoint, "https://huggingface.co");
    assert_eq!(plain.cache, Some("/home/me/.cache/huggingface/hub".into()));
    assert!(!plain.offline && plain.token.is_none());
    let set =
        hub(&[("HF_ENDPOINT", "https://mirror/"), ("HF_HOME", "/hf"), ("HF_HUB_OFFLINE", "1"), ("HF_TOKEN", "s3cret")]);
    assert_eq!((set.endpoint.as_str(), set.cache.clone()), ("https://mirror", Some("/hf/hub".into())));
    assert!(set.offline && set.token.is_some());
    assert!(!format!("{set:?}").contains("s3cret"));
    assert_eq!(hub(&[("HF_HUB_CACHE", "/c"), ("HF_HOME", "/hf")]).cache, Some("/c".into()));
}
