//! Headers, and what pages load.

use reqwest::Method;

use super::{House, Person, browser};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Pages run and load what this server gives them and nothing else, and are neither framed nor kept.
#[tokio::test]
async fn pages_run_and_load_what_is_ours_alone() {
    let house = House::new().await;
    let admin = Person::signed_in(&house.api, &house.admin).await;
    let mut pages = vec![house.api.send(browser().get(format!("{}/sign-in", house.api.base))).await];
    pages.push(house.api.send(browser().get(format!("{}/jobs", house.api.base))).await);
    pages.push(admin.get(&format!("/jobs/{}", uuid::Uuid::now_v7())).await);
    for (path, _) in house.pages() {
        pages.push(admin.get(&path).await);
    }
    for page in pages {
        let header = |name: &str| page.headers[name].to_str().unwrap();
        assert_eq!(header("content-security-policy"), POLICY);
        assert_eq!((header("x-frame-options"), header("x-content-type-options")), ("DENY", "nosniff"));
        assert_eq!((header("cache-control"), header("cross-origin-resource-policy")), ("no-store", "same-origin"));
        assert!(page.headers.get("access-control-allow-origin").is_none());
        let text = &page.text;
        for word in ["style=", "<style", "javascript:", "http://", "https://", " on"] {
            let at = text.match_indices(word).find(|(at, _)| inside_a_tag(text, *at));
            assert!(at.is_none(), "{word}: {}", &text[at.unwrap().0..][..80.min(text.len() - at.unwrap().0)]);
        }
        assert_eq!(text.matches("<script").count(), 1, "one script, by its address");
        assert!(text.contains("<script src=\"/assets/app.js\" defer></script>"));
        assert_eq!(text.matches("<h1").count(), 1);
    }
}

/// Whether what begins here stands between `<` and `>`.
pub fn inside_a_tag(text: &str, at: usize) -> bool {
    text[..at].rfind('<') > text[..at].rfind('>')
}

#[tokio::test]
async fn assets_are_kept_and_asked_for_again() {
    let house = House::new().await;
    for (path, kind) in
        [("/assets/style.css", "text/css; charset=utf-8"), ("/assets/app.js", "text/javascript; charset=utf-8")]
    {
        let first = house.api.get(path).await;
        assert_eq!((first.status.as_u16(), first.headers["content-type"].to_str().unwrap()), (200, kind));
        assert_eq!(first.headers["cache-control"], "no-cache");
        let again = house.api.request(Method::GET, path).header("if-none-match", &first.headers["etag"]);
        let again = house.api.send(again).await;
        assert_eq!((again.status.as_u16(), &*again.text), (304, ""));
        assert!(!first.text.contains("http://") && !first.text.contains("https://"), "{path} names another host");
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "eval(",
            "document.write",
            "localStorage",
            "sessionStorage",
        ] {
            assert!(!first.text.contains(word), "{path}: {word}");
        }
    }
}

/// Each field has a label and each label a field; each id stands once; what describes a field is there.
#[tokio::test]
async fn fields_have_names_that_can_be_read_out() {
    let house = House::new().await;
    let admin = Person::signed_in(&house.api, &house.admin).await;
    let mut pages = vec![house.api.send(browser().get(format!("{}/sign-in", house.api.base))).await.text];
    for (path, _) in house.pages() {
        pages.push(admin.get(&path).await.text);
    }
    let mut fields = 0;
    for text in pages {
        let values = |name: &str| -> Vec<String> {
            let attribute = format!(" {name}=\"");
            let parts = text.split(&attribute).skip(1);
            parts.map(|part| part.split('"').next().unwrap().to_owned()).collect()
        };
        let (ids, labels) = (values("id"), values("for"));
        for id in &ids {
            assert_eq!(ids.iter().filter(|other| *other == id).count(), 1, "{id} stands twice");
        }
        for referred in
            values("aria-describedby").iter().flat_map(|list| list.split(' ')).chain(labels.iter().map(|s| &**s))
        {
            assert!(ids.iter().any(|id| id == referred), "nothing has the id {referred}");
        }
        for tag in text.split('<').filter(|tag| tag.starts_with("input") || tag.starts_with("select")) {
            if tag.contains("type=\"hidden\"") || tag.contains("type=\"radio\"") {
                continue;
            }
            let id = tag.split(" id=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
            assert!(labels.iter().any(|label| label == id), "no label: {tag}");
            fields += 1;
        }
    }
    assert!(fields >= 15, "{fields}");
}
