//! The Python of the quick start, where there is a Python with what it imports: `make quickstart` makes one.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use dp2stage::store::Role;
use dp2stage::tabular::UploadLimits;

use crate::support::{TestApi, scratch};

/// A Python that has pandas and requests.
fn python() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let places = [root.join("target/quickstart/bin/python"), "python3".into()];
    places.into_iter().find(|python| {
        let mut tried = Command::new(python);
        tried.args(["-c", "import pandas, requests"]).stdout(Stdio::null()).stderr(Stdio::null());
        tried.status().is_ok_and(|status| status.success())
    })
}

#[tokio::test]
async fn a_table_of_pandas_goes_round() {
    let Some(python) = python() else {
        eprintln!("skipped: no python3 with pandas and requests; `make quickstart` makes one in target/quickstart");
        return;
    };
    let api = TestApi::start(false, UploadLimits::default()).await;
    let (key, folder) = (api.token(Role::Custodian).await, scratch());
    let _worker = api.worker(10.0);
    let output = tokio::process::Command::new(python)
        .arg("-B")
        .arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/quickstart/quickstart.py"))
        .current_dir(folder.path())
        .env("DP2STAGE_SERVER", &api.base)
        .env("DP2STAGE_KEY", &key)
        .env("NO_PROXY", "*")
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("2000 synthetic rows"), "{said}");
    assert!(!said.contains(&key));
}

/// What the README shows is the core of the script.
#[test]
fn the_readme_shows_the_script() {
    let (readme, script) = (include_str!("../../../README.md"), include_str!("../../quickstart/quickstart.py"));
    let core = script.split("# --- core\n").nth(1).expect("a core").split("# --- end").next().unwrap();
    assert!(readme.contains(core.trim()), "the README shows another one than tests/quickstart/quickstart.py");
}
