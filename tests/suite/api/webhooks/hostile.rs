//! Receivers that would have the server connect to its own house.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dp2stage::http::{BadReceiver, Courier, Fault, Names, SystemNames, Webhooks, is_global};
use serde_json::json;
use tokio::net::TcpListener;

use super::receiver::{Receiver, SECRET, delivery, webhooks};
use crate::api::refusal::problem;
use crate::support::{TestApi, figure};

/// Addresses that nobody outside may have us connect to.
const BAD: [&str; 50] = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::1",
    "2001:2::1",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a00:1::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "ff02::1",
];

const GOOD: [&str; 12] = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "223.255.255.255",
    "2001:200::1",
    "2606:4700:4700::1111",
    "2a00:1450:4001::8a",
];

#[test]
fn addresses_are_of_the_public_internet_or_not() {
    for (all, good) in [(&BAD[..], false), (&GOOD[..], true)] {
        for address in all {
            assert_eq!(is_global(address.parse().expect("an address")), good, "{address}");
        }
    }
}

/// Spellings of hosts that are, or lead to, this machine or its neighbours; PORT is where something listens.
const SPELLINGS: [&str; 74] = [
    "https://127.0.0.1:PORT/",
    "https://127.1:PORT/",
    "https://127.0.1:PORT/",
    "https://2130706433:PORT/",
    "https://0x7f000001:PORT/",
    "https://0x7f.0.0.1:PORT/",
    "https://0x7f.1:PORT/",
    "https://0177.0.0.1:PORT/",
    "https://0177.1:PORT/",
    "https://017700000001:PORT/",
    "https://00000000000000000000177.1:PORT/",
    "https://127.0.0.1.:PORT/",
    "https://%31%32%37.0.0.1:PORT/",
    "https://127%2e0%2e0%2e1:PORT/",
    "https://0:PORT/",
    "https://0.0.0.0:PORT/",
    "https://[::1]:PORT/",
    "https://[::]:PORT/",
    "https://[0:0:0:0:0:0:0:1]:PORT/",
    "https://[0000:0000:0000:0000:0000:0000:0000:0001]:PORT/",
    "https://[::ffff:127.0.0.1]:PORT/",
    "https://[::ffff:7f00:1]:PORT/",
    "https://[::127.0.0.1]:PORT/",
    "https://[::1%25lo]:PORT/",
    "https://localhost:PORT/",
    "https://LOCALHOST:PORT/",
    "https://localhost.:PORT/",
    "https://a.localhost:PORT/",
    "https://localhost.localdomain:PORT/",
    "https://ip6-localhost:PORT/",
    "https://service:PORT/",
    "https://printer.local:PORT/",
    "https://hooks.internal:PORT/",
    "https://metadata.google.internal/computeMetadata/v1/",
    "https://instance-data/latest/meta-data/",
    "https://169.254.169.254/latest/meta-data/",
    "https://2852039166/latest/meta-data/",
    "https://0xa9fea9fe/latest/meta-data/",
    "https://0251.0376.0251.0376/latest/meta-data/",
    "https://169.254.43518/latest/meta-data/",
    "https://[fd00:ec2::254]/latest/meta-data/",
    "https://[::ffff:a9fe:a9fe]/latest/meta-data/",
    "https://10.1:PORT/",
    "https://192.168.257:PORT/",
    "http://127.0.0.1:PORT/",
    "http://example.com/",
    "http://example.com:PORT/",
    "http://[::1]:PORT/",
    "HTTP://127.0.0.1:PORT/",
    "ftp://127.0.0.1:PORT/",
    "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "gopher://127.0.0.1:PORT/_x",
    "ws://127.0.0.1:PORT/",
    "data:text/plain,x",
    "javascript:alert(1)",
    "unix:/run/docker.sock",
    "//127.0.0.1:PORT/",
    "/v1/jobs",
    "127.0.0.1:PORT",
    "https://",
    "https:///",
    "https:127.0.0.1:PORT",
    "https:/127.0.0.1:PORT/",
    "https:\\\\127.0.0.1:PORT\\",
    "https://example.com\\@127.0.0.1:PORT/",
    "https://example.com@127.0.0.1:PORT/",
    "https://user:word@example.com/",
    "https://user@example.com/",
    "https://example.com/#@127.0.0.1",
    " https://127.0.0.1:PORT/",
    "https://127.0.0.1:PORT/\r\nHost: x",
    "ht\ntps://127.0.0.1:PORT/",
    "https://\u{2460}\u{2461}\u{2466}.\u{24ea}.\u{24ea}.\u{2460}:PORT/",
];

