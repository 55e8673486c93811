//! The course of a demo.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail};
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Value, json};

use super::arguments::{DemoArguments, Example};
use super::lines::curl_lines;
use super::summary;
use crate::command::client::{Api, ONCE, text, watch};
use crate::command::serve::stop_signal;
use crate::command::service::Service;
use crate::config::Config;

/// Runs a whole job on this machine, with a state folder of its own that is removed at the end.
pub async fn run(mut config: Config, arguments: DemoArguments) -> anyhow::Result<()> {
    let example = arguments.example()?;
    std::fs::create_dir_all(&arguments.out).with_context(|| arguments.out.display().to_string())?;
    let state = std::env::temp_dir().join(format!("dp2stage-demo-{}", std::process::id()));
    // The account of the private PostgreSQL must be able to pass through.
    std::fs::DirBuilder::new().mode(0o711).create(&state)?;
    config.server.state_dir = Some(state.clone());
    // A demo keeps its hands off an installation that the environment may name.
    config.database.url = None;
    config.server.bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    (config.server.tls_cert, config.server.tls_key) = (None, None);
    config.log.filter = "error".into();

    println!("starting a private PostgreSQL, the API and a worker ...");
    let service = Service::start(config, true).await?;
    let base = format!("http://{}", service.address);
    let api = Api::new(&base, None, true)?;
    let result = tokio::select! {
        result = job(&api, &arguments, &example) => result,
        () = stop_signal() => Err(anyhow::anyhow!("interrupted")),
    };
    if result.is_ok() {
        epilogue(&arguments, &example, &base)?;
        if arguments.keep {
            println!("\nthe server and its dashboard stay up at {base} until Ctrl-C");
            stop_signal().await;
        }
    }
    service.stop().await?;
    std::fs::remove_dir_all(&state)?;
    result
}

async fn job(api: &Api, arguments: &DemoArguments, example: &Example) -> anyhow::Result<()> {
    let began = Instant::now();
    let name = &example.name;
    let dataset = api.post("/v1/datasets", &example.dataset(name, arguments.epsilon), ONCE).await?.document;
    let id = dataset["id"].as_str().context("an id")?;
    println!(
        "declared '{name}': {} rows, budget epsilon {}, delta {}",
        example.rows_public, arguments.epsilon, example.delta
    );
    let rows = api.request(Method::PUT, &format!("/v1/datasets/{id}/rows")).header(CONTENT_TYPE, "text/csv");
    let rows = api.read(rows.body(example.csv.clone()), ONCE).await?.document;
    println!("uploaded {} rows, {} bytes; all cells fit the declared schema", rows["rows"], rows["bytes"]);
    let job = api.post("/v1/jobs", &json!({"dataset": id, "epsilon": arguments.epsilon}), ONCE).await?.document;
    let job_id = job["id"].as_str().context("an id")?;
    let path = format!("/v1/jobs/{job_id}");
    let plan = &job["plan"];
    println!(
        "submitted: noisy counts in {} rounds, then {} steps on rows drawn from them",
        plan["measure"]["rounds"].as_array().map_or(0, Vec::len),
        plan["public"]["steps"],
    );
    let ended = watch(api, job_id).await?.document;
    if ended["status"] != "succeeded" {
        bail!("the job {}: {}", text(&ended, "status"), text(&ended, "error"));
    }
    let synthetic = api.download(api.request(Method::GET, &format!("{path}/synthetic"))).await?;
    let report = api.get(&format!("{path}/report")).await?.document;
    let page = api.request(Method::GET, &format!("{path}/report")).header(ACCEPT, "text/html");
    let page = api.download(page).await?;
    let budget = api.get(&format!("/v1/datasets/{id}/budget")).await?.document;
    save(&arguments.out, "synthetic.csv", &synthetic)?;
    save(&arguments.out, "report.json", &serde_json::to_vec_pretty(&report)?)?;
    save(&arguments.out, "report.html", &page)?;
    println!("\n{}\n", summary::table(&report));
    println!(
        "  budget: {:.0} % spent, {:.0} % left; {:.1} s in all",
        100.0 * budget["spent"].as_f64().unwrap_or_default(),
        100.0 * budget["remaining"].as_f64().unwrap_or_default(),
        began.elapsed().as_secs_f64()
    );
    println!("  the report compares with private rows: it is for you, not for publication");
    let out = arguments.out.display();
    println!(
        "\nwrote {out}/synthetic.csv (differentially private), {out}/report.html (open it in a browser) and {out}/report.json"
    );
    Ok(())
}

fn save(folder: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let path = folder.join(name);
    std::fs::write(&path, bytes).with_context(|| path.display().to_string())
}

/// Writes the files of the curl lines, and says the lines.
fn epilogue(arguments: &DemoArguments, example: &Example, base: &str) -> anyhow::Result<()> {
    // A name of its own, so that the lines work again and again on an installation that stays.
    let name = format!("{}-{}", example.name, std::process::id());
    let pretty = |value: &Value| serde_json::to_vec_pretty(value);
    save(&arguments.out, "table.csv", &example.csv)?;
    save(&arguments.out, "dataset.json", &pretty(&example.dataset(&name, arguments.epsilon))?)?;
    save(&arguments.out, "job.json", &pretty(&json!({"dataset": name, "epsilon": arguments.epsilon}))?)?;
    let (server, base) =
        if arguments.keep { ("", base) } else { (" against `dp2stage serve --dev`", "http://127.0.0.1:8080") };
    println!("\nthe same with curl{server}:\n");
    println!("{}", curl_lines(base, &arguments.out.display().to_string(), &name));
    Ok(())
}
