//! Byte-level BPE against Hugging Face's GPT2TokenizerFast (`tests/fixtures/tokenizer/make.py`), and files
//! that are no tokenizer.

use dp2stage::model::{Config, Tokenizer, TokenizerError};
use proptest::prelude::*;
use serde_json::{Value, json};

pub const JSON: &[u8] = include_bytes!("../../fixtures/tokenizer/tokenizer.json");
pub const VOCABULARY: &[u8] = include_bytes!("../../fixtures/tokenizer/vocab.json");
pub const MERGES: &[u8] = include_bytes!("../../fixtures/tokenizer/merges.txt");

fn both() -> [Tokenizer; 2] {
    [Tokenizer::from_json(JSON).unwrap(), Tokenizer::from_vocabulary(VOCABULARY, MERGES).unwrap()]
}

#[test]
fn ids_equal_transformers() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../../fixtures/tokenizer/expected.json")).unwrap();
    assert!(cases.len() > 200);
    for tokenizer in both() {
        assert_eq!(tokenizer.vocabulary(), 400);
        for case in &cases {
            let text = case["text"].as_str().unwrap();
            let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
            assert_eq!(tokenizer.encode(text).unwrap(), ids, "{text:?}");
            assert_eq!(tokenizer.decode(&ids).as_deref(), Some(text));
        }
    }
}

proptest! {
    #[test]
    fn every_text_comes_back(text in "\\PC{0,60}|[ \\t\\n\\ra-z0-9']{0,80}|(?s:.{0,40})") {
        let tokenizer = Tokenizer::from_json(JSON).unwrap();
        let ids = tokenizer.encode(&text).unwrap();
        prop_assert!(ids.iter().all(|&id| (id as usize) < tokenizer.vocabulary()));
        prop_assert_eq!(tokenizer.decode(&ids), Some(text));
    }
}

/// A cell cannot end a row by saying so.
#[test]
fn the_name_of_a_special_token_is_text() {
    for tokenizer in both() {
        let ids = tokenizer.encode("<|endoftext|>").unwrap();
        assert!(ids.len() > 1 && !ids.contains(&0), "{ids:?}");
        assert_eq!(tokenizer.piece(0), Some(&b"<|endoftext|>"[..]));
    }
}

#[test]
fn what_spells_no_text_has_none() {
    let [tokenizer, _] = both();
    let half: Vec<u32> = tokenizer.encode("é").unwrap();
    assert_eq!(tokenizer.decode(&half[..half.len() - 1]), (half.len() == 1).then(String::new));
    let byte = (0..400).find(|&id| tokenizer.piece(id) == Some(&[0xff])).unwrap();
    assert_eq!(tokenizer.decode(&[byte]), None);
    assert_eq!(tokenizer.decode(&[400]), None);
}

/// `tokenizer.json` with a change.
fn changed(change: impl Fn(&mut Value)) -> Result<Tokenizer, TokenizerError> {
    let mut json: Value = serde_json::from_slice(JSON).unwrap();
    change(&mut json);
    Tokenizer::from_json(json.to_string().as_bytes())
}

#[test]
fn other_kinds_are_refused_by_name() {
    assert!(changed(|_| {}).is_ok());
    let kinds: [(&str, Value, &str); 7] = [
        ("/model/dropout", json!(0.1), "random"),
        ("/model/end_of_word_suffix", json!("</w>"), "ends of words"),
        ("/model/continuing_subword_prefix", json!("##"), "ends of words"),
        ("/normalizer", json!({"type": "Lowercase"}), "changes the text"),
        ("/pre_tokenizer/add_prefix_space", json!(true), "space before"),
        ("/pre_tokenizer", json!({"type": "Whitespace"}), "cut bytes"),
        ("/pre_tokenizer", Value::Null, "cut bytes"),
    ];
    for (at, value, words) in kinds {
        let refused = changed(|json| *json.pointer_mut(at).unwrap() = value.clone()).unwrap_err();
        assert!(refused.to_string().contains(words), "{at}: {refused}");
    }
    let swallows = |json: &mut Value| {
        json["added_tokens"][0]["special"] = json!(false);
        json["added_tokens"][0]["lstrip"] = json!(true);
    };
    assert!(matches!(changed(swallows), Err(TokenizerError::Kind(_))));
    let words = |json: &mut Value| {
        json["model"] = json!({"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"});
    };
    assert!(matches!(changed(words), Err(TokenizerError::Kind(_))));
}

#[test]
fn damaged_files_are_refused_by_name() {
    for bytes in [&b""[..], b"{}", b"\xff", &JSON[..JSON.len() / 2]] {
        assert!(matches!(Tokenizer::from_json(bytes), Err(TokenizerError::Format(_))));
    }
    assert!(matches!(Tokenizer::from_vocabulary(b"[]", MERGES), Err(TokenizerError::Format(_))));
    assert!(matches!(Tokenizer::from_vocabulary(VOCABULARY, b"\xff\xfe"), Err(TokenizerError::Format(_))));
    assert!(matches!(Tokenizer::from_vocabulary(VOCABULARY, b"ab"), Err(TokenizerError::Kind(_))));
    let foreign = Tokenizer::from_vocabulary(VOCABULARY, "q zz\n".as_bytes());
    assert!(matches!(foreign, Err(TokenizerError::Format(_))));
    let ids = |change: fn(&mut Value)| {
        let mut json: Value = serde_json::from_slice(VOCABULARY).unwrap();
        change(&mut json);
        Tokenizer::from_vocabulary(json.to_string().as_bytes(), b"")
    };
    assert!(matches!(ids(|v| drop(v.as_object_mut().unwrap().remove("A"))), Err(TokenizerError::Byte(b'A'))));
    assert!(matches!(ids(|v| v["A"] = v["B"].clone()), Err(TokenizerError::Id(_))));
    assert!(matches!(ids(|v| v["A"] = json!(u32::MAX)), Err(TokenizerError::Id(u32::MAX))));
}

/// Padding and truncation are habits of batches, not of a text.
#[test]
fn texts_are_neither_cut_nor_filled_up() {
    let limited = |json: &mut Value| {
        json["truncation"] = json!({"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0});
        json["padding"] = json!({"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "<|endoftext|>"});
    };
    let (plain, limited) = (changed(|_| {}).unwrap(), changed(limited).unwrap());
    for text in ["x", "age is 39, sex is female"] {
        assert_eq!(limited.encode(text).unwrap(), plain.encode(text).unwrap());
    }
}

#[test]
fn a_tokenizer_belongs_to_a_model_or_is_refused() {
    let model = |vocabulary, opening| Config { vocabulary, positions: 8, width: 4, layers: 1, heads: 1, opening };
    for tokenizer in both() {
        assert!(tokenizer.check(&model(400, 0)).is_ok());
        assert!(tokenizer.check(&model(448, 399)).is_ok());
        let small = tokenizer.check(&model(399, 0));
        assert!(matches!(small, Err(TokenizerError::Vocabulary { largest: 399, vocabulary: 399 })));
        assert!(matches!(tokenizer.check(&model(50257, 50256)), Err(TokenizerError::Opening(50256))));
    }
}
