//! What sealing costs: a blob that is written and read, beside a plain file with a digest, synced as well.
//!
//! `cargo bench --bench sealed`.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dp2stage::store::{Blob, Blobs, KeySource, Keyring};
use sha2::{Digest, Sha256};

/// Bytes of content.
const SIZE: usize = 256 << 20;
/// Bytes of a row, as an upload writes it.
const ROW: usize = 32;

/// Writes the content row by row.
fn fill(mut out: impl Write) -> io::Result<()> {
    let row: Vec<u8> = (0..ROW as u8).collect();
    (0..SIZE / ROW).try_for_each(|_| out.write_all(&row))
}

/// A file as blobs were before they were sealed.
struct Plain {
    file: BufWriter<File>,
    digest: Sha256,
}

impl Write for Plain {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn plain(path: &Path) -> io::Result<()> {
    let mut out = Plain { file: BufWriter::with_capacity(1 << 18, File::create(path)?), digest: Sha256::new() };
    fill(&mut out)?;
    out.flush()?;
    black_box(out.digest.finalize());
    out.file.get_ref().sync_all()
}

fn sealed(blobs: &Blobs) -> io::Result<Blob> {
    let mut out = blobs.create()?;
    fill(&mut out)?;
    Ok(out.publish()?.blob)
}

/// Reads to the end, as a worker does.
fn drain(mut input: impl Read, mut digest: Option<Sha256>) -> io::Result<()> {
    let mut piece = vec![0; 1 << 16];
    loop {
        let read = input.read(&mut piece)?;
        if read == 0 {
            black_box(digest.map(Sha256::finalize));
            return Ok(());
        }
        if let Some(digest) = &mut digest {
            digest.update(&piece[..read]);
        }
    }
}

fn bench(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = Keyring::of_or_new(&KeySource::File(folder.path().join("keys/storage"))).expect("a key");
    let blobs = Blobs::open(&folder.path().join("blobs"), keys).expect("a folder");
    let path = folder.path().join("plain");
    let mut group = c.benchmark_group("256 MiB");
    group.throughput(Throughput::Bytes(SIZE as u64)).sample_size(10);
    group.bench_function("written plain", |b| b.iter(|| plain(&path).expect("written")));
    group.bench_function("written sealed", |b| {
        b.iter(|| {
            let blob = sealed(&blobs).expect("written");
            blobs.remove(&blob.name).expect("removed");
        });
    });
    let blob = sealed(&blobs).expect("written");
    group.bench_function("read plain", |b| {
        b.iter(|| {
            drain(BufReader::with_capacity(1 << 18, File::open(&path).expect("there")), Some(Sha256::new()))
                .expect("read")
        });
    });
    group.bench_function("read sealed", |b| b.iter(|| drain(blobs.reader(&blob).expect("there"), None).expect("read")));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