/// Names of a nameserver that is not on our side: an address with `_` for its colons before `.bad.example`; one among
/// good ones before `.mixed.example`; `rebind.example`, which is good every other time.
#[derive(Default)]
struct Evil {
    asked: AtomicUsize,
}

/// Global, and nobody's: at the end of a registry's space.
const NOWHERE: &str = "2c0f:ffff:ffff::1";

impl Names for Evil {
    fn look_up(&self, name: &str) -> std::pin::Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        let before = self.asked.fetch_add(1, Ordering::SeqCst);
        let address = |text: &str| text.replace('_', ":").replace('-', ".").parse::<IpAddr>().expect("an address");
        let found = if let Some(text) = name.strip_suffix(".bad.example") {
            vec![address(text)]
        } else if let Some(text) = name.strip_suffix(".mixed.example") {
            vec![address(NOWHERE), address(text), address("2c0f:ffff:ffff::2")]
        } else if name == "rebind.example" {
            vec![if before.is_multiple_of(2) { address(NOWHERE) } else { address("127.0.0.1") }]
        } else {
            vec![address("127.0.0.1"), address("::1")]
        };
        Box::pin(async move { Ok(found) })
    }
}

/// Something that listens on loopback and counts who comes.
async fn trap() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (address, count) = (listener.local_addr().expect("an address"), Arc::new(AtomicUsize::new(0)));
    let came = count.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            came.fetch_add(1, Ordering::SeqCst);
        }
    });
    (address, count)
}

#[tokio::test]
async fn hostile_receivers_are_not_connected_to() {
    let (trap, came) = trap().await;
    let port = trap.port().to_string();
    let mut urls: Vec<String> = SPELLINGS.iter().map(|url| url.replace("PORT", &port)).collect();
    for address in BAD {
        let dashed = address.replace('.', "-").replace(':', "_");
        urls.push(format!("https://{dashed}.bad.example:{port}/"));
        let literal = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        urls.push(format!("https://{literal}:{port}/"));
    }
    urls.extend(["127-0-0-1.mixed.example", "__1.mixed.example", "a.example"].map(|h| format!("https://{h}:{port}/")));
    let (webhooks, names) = (webhooks(&["hooks.example:8443".into()]), Arc::new(Evil::default()));
    let courier = Courier::new(webhooks.clone(), names.clone()).expect("a courier");
    let (mut named, mut looked) = (0, 0);
    for url in &urls {
        let asked = names.asked.load(Ordering::SeqCst);
        let began = Instant::now();
        // Once by the name alone, and once more as if it had been let in.
        if let Ok(url) = webhooks.receiver(url) {
            assert!(url.as_str().contains(".example"), "only a name must be looked up before it is judged: {url}");
            named += 1;
        }
        let fault = courier.send(&delivery(url)).await.expect_err("a fault");
        let expected = if webhooks.receiver(url).is_ok() { Fault::Address } else { Fault::Receiver };
        assert_eq!(fault, expected, "{url}");
        looked += names.asked.load(Ordering::SeqCst) - asked;
        assert!(began.elapsed() < Duration::from_secs(2), "{url}");
    }
    assert_eq!((named, looked), (53, 53), "each name is asked for once, since it is connected to what was judged");
    assert!(urls.len() >= 120, "{}", urls.len());
    figure("S4", (urls.len(), "hostile receivers, each tried twice"), &[(came.load(Ordering::SeqCst), "connections")]);
}

/// A name that is good when it is judged and bad when it is connected to: there is one answer for both.
#[tokio::test]
async fn a_name_that_changes_its_mind_gains_nothing() {
    let (trap, came) = trap().await;
    let names = Arc::new(Evil::default());
    let courier = Courier::new(webhooks(&[]), names.clone()).expect("a courier");
    let url = format!("https://rebind.example:{}/", trap.port());
    for attempt in 0..4 {
        let fault = courier.send(&delivery(&url)).await.expect_err("nobody is there");
        let nowhere = [Fault::Connection, Fault::Timeout].contains(&fault);
        assert!(if attempt % 2 == 0 { nowhere } else { fault == Fault::Address }, "{fault:?}");
        assert_eq!(names.asked.load(Ordering::SeqCst), attempt + 1, "one answer for each attempt");
    }
    assert_eq!(came.load(Ordering::SeqCst), 0);
}

