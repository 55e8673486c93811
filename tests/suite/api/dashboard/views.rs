//! Every page, by every role, of every tenant.

use dp2stage::store::Role;
use serde_json::json;

use super::looks::inside_a_tag;
use super::{House, Person, browser};
use crate::support::TestApi;

#[tokio::test]
async fn every_page_is_for_those_who_may_see_it() {
    let house = House::new().await;
    for (role, key) in
        [(Role::Analyst, &house.analyst), (Role::Custodian, &house.custodian), (Role::Admin, &house.admin)]
    {
        let person = Person::signed_in(&house.api, key).await;
        for (path, least) in house.pages() {
            let answer = person.get(&path).await;
            let expected = if role >= least { 200 } else { 403 };
            assert_eq!(answer.status, expected, "{path} as {}", role.word());
            assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
            assert!(answer.text.contains("<main"), "{path}");
            if expected == 403 {
                let said = format!("needs a key with the role {}", least.word());
                assert!(answer.text.contains(&said) && answer.text.contains("Back to the datasets"), "{}", answer.text);
            }
        }
        let front = person.get("/").await.text;
        for (path, least) in [("/upload", Role::Custodian), ("/workers", Role::Admin), ("/audit", Role::Admin)] {
            assert_eq!(front.contains(&format!("href=\"{path}\"")), role >= least, "{path} as {}", role.word());
        }
    }
}

/// Another tenant's admin finds nothing: what exists elsewhere is as unknown as what exists nowhere.
#[tokio::test]
async fn pages_of_another_tenant_are_not_there() {
    let house = House::new().await;
    let stranger = Person::signed_in(&house.api, &house.stranger).await;
    let nowhere = uuid::Uuid::now_v7();
    for (path, twin) in [
        (format!("/datasets/{}", house.dataset), format!("/datasets/{nowhere}")),
        ("/datasets/clinic".to_owned(), "/datasets/nothing".to_owned()),
        (format!("/jobs/{}", house.jobs[0]), format!("/jobs/{nowhere}")),
        (format!("/jobs/{}", house.jobs[1]), "/jobs/nonsense".to_owned()),
    ] {
        let (foreign, unknown) = (stranger.get(&path).await, stranger.get(&twin).await);
        assert_eq!((foreign.status.as_u16(), unknown.status.as_u16()), (404, 404), "{path}");
        let plain = |text: &str| text.split("Request <code>").next().unwrap().to_owned();
        assert_eq!(plain(&foreign.text), plain(&unknown.text), "{path}");
    }
    for path in ["/", "/jobs", "/audit"] {
        let text = stranger.get(path).await.text;
        for secret in ["clinic", &house.dataset, &house.jobs[0], &house.jobs[1]] {
            assert!(!text.contains(secret), "{path} tells {secret}");
        }
    }
    let own = Person::signed_in(&house.api, &house.admin).await;
    assert!(own.get("/").await.text.contains("clinic"), "its own admin sees it");
}

#[tokio::test]
async fn analysts_see_nothing_exact_on_pages() {
    let house = House::new().await;
    let (analyst, custodian) =
        (Person::signed_in(&house.api, &house.analyst).await, Person::signed_in(&house.api, &house.custodian).await);
    let secrets = ["1,237", "1237", "worker_lost", &house.sha256, "Attempts"];
    let mut seen = 0;
    for (path, _) in house.pages().into_iter().filter(|page| page.1 == Role::Analyst) {
        let (text, exact) = (analyst.get(&path).await.text, custodian.get(&path).await.text);
        for secret in secrets {
            assert!(!text.contains(secret), "{path} tells {secret}");
        }
        assert!(!text.contains("type=\"file\"") && !text.contains("data-raise"), "{path} offers what is refused");
        seen += secrets.iter().filter(|secret| exact.contains(**secret)).count();
    }
    assert!(seen >= 4, "the custodian sees them: {seen}");
}

/// Whatever a custodian declares is text on a page.
#[tokio::test]
async fn names_are_text_whatever_they_are() {
    let nasty = "\"><img src=x onerror=alert(1)><script>alert(1)";
    let schema = json!({"columns": [
        {"name": nasty, "type": "integer", "min": 0, "max": 99},
        {"name": "' onmouseover='alert(1)", "type": "categorical", "categories": [nasty, "&lt;b>"]},
        {"name": "ill", "type": "categorical", "categories": ["no", "yes"]}], "target": nasty});
    let house = House::named(nasty, schema).await;
    let admin = Person::signed_in(&house.api, &house.admin).await;
    let mut named = 0;
    for (path, _) in house.pages() {
        let text = admin.get(&path).await.expect_text();
        let acts = text.match_indices(" onmouseover=").any(|(at, _)| inside_a_tag(&text, at));
        assert!(!text.contains("<img") && !text.contains("<script>") && !acts, "{path}: {text}");
        assert!(!text.contains("&lt;b&gt;") || text.contains("&amp;lt;b&gt;"), "an entity is text too");
        named += usize::from(text.contains("&lt;img src=x onerror=alert(1)&gt;"));
    }
    assert!(named >= 4, "it stands there, as text: {named}");
    // In addresses, too.
    let asked = browser()
        .get(format!("{}/jobs?status=%22%3E%3Cscript%3Ealert(1)", house.api.base))
        .header("cookie", &admin.cookie);
    let asked = house.api.send(asked).await;
    assert_eq!(asked.status, 422);
    assert!(!asked.text.contains("<script>alert"), "{}", asked.text);
    let away = house.api.send(browser().get(format!("{}/jobs?x=%22%3E\"><script>alert(1)", house.api.base))).await;
    assert!(!away.text.contains("<script>alert") && away.text.contains("name=\"next\""), "{}", away.text);
}

impl crate::support::Answer {
    /// The text of a page that was shown.
    #[track_caller]
    fn expect_text(self) -> String {
        assert_eq!(self.status.as_u16(), 200, "{}", self.text);
        self.text
    }
}

/// Without keys nobody signs in, and only this machine is answered.
#[tokio::test]
async fn a_keyless_server_shows_its_pages_to_this_machine_alone() {
    let api = TestApi::open().await;
    api.clinic(3.0, 100).await;
    for path in ["/", "/jobs", "/upload", "/workers", "/audit", "/datasets/clinic"] {
        let shown = api.get(path).await;
        assert!(shown.status == 200 && !shown.text.contains("data-sign-out"), "{path}");
        let elsewhere = api.send(api.request(reqwest::Method::GET, path).header("host", "evil.example")).await;
        assert_eq!(elsewhere.status, 403, "{path}");
        assert!(!elsewhere.text.contains("clinic"));
    }
    let away = api.send(browser().get(format!("{}/sign-in", api.base))).await;
    assert_eq!((away.status.as_u16(), &away.headers["location"]), (303, &"/".parse().unwrap()));
}
