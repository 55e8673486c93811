//! `dp2stage account` as a script meets it.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

fn account(input: &str) -> Vec<Value> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dp2stage"))
        .arg("account")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_line_has_its_answer() {
    let answers = account(
        r#"{"id": "a", "delta": 1e-6, "q": 0.01, "sigma": 1.0, "steps": 1000}
{"id": 2, "delta": 1e-6, "events": [{"q": 0.01, "sigma": 1.0, "steps": 400}, {"q": 0.01, "sigma": 1.0, "steps": 600}]}

{"id": "c", "delta": 1e-6, "epsilon": 2.0, "q": 0.01, "steps": 1000}
{"id": "d", "delta": 1e-6, "q": 1, "sigma": 2.0, "steps": 4}
no json
{"id": "f", "delta": 2, "q": 0.01, "sigma": 1.0, "steps": 1000}
{"id": "g", "delta": 1e-6, "q": 0, "sigma": 1.0, "steps": 1000}
{"id": "h", "delta": 1e-6, "q": 0.01, "sigma": 0.1, "steps": 1000}
{"id": "i", "delta": 1e-6, "q": 0.01, "sigma": 1.0, "steps": 20000000}
{"id": "j", "delta": 1e-6, "q": 0.01, "sigma": 1.0, "steps": 10, "epsilon": 1}
{"id": "k", "delta": 1e-6, "q": 0.01, "sigma": "1", "steps": 10}
[1]
{"id": "last", "delta": 1e-6, "epsilon": 0.001, "q": 1.0, "steps": 4000000}"#,
    );
    let ids: Vec<_> = answers.iter().map(|answer| answer["id"].clone()).collect();
    let wanted = json!(["a", 2, "c", "d", null, "f", "g", "h", "i", "j", "k", null, "last"]);
    assert_eq!(Value::from(ids), wanted);
    let number = |i: usize, key: &str| answers[i][key].as_f64().unwrap_or(f64::NAN);
    // Google's dp_accounting 0.6.0 with a discretisation of 1e-4 says 2.12452, from above.
    assert!((number(0, "epsilon") / 2.1245 - 1.0).abs() < 1e-3, "{}", answers[0]);
    assert!(number(0, "epsilon_rdp") > number(0, "epsilon"));
    assert_eq!(answers[0]["epsilon"], answers[1]["epsilon"]);
    assert!(number(2, "sigma") > 1.0 && number(2, "sigma") < 1.1, "{}", answers[2]);
    let gaussian = dp2stage::privacy::gaussian_epsilon(1.0, 1e-6);
    assert!((number(3, "epsilon") - gaussian).abs() < 1e-9);
    for answer in &answers[4..] {
        let text = answer["error"].as_str().unwrap_or_default();
        assert!(text.len() > 10 && answer.as_object().unwrap().len() == 2, "{answer}");
    }
}
