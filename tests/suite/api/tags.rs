//! Everything that is asked for again and again has a tag, and pages stay what they are.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApi;

/// What a client may poll: each answer has a tag, which is enough to be told that nothing is new.
#[tokio::test]
async fn what_is_polled_is_sent_once() {
    let api = TestApi::open().await;
    api.clinic(5.0, 300).await;
    let body = json!({"dataset": "clinic", "epsilon": 1.0, "rows": 40, "method": {"generator": "distribution"}});
    let job = api.post("/v1/jobs", &body).await.expect(202)["id"].as_str().expect("an id").to_owned();
    let _worker = api.worker(10.0);
    let patience = std::time::Duration::from_secs(120);
    api.job_until(&job, patience, |job| job["status"] == "succeeded").await;
    let results = [
        "report",
        "report?view=released",
        "certificate",
        "synthetic",
        "synthetic?rows=5",
        "synthetic?rows=6",
        "synthetic?raw=true",
    ];
    let mut paths: Vec<String> = results.iter().map(|what| format!("/v1/jobs/{job}/{what}")).collect();
    let lists = ["/v1/jobs", "/v1/jobs?view=released", "/v1/datasets", "/v1/datasets/clinic"];
    paths.extend(lists.map(str::to_owned));
    paths.extend(["/v1/datasets/clinic/budget", "/v1/datasets/clinic/ledger"].map(str::to_owned));
    paths.extend([format!("/v1/jobs/{job}"), "/v1/certificate-keys".to_owned()]);
    let mut tags = Vec::new();
    for path in &paths {
        let answer = api.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        let tag = answer.headers["etag"].to_str().expect("plain").to_owned();
        assert!(tag.len() > 20 && tag.starts_with('"') && tag.ends_with('"'), "a strong tag: {tag}");
        assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
        let again = api.send(api.request(Method::GET, path).header("if-none-match", &tag)).await;
        assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""), "{path}");
        assert_eq!(again.headers["etag"], tag.as_str());
        let other = api.send(api.request(Method::GET, path).header("if-none-match", "\"0123456789\"")).await;
        assert_eq!((other.status.as_u16(), &other.text), (200, &answer.text), "{path}");
        tags.push(tag);
    }
    let distinct: std::collections::BTreeSet<_> = tags.iter().collect();
    assert_eq!(distinct.len(), tags.len(), "no two things have one tag: {tags:?}");
    // What changes has another tag.
    api.post("/v1/jobs", &json!({"dataset": "clinic", "epsilon": 0.5})).await.expect(202);
    for path in ["/v1/jobs", "/v1/datasets/clinic/budget", "/v1/datasets/clinic/ledger"] {
        let place = paths.iter().position(|known| known == path).expect("asked before");
        let answer = api.send(api.request(Method::GET, path).header("if-none-match", &tags[place])).await;
        assert_eq!(answer.status, 200, "{path}");
    }
}

/// Jobs and datasets that come, change and go between two pages neither repeat nor hide another.
#[tokio::test]
async fn pages_are_stable_while_things_change() {
    let api = TestApi::open().await;
    api.clinic(100.0, 50).await;
    let submit = async || -> Uuid {
        let job = api.post("/v1/jobs", &json!({"dataset": "clinic", "epsilon": 0.5})).await.expect(202);
        job["id"].as_str().expect("an id").parse().expect("an id")
    };
    let mut jobs = Vec::new();
    for _ in 0..9 {
        jobs.push(submit().await);
    }
    let mut seen = Vec::new();
    let mut path = "/v1/jobs?limit=2".to_owned();
    loop {
        let page = api.get(&path).await.expect(200);
        seen.extend(ids(&page));
        submit().await;
        dp2stage::store::cancel(&api.database.pool, jobs[seen.len() % 9]).await.expect("cancelled");
        let Some(next) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/jobs?limit=2&cursor={next}");
    }
    jobs.reverse();
    assert_eq!(seen, jobs, "those of the start, newest first, each once");

    let declare = async |name: String| {
        let body = json!({"name": name, "schema": crate::support::clinic(), "rows_public": 300, "access": "public"});
        api.post("/v1/datasets", &body).await.expect(201);
    };
    for place in 0..7 {
        declare(format!("old-{place}")).await;
    }
    let (mut names, mut path, mut page_number) = (Vec::<String>::new(), "/v1/datasets?limit=2".to_owned(), 0);
    loop {
        let page = api.get(&path).await.expect(200);
        let items = page["items"].as_array().expect("a list");
        names.extend(items.iter().map(|item| item["name"].as_str().expect("a name").to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/datasets?limit=2&cursor={next}");
        if page_number < 2 {
            declare(format!("new-{page_number}")).await;
            // The cursor itself goes.
            let last = names.last().filter(|name| *name != "clinic").expect("a name");
            let gone = api.send(api.request(Method::DELETE, &format!("/v1/datasets/{last}"))).await;
            assert_eq!(gone.status, 204);
        }
        page_number += 1;
    }
    let expected = (0..7).map(|place| format!("old-{place}")).chain(["new-0".to_owned(), "new-1".to_owned()]);
    assert_eq!(names, std::iter::once("clinic".to_owned()).chain(expected).collect::<Vec<_>>());
}

fn ids(page: &Value) -> Vec<Uuid> {
    let items = page["items"].as_array().expect("a list");
    items.iter().map(|item| item["id"].as_str().expect("an id").parse().expect("an id")).collect()
}
