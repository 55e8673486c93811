//! What lies on disks: no cell while jobs run or after, and nothing that opens once a dataset is deleted.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dp2stage::store::embedded::{Cluster, ClusterConfig, Durability};
use dp2stage::store::{Blob, Blobs, KeySource, Keyring, WrappedKey};
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{Server, blob_named, client, figure, fresh_database, scratch, storage_of};

const CANARIES: usize = 1000;
/// What the grid of numbers begins with.
const FIRST: u32 = 1_000_000_000;
/// Bytes by which a needle is looked up; none is shorter.
const PREFIX: usize = 8;

/// A table of canaries: each row has a number of ten digits and a word that no other one has.
struct Table {
    numbers: Vec<u32>,
    words: Vec<String>,
}

impl Table {
    fn new() -> Self {
        let mut dice = rand_chacha::ChaCha20Rng::seed_from_u64(7);
        let numbers: Vec<u32> = std::iter::repeat_with(|| dice.random_range(FIRST..4 * FIRST)).take(CANARIES).collect();
        let word = |number: &u32| format!("zq{:016x}", u64::from(*number).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let words = numbers.iter().map(word).collect();
        Self { numbers, words }
    }

    fn schema(&self) -> Value {
        json!({"columns": [
            {"name": "number", "type": "integer", "min": FIRST, "max": 4 * u64::from(FIRST)},
            {"name": "word", "type": "categorical", "categories": self.words},
            {"name": "ill", "type": "categorical", "categories": ["no", "yes"]}], "target": "ill"})
    }

    fn csv(&self) -> String {
        let rows = self.numbers.iter().zip(&self.words).enumerate();
        let rows = rows.map(|(i, (number, word))| format!("{number},{word},{}\n", ["no", "yes"][i % 2]));
        format!("number,word,ill\n{}", rows.collect::<String>())
    }

    /// The numbers as text, and each row's two cells as they are stored; none of them is in the schema.
    fn cells(&self) -> Needles {
        let stored = self
            .numbers
            .iter()
            .zip(0u32..)
            .map(|(number, word)| [(number - FIRST).to_le_bytes(), word.to_le_bytes()].concat());
        Needles::new(self.numbers.iter().map(|number| number.to_string().into_bytes()).chain(stored))
    }

    /// The same, and the words, which the declared schema names and the database has therefore.
    fn all(&self) -> Needles {
        let mut all = self.cells();
        all.add(self.words.iter().map(|word| word.clone().into_bytes()));
        all
    }
}

/// What is searched for.
struct Needles {
    /// Which first three bytes some needle has.
    maybe: Vec<bool>,
    of: HashMap<[u8; PREFIX], Vec<Vec<u8>>>,
}

impl Needles {
    fn new(needles: impl Iterator<Item = Vec<u8>>) -> Self {
        let mut new = Self { maybe: vec![false; 1 << 24], of: HashMap::new() };
        new.add(needles);
        new
    }

    fn add(&mut self, needles: impl Iterator<Item = Vec<u8>>) {
        for needle in needles {
            self.maybe[place(&needle)] = true;
            self.of.entry(needle[..PREFIX].try_into().unwrap()).or_default().push(needle);
        }
    }

    /// How many needles there are in some bytes.
    fn hits(&self, bytes: &[u8]) -> usize {
        let candidates = (0..(bytes.len() + 1).saturating_sub(PREFIX)).filter(|at| self.maybe[place(&bytes[*at..])]);
        let found = |at: usize| {
            let prefix: [u8; PREFIX] = bytes[at..at + PREFIX].try_into().unwrap();
            self.of.get(&prefix).is_some_and(|of| of.iter().any(|needle| bytes[at..].starts_with(needle)))
        };
        candidates.filter(|at| found(*at)).count()
    }
}

fn place(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 16 | usize::from(bytes[1]) << 8 | usize::from(bytes[2])
}

/// All files below a folder, those that are gone again left out.
fn files(below: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut folders, mut found) = (vec![below.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(kind) if kind.is_file() => found.extend(fs::read(&path).ok().map(|bytes| (path, bytes))),
                _ => {}
            }
        }
    }
    found
}

/// What was seen of a state folder.
#[derive(Default)]
struct Seen {
    looks: usize,
    bytes: usize,
    hits: usize,
    /// Of every blob the longest content that its file ever had.
    blobs: BTreeMap<String, Vec<u8>>,
}

