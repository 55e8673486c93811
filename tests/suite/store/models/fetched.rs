//! Downloads: cut off, resumed, wrong, refused, sent elsewhere.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use dp2stage::model::Digest;
use dp2stage::store::models::{Declaration, Hub, ModelsError, Standing};

use super::hub::{Act, TestHub};
use super::{REVISION, WHOLE, files, models, repository};
use crate::support::scratch;

const WEIGHTS: &str = "model.safetensors";

/// A hub, a state folder, and where the small model lies in it.
async fn start() -> (TestHub, tempfile::TempDir, PathBuf) {
    let (hub, state) = (TestHub::start().await, scratch());
    let folder = state.path().join("models/small").join(REVISION);
    (hub, state, folder)
}

#[tokio::test]
async fn what_was_fetched_is_loaded_and_not_fetched_again() {
    let (hub, state, folder) = start().await;
    let small = models(state.path(), repository(&WHOLE), hub.hub());
    assert!(matches!(small.load("small"), Err(ModelsError::NotHere { .. })));
    assert_eq!(small.fetch("small").await.unwrap(), WHOLE);
    let model = small.load("small").unwrap();
    assert_eq!(model.tokenizer.vocabulary(), 400);
    let description = small.describe("small").unwrap();
    assert_eq!(description.config, model.config);
    assert_eq!(description.files[WEIGHTS], Digest::of(&files()[WEIGHTS]));
    assert_eq!(small.load_described(&description).unwrap().weights, model.weights);
    assert!(small.fetch("small").await.unwrap().is_empty());
    assert_eq!(hub.seen().len(), 3);
    let names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(small.list()[0].files.iter().all(|file| file.standing == Standing::Here && file.bytes > 0));
}

#[tokio::test]
async fn a_cut_connection_is_taken_up_where_it_broke() {
    let (hub, state, _) = start().await;
    hub.will(WEIGHTS, Act::Break(1000));
    hub.will(WEIGHTS, Act::Break(500));
    let small = models(state.path(), repository(&WHOLE), hub.hub());
    small.fetch("small").await.unwrap();
    let ranges = hub.ranges(WEIGHTS);
    assert_eq!(ranges, [None, Some("bytes=1000-".into()), Some("bytes=1500-".into())]);
    small.load("small").unwrap();
}

#[tokio::test]
async fn what_an_earlier_process_left_is_taken_up() {
    let (hub, state, folder) = start().await;
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("model.safetensors.part"), &files()[WEIGHTS][..700]).unwrap();
    std::fs::write(folder.join("tokenizer.json.part"), &files()["tokenizer.json"]).unwrap();
    let small = models(state.path(), repository(&WHOLE), hub.hub());
    small.fetch("small").await.unwrap();
    assert_eq!(hub.ranges(WEIGHTS), [Some("bytes=700-".into())]);
    assert!(hub.ranges("tokenizer.json").is_empty(), "it was complete");
    small.load("small").unwrap();
}

#[tokio::test]
async fn servers_without_ranges_or_with_other_ones_do_not_spoil_a_file() {
    for act in [Act::Whole, Act::Piece(3), Act::Status(416)] {
        let (hub, state, _) = start().await;
        hub.will(WEIGHTS, Act::Break(1000));
        hub.will(WEIGHTS, act);
        let small = models(state.path(), repository(&WHOLE), hub.hub());
        small.fetch("small").await.unwrap();
        small.load("small").unwrap();
    }
}

#[tokio::test]
async fn wrong_bytes_are_removed_and_named() {
    let (hub, state, folder) = start().await;
    let small = models(state.path(), repository(&WHOLE), hub.hub());
    hub.will(WEIGHTS, Act::Turned);
    let refused = small.fetch("small").await.unwrap_err();
    assert!(
        matches!(&refused, ModelsError::Sent { file, wanted, .. }
        if *file == WEIGHTS && *wanted == Digest::of(&files()[WEIGHTS])),
        "{refused}"
    );
    assert!(!folder.join(WEIGHTS).exists() && !folder.join("model.safetensors.part").exists());
    assert!(matches!(small.load("small"), Err(ModelsError::NotHere { .. })));
    // A beginning of something else, kept by an earlier attempt.
    std::fs::write(folder.join("model.safetensors.part"), vec![7; 300]).unwrap();
    assert!(matches!(small.fetch("small").await, Err(ModelsError::Sent { .. })));
    assert_eq!(small.fetch("small").await.unwrap(), [WEIGHTS, "tokenizer.json"]);
    small.load("small").unwrap();
}

