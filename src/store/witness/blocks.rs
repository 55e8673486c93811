//! How many private blocks each job has begun, as pages of the storage.

use std::io;

use sqlx::PgPool;
use uuid::Uuid;

use crate::store::blobs::Blobs;
use crate::store::error::StoreError;
use crate::store::pool::aside;

/// The folder of all counts.
const COUNTS: &str = "blocks";

/// What a job has begun, as the database knows it.
#[derive(Clone, Copy)]
pub(super) struct Begun {
    pub job: Uuid,
    pub population: Uuid,
    pub blocks: i32,
}

/// Blocks that a job is witnessed to have begun.
fn read(blobs: &Blobs, job: Uuid) -> io::Result<i32> {
    let Some(bytes) = blobs.page(&format!("{COUNTS}/{job}"))? else { return Ok(0) };
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a witnessed number of blocks cannot be read");
    std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok()).ok_or_else(damaged)
}

/// Witnesses what a job has begun; says whether the database knows of everything that is witnessed. Only the holder of
/// its lease begins blocks, so nobody writes a smaller number over a larger one.
pub(super) fn write(blobs: &Blobs, begun: &Begun) -> io::Result<bool> {
    let witnessed = read(blobs, begun.job)?;
    if begun.blocks > witnessed {
        blobs.replace_page(&format!("{COUNTS}/{}", begun.job), begun.blocks.to_string().as_bytes())?;
    }
    Ok(begun.blocks >= witnessed)
}

/// Unfinished jobs, with their populations, that had begun more blocks than the database knows.
pub(super) async fn set_back(pool: &PgPool, blobs: &Blobs) -> Result<Vec<(Uuid, Uuid)>, StoreError> {
    let begun = sqlx::query_as!(
        Begun,
        "select id as job, population_id as population, blocks_claimed as blocks from jobs
         where status in ('queued', 'running') order by id",
    );
    let (begun, storage) = (begun.fetch_all(pool).await?, blobs.clone());
    aside(move || {
        let mut back = Vec::new();
        for job in &begun {
            if read(&storage, job.job)? > job.blocks {
                back.push((job.population, job.job));
            }
        }
        Ok(back)
    })
    .await
}