impl Seen {
    /// Looks at all files once.
    fn look(&mut self, state: &Path, table: (&Needles, &Needles)) {
        for (path, bytes) in files(state) {
            let inside = path.strip_prefix(state).unwrap();
            let of_database = inside.starts_with("data") || inside.starts_with("data.new");
            let hits = if of_database { table.0 } else { table.1 }.hits(&bytes);
            if hits > 0 {
                println!("{hits} cells in {}", inside.display());
            }
            self.hits += hits;
            self.bytes += bytes.len();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if inside.starts_with("blobs") && name.len() == 97 {
                self.blobs.entry(name).or_insert(bytes);
            }
        }
        self.looks += 1;
    }

    /// Looks at the blobs again and again until the job is over, and at everything from time to time.
    fn watch(mut self, state: &Path, table: &Table, over: &AtomicBool) -> Self {
        let needles = (table.cells(), table.all());
        let mut whole: Option<Instant> = None;
        while !over.load(Ordering::Relaxed) {
            if whole.is_none_or(|at| at.elapsed() > Duration::from_secs(4)) {
                self.look(state, (&needles.0, &needles.1));
                whole = Some(Instant::now());
            }
            for (path, bytes) in files(&state.join("blobs")) {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if name.len() == 97 && !self.blobs.contains_key(&name) {
                    self.hits += needles.1.hits(&bytes);
                    self.blobs.insert(name, bytes);
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.look(state, (&needles.0, &needles.1));
        self
    }
}

/// A job on the table, from the upload on, while somebody reads all files.
async fn watched(server: &Server, state: &Path, table: Arc<Table>) -> Seen {
    let client = client();
    let url = |path: &str| format!("{}{path}", server.base);
    let body = json!({"name": "canaries", "schema": table.schema(), "rows_public": CANARIES, "holdout": 0.2,
                      "budget": {"epsilon": 4.0, "delta": 1e-6}});
    let made = client.post(url("/v1/datasets")).json(&body).send().await.unwrap();
    assert_eq!(made.status(), 201, "{}", made.text().await.unwrap());
    let over = Arc::new(AtomicBool::new(false));
    let watching = {
        let (state, table, over) = (state.to_owned(), table.clone(), over.clone());
        tokio::task::spawn_blocking(move || Seen::default().watch(&state, &table, &over))
    };
    let upload = client.put(url("/v1/datasets/canaries/rows")).header("content-type", "text/csv").body(table.csv());
    assert_eq!(upload.send().await.unwrap().status(), 201);
    let request = json!({"dataset": "canaries", "epsilon": 2.0, "rows": 300,
                         "training": {"public_steps": 60, "steps": 60}});
    let job: Value = client.post(url("/v1/jobs")).json(&request).send().await.unwrap().json().await.unwrap();
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap_or_else(|| panic!("{job}")));
    let began = Instant::now();
    let job = loop {
        let job: Value = client.get(url(&path)).send().await.unwrap().json().await.unwrap();
        if job["finished_at"].is_string() {
            break job;
        }
        assert!(began.elapsed() < Duration::from_secs(240), "{job}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(job["status"], "succeeded", "{job}");
    over.store(true, Ordering::Relaxed);
    watching.await.unwrap()
}

/// Every blob that can be opened of `copies` with the storage keys and what the database holds: under the key of its own
/// row, and under every key that is left, for every dataset.
async fn opened(copies: &BTreeMap<String, Vec<u8>>, pool: &PgPool, state: &Path) -> Vec<String> {
    let folder = scratch();
    let keys = Keyring::of(&KeySource::File(state.join("keys/storage"))).unwrap();
    let storage = Blobs::open(folder.path(), keys).unwrap();
    let left: Vec<(Uuid, String, Vec<u8>)> =
        sqlx::query_as("select dataset_id, storage_key, wrapped from blob_keys").fetch_all(pool).await.unwrap();
    let mut found = Vec::new();
    for (name, bytes) in copies {
        fs::write(folder.path().join(name), bytes).unwrap();
        let mut tries = vec![blob_named(pool, name).await];
        tries.extend(left.iter().map(|(owner, storage_key, bytes)| Blob {
            name: name.clone(),
            owner: *owner,
            key: Some(WrappedKey { storage_key: storage_key.clone(), bytes: bytes.clone() }),
        }));
        if tries.iter().any(|blob| storage.read(blob).is_ok()) {
            found.push(name.clone());
        }
    }
    found
}

async fn names(pool: &PgPool, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
}

/// S7. The real service with its worker and its own PostgreSQL in one folder; all files of the folder are searched for the
/// cells of a table, as text and as they are stored, while a job runs and after. Words of a category column are in the
/// schema, which the database holds as it was declared: they are searched for everywhere but there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_cell_lies_on_a_disk_and_what_was_deleted_opens_no_more() {
    let (folder, table) = (scratch(), Arc::new(Table::new()));
    let state = folder.path().join("state");
    let environment = [("DP2STAGE__WORKERS__LOCAL", "1"), ("DP2STAGE__QUEUE__POLL_SECONDS", "0.2")];
    let server = Server::start("", &state, &environment);
    let seen = watched(&server, &state, table.clone()).await;
    server.stop();

    // What is there now opens, and then the cells are found: the search does not miss them.
    let config = ClusterConfig { durability: Durability::TestOnly, ..ClusterConfig::new(state.clone()) };
    let cluster = tokio::task::spawn_blocking(move || Cluster::start(&config).unwrap()).await.unwrap();
    let pool = PgPool::connect_with(cluster.connect_options()).await.unwrap();
    let rows = names(&pool, "select blob from dataset_versions").await;
    let reports = names(&pool, "select blob from artifacts where kind = 'report'").await;
    let released = names(&pool, "select blob from artifacts where kind <> 'report' order by blob").await;
    let content = storage_of(&state).read(&blob_named(&pool, &rows[0]).await).unwrap();
    assert_eq!(table.cells().hits(&content), CANARIES, "what is stored of the rows has each of them once");
    let now: Vec<_> = [rows.clone(), reports, released.clone()].concat();
    let mut opens = opened(&seen.blobs, &pool, &state).await;
    let set = |names: &[String]| names.iter().cloned().collect::<HashSet<String>>();
    assert_eq!(set(&opens), set(&now), "what no row names opens no more");
    let checkpoints = seen.blobs.len() - now.len();
    assert!(checkpoints >= 2, "{checkpoints} checkpoints were seen");
    pool.close().await;
    tokio::task::spawn_blocking(move || cluster.stop()).await.unwrap();

    // Deleted by the service; copies of all files are kept by somebody else.
    let server = Server::start("", &state, &environment[1..]);
    let answer = client().delete(format!("{}/v1/datasets/canaries", server.base)).send().await.unwrap();
    assert_eq!(answer.status(), 204);
    server.stop();
    let config = ClusterConfig { durability: Durability::TestOnly, ..ClusterConfig::new(state.clone()) };
    let cluster = tokio::task::spawn_blocking(move || Cluster::start(&config).unwrap()).await.unwrap();
    let pool = PgPool::connect_with(cluster.connect_options()).await.unwrap();
    opens = opened(&seen.blobs, &pool, &state).await;
    pool.close().await;
    tokio::task::spawn_blocking(move || cluster.stop()).await.unwrap();

    let private = seen.blobs.len() - released.len();
    assert!(seen.looks >= 2 && private >= 4, "{} looks, {private} private blobs", seen.looks);
    let searched = format!("cells searched for {} times in all files ({} MiB)", seen.looks, seen.bytes >> 20);
    figure("S7", (3 * CANARIES, searched.as_str()), &[(seen.hits, "found")]);
    let left = opens.iter().filter(|name| !released.contains(name)).count();
    figure("S7", (private, "deleted blobs of which copies were kept"), &[(left, "open with what is left")]);
    assert_eq!(opens, released, "what was released stays readable");
}

fn limit_of_core_dumps(process: u32) -> Vec<String> {
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).expect("Linux");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).expect("a limit");
    line.split_whitespace().map(str::to_owned).collect()
}

/// Neither the server nor its workers leave their memory on a disk when they die.
#[tokio::test]
async fn servers_and_workers_dump_no_core() {
    let (database, folder) = (fresh_database().await, scratch());
    let server = Server::start(&database.url, folder.path(), &[("DP2STAGE__WORKERS__LOCAL", "1")]);
    let began = Instant::now();
    let worker = loop {
        let pid: Option<i32> =
            sqlx::query_scalar("select pid from workers").fetch_optional(&database.pool).await.unwrap();
        if let Some(pid) = pid {
            break pid as u32;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "no worker");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    for process in [server.child.id(), worker] {
        assert_eq!(limit_of_core_dumps(process), ["0", "0", "bytes"], "soft and hard");
    }
    server.stop();
}
