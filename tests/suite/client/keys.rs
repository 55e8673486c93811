//! Keys are shown to their server and to nobody else.

use dp2stage::store::Role;

use super::scripted::{Scripted, answer};
use super::{Person, Said, chmod, custodian};

const EMPTY: &str = "{\"items\":[],\"next_cursor\":null}";
const SECRET: &str = "c0ffee-and-more";

#[tokio::test]
async fn a_key_comes_from_a_file_the_environment_or_the_client_file() {
    let (api, mut person) = custodian().await;
    let key = person.key.take().unwrap();
    let unknown = person.run(&["jobs"]).await.complains(3);
    assert!(unknown.contains("unauthorized") && unknown.contains("--key-file"), "{unknown}");
    person.write("key", format!("{key}\n"));
    chmod(&person.path("key"), 0o600);
    person.run(&["jobs", "--key-file", "key"]).await.expect(0);

    let client = ".config/dp2stage/client.toml";
    person.write(client, format!("key = \"{key}\"\n"));
    chmod(&person.path(client), 0o600);
    person.run(&["jobs"]).await.expect(0);
    // A wrong key goes before a right one that is further away.
    person.key = Some("dp2_nobody_zyxwvu".into());
    assert!(person.run(&["jobs"]).await.complains(3).contains("unauthorized"));
    person.run(&["jobs", "--key-file", "key"]).await.expect(0);
    person.key = None;
    person.write("elsewhere/dp2stage/client.toml", "server = \"http://127.0.0.1:1\"\n");
    let mut moved = person.command(&["jobs"]);
    moved.env("XDG_CONFIG_HOME", person.path("elsewhere")).env_remove("DP2STAGE_SERVER");
    assert!(person.ended(moved).await.complains(5).contains("http://127.0.0.1:1 does not"));

    let analyst = Person::at(&api.base, Some(api.token(Role::Analyst).await));
    analyst.write("ward.csv", "a\n1\n");
    assert!(analyst.run(&["schema", "ward.csv"]).await.complains(3).contains("another role"));
}

#[tokio::test]
async fn a_key_that_others_can_read_is_not_sent() {
    let server = Scripted::start(Vec::new());
    let person = Person::at(&server.base, None);
    let refused = |said: Said| {
        assert!(!said.err.contains(SECRET), "{said:?}");
        assert!(said.complains(2).contains("chmod 600"));
    };
    person.write("key", SECRET);
    let client = ".config/dp2stage/client.toml";
    for mode in [0o644, 0o640, 0o604] {
        chmod(&person.path("key"), mode);
        refused(person.run(&["jobs", "--key-file", "key"]).await);
        person.write(client, format!("key = \"{SECRET}\"\n"));
        chmod(&person.path(client), mode);
        refused(person.run(&["jobs"]).await);
        person.write(client, format!("key_file = \"{}\"\n", person.path("key").display()));
        refused(person.run(&["jobs"]).await);
    }
    // Whatever is wrong with the file, it is not shown.
    chmod(&person.path(client), 0o600);
    for text in [format!("kex = \"{SECRET}\""), format!("key = {SECRET}"), format!("key = [\"{SECRET}\"]")] {
        person.write(client, text);
        let said = person.run(&["jobs"]).await;
        assert!(!said.err.contains(SECRET), "{said:?}");
        assert!(said.complains(2).contains("client.toml is no client file"));
    }
    assert!(server.heads().is_empty());
}

/// The key of the client's file goes to the server of that file: another one that is named gets none.
#[tokio::test]
async fn a_key_stays_with_its_server() {
    let (mine, other) =
        (Scripted::start(vec![answer("200 OK", "", EMPTY)]), Scripted::start(vec![answer("200 OK", "", EMPTY)]));
    let person = Person::at(&other.base, None);
    let client = ".config/dp2stage/client.toml";
    person.write(client, format!("server = \"{}/\"\nkey = \"{SECRET}\"\n", mine.base));
    chmod(&person.path(client), 0o600);
    person.run(&["jobs"]).await.expect(0);
    person.run(&["jobs", "--server", &mine.base]).await.expect(0);
    assert!(!other.heads()[0].contains(SECRET));
    assert!(mine.heads()[0].contains(&format!("authorization: bearer {SECRET}")));
}

/// A redirection would carry the key, or a table, somewhere else.
#[tokio::test]
async fn redirections_are_not_followed() {
    let other = Scripted::start(vec![answer("200 OK", "", EMPTY)]);
    let moved = answer("307 Temporary Redirect", &format!("location: {}/v1/jobs\r\n", other.base), "");
    let person = Person::at(&Scripted::start(vec![moved]).base, Some(format!("dp2_x_{SECRET}")));
    person.run(&["jobs"]).await.complains(1);
    assert!(other.heads().is_empty());
}