/// Neither a redirection nor a proxy of the environment leads elsewhere, and an allowed place is this place alone.
#[tokio::test]
async fn nobody_else_says_where_to_connect_to() {
    for status in [301, 302, 303, 307, 308] {
        let receiver = Receiver::start(match status {
            301 => &[301],
            302 => &[302],
            303 => &[303],
            307 => &[307],
            _ => &[308],
        })
        .await;
        let courier =
            Courier::new(webhooks(std::slice::from_ref(&receiver.place)), Arc::new(SystemNames)).expect("a courier");
        assert_eq!(courier.send(&delivery(&receiver.url())).await, Err(Fault::Status(status)));
        assert_eq!(receiver.received().len(), 1, "not followed");
        let (host, port) = receiver.place.split_once(':').expect("a port");
        let next = port.parse::<u16>().expect("a port").wrapping_add(1);
        for other in [format!("http://{host}:{next}/hooks/x"), format!("http://127.0.0.2:{port}/hooks/x")] {
            assert_eq!(courier.send(&delivery(&other)).await, Err(Fault::Receiver), "{other}");
        }
    }
}

#[test]
fn settings_are_checked() {
    let bad = |allow: &[&str], secret: Option<&str>| {
        let allow: Vec<String> = allow.iter().map(|place| (*place).to_owned()).collect();
        Webhooks::new(true, &allow, secret).expect_err("bad settings").to_string()
    };
    assert!(bad(&[], None).contains("openssl rand"));
    for secret in ["", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!!", &SECRET[6..]] {
        assert!(bad(&[], Some(secret)).contains("24 to 64 random bytes"), "{secret}");
    }
    for place in ["", "hooks", "hooks:", "hooks:x", "http://hooks:80", "hooks:80/x", "a@hooks:80", "hooks:99999", ":80"]
    {
        assert!(bad(&[place], Some(SECRET)).contains("host and a port"), "{place}");
    }
    let off = Webhooks::new(false, &["nonsense".into()], None).expect("off");
    assert_eq!(off.receiver("https://example.com/"), Err(BadReceiver::Off));
    let on = Webhooks::new(true, &["Hooks.Internal:443".into(), "[fd00::1]:80".into()], Some(SECRET)).expect("on");
    for url in
        ["https://hooks.internal/x", "https://hooks.internal:443/", "http://[fd00::1]/", "https://example.com/?a=b"]
    {
        on.receiver(url).expect(url);
    }
    for url in ["https://hooks.internal:8443/", "http://hooks.internal/", "http://[fd00::2]/", "http://example.com/"] {
        on.receiver(url).expect_err(url);
    }
    assert!(!format!("{on:?}").contains("0123"), "the secret is not shown");
}

/// What a job may name is judged when it is submitted, and nothing is kept of one that is refused.
#[tokio::test]
async fn jobs_with_hostile_receivers_are_refused() {
    let api = TestApi::with_webhooks(webhooks(&[])).await;
    api.clinic(1.0, 100).await;
    for url in SPELLINGS.iter().map(|url| url.replace("PORT", "1")) {
        let body = json!({"dataset": "clinic", "epsilon": 0.5, "webhook": url});
        for path in ["/v1/jobs", "/v1/estimates"] {
            let refused = problem(&api.post(path, &body).await, 422, "request_invalid");
            assert_eq!(refused["at"], "webhook", "{url}");
        }
    }
    assert_eq!(api.get("/v1/jobs").await.expect(200)["items"], json!([]));
    let body = json!({"dataset": "clinic", "epsilon": 0.5, "webhook": "https://hooks.example/s3cret?token=s3cret"});
    let job = api.post("/v1/jobs", &body).await.expect(202);
    assert_eq!(job["request"]["webhook"], "https://hooks.example/...", "its path is nobody else's business");
    assert!(!api.get("/v1/jobs").await.text.contains("s3cret"));
}