#[tokio::test]
async fn refusals_say_what_can_be_done() {
    let (hub, state, folder) = start().await;
    let small = models(state.path(), repository(&WHOLE), hub.hub());
    for (code, words) in [(401, "HF_TOKEN"), (403, "HF_TOKEN"), (404, "revision")] {
        hub.will("config.json", Act::Status(code));
        let refused = small.fetch("small").await.unwrap_err().to_string();
        assert!(refused.contains(words) && !refused.contains("a-secret"), "{refused}");
    }
    assert_eq!(hub.seen().len(), 3, "what is refused is not tried again");
    hub.will("config.json", Act::Status(503));
    hub.will("config.json", Act::Status(429));
    small.fetch("small").await.unwrap();
    let gone = Hub { endpoint: "http://127.0.0.1:1".into(), ..hub.hub() };
    let nowhere = scratch();
    let refused = models(nowhere.path(), repository(&WHOLE), gone).fetch("small").await.unwrap_err();
    assert!(matches!(refused, ModelsError::Unreachable { .. }));
    let place = nowhere.path().join(folder.strip_prefix(state.path()).unwrap());
    assert!(refused.to_string().contains(&place.display().to_string()), "{refused}");
}

#[tokio::test]
async fn the_token_goes_to_the_endpoint_alone() {
    let ((hub, state, _), elsewhere) = (start().await, TestHub::start().await);
    hub.will(WEIGHTS, Act::Redirect(format!("{}/elsewhere/{WEIGHTS}?signed=yes", elsewhere.endpoint)));
    hub.will("config.json", Act::Redirect("/elsewhere/config.json".into()));
    let small = models(state.path(), repository(&WHOLE), hub.hub());
    small.fetch("small").await.unwrap();
    small.load("small").unwrap();
    assert!(hub.seen().iter().all(|seen| seen.token.as_deref() == Some("Bearer a-secret")));
    assert_eq!(elsewhere.seen().len(), 1);
    assert_eq!(elsewhere.seen()[0].token, None);
}

#[tokio::test]
async fn a_file_larger_than_its_kind_is_not_taken() {
    let (hub, state, folder) = start().await;
    hub.will("config.json", Act::Zeros((1 << 20) + 1));
    let small = models(state.path(), repository(&WHOLE), hub.hub());
    assert!(matches!(small.fetch("small").await, Err(ModelsError::TooLarge { .. })));
    assert_eq!(std::fs::metadata(folder.join("config.json.part")).unwrap().len(), 0);
}

#[tokio::test]
async fn nothing_is_loaded_without_a_digest() {
    let (hub, state, _) = start().await;
    let some = repository(&["config.json", "vocab.json"]);
    let small = models(state.path(), some.clone(), hub.hub());
    let unpinned = |result: Result<(), ModelsError>| {
        let refused = result.unwrap_err();
        assert!(matches!(refused, ModelsError::Unpinned { .. }) && refused.to_string().contains("models pin small"));
    };
    unpinned(small.fetch("small").await.map(drop));
    assert!(hub.seen().is_empty());
    let digests = small.pin("small").await.unwrap();
    assert_eq!(digests.len(), 4);
    unpinned(small.load("small").map(drop));
    unpinned(small.describe("small").map(drop));
    let pinned = models(state.path(), Declaration { files: digests, ..some }, hub.hub());
    assert!(pinned.fetch("small").await.unwrap().is_empty());
    pinned.load("small").unwrap();
    assert_eq!(hub.seen().len(), 4);
}

#[tokio::test]
async fn two_at_once_fetch_each_file_once() {
    let (hub, state, _) = start().await;
    let (one, other) =
        (models(state.path(), repository(&WHOLE), hub.hub()), models(state.path(), repository(&WHOLE), hub.hub()));
    let (one, other) = tokio::join!(one.fetch("small"), other.fetch("small"));
    one.unwrap();
    other.unwrap();
    let mut files: Vec<String> = hub.seen().into_iter().map(|seen| seen.file).collect();
    files.sort_unstable();
    assert_eq!(files, WHOLE);
}
