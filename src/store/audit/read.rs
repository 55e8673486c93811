//! Reading lines: for the eye, and from the first one on.

use sqlx::PgPool;
use time::OffsetDateTime;

use super::entry::{AuditCompletion, AuditEntry, AuditLine, AuditOpening};
use super::trail::{AuditFault, AuditFindings, AuditReading};
use crate::privacy::Digest;
use crate::store::error::StoreError;
use crate::store::scope::Scope;

/// Lines that are read at a time.
const PIECE: i64 = 5000;

/// A line as the database has it.
struct Row {
    seq: i64,
    opened: Option<i64>,
    at_micros: i64,
    request_id: Option<String>,
    key_id: Option<String>,
    role: Option<String>,
    tenant: Option<String>,
    method: Option<String>,
    route: Option<String>,
    objects: Vec<String>,
    status: Option<i32>,
    digest: Vec<u8>,
}

impl TryFrom<Row> for AuditEntry {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let unreadable = || StoreError::Unreadable("the audit log");
        let line = match (row.opened, row.request_id, row.role, row.tenant, row.method, row.route) {
            (Some(opened), None, None, None, None, None) => {
                let status = row.status.map(u16::try_from).transpose().map_err(|_| unreadable())?;
                AuditLine::Completed(AuditCompletion { opened, status, objects: row.objects })
            }
            (None, Some(request_id), Some(role), Some(tenant), Some(method), Some(route)) => {
                let (key, objects) = (row.key_id, row.objects);
                AuditLine::Opened(AuditOpening { request_id, key, role, tenant, method, route, objects })
            }
            _ => return Err(unreadable()),
        };
        let digest = row.digest.try_into().map_err(|_| unreadable())?;
        Ok(Self { seq: row.seq, at_micros: row.at_micros, line, digest })
    }
}

/// At most `limit` lines after this one, in their order.
///
/// # Errors
/// Database faults; [`StoreError::Unreadable`] for a line that no program of ours wrote.
pub async fn audit_after(pool: &PgPool, seq: i64, limit: i64) -> Result<Vec<AuditEntry>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "select seq, opened, at_micros, request_id, key_id, role, tenant, method, route, objects, status, digest
         from audit_entries where seq > $1 order by seq limit $2",
        seq,
        limit,
    );
    rows.fetch_all(pool).await?.into_iter().map(AuditEntry::try_from).collect()
}

/// How many lines the log has, and the digest of the last one.
///
/// # Errors
/// Database faults only.
pub async fn audit_end(pool: &PgPool) -> Result<(i64, Digest), StoreError> {
    let end = sqlx::query!("select entries, head from audit_head").fetch_one(pool).await?;
    Ok((end.entries, end.head.try_into().map_err(|_| StoreError::Unreadable("the audit log"))?))
}

/// Reads the log from its first line to where it ends now. More may be written meanwhile.
///
/// # Errors
/// Database faults; what is wrong with the log is in the answer.
pub async fn verify_audit(pool: &PgPool) -> Result<Result<AuditFindings, AuditFault>, StoreError> {
    let (end, mut reading, mut seq) = (audit_end(pool).await?, AuditReading::default(), 0);
    while seq < end.0 {
        let lines = match audit_after(pool, seq, PIECE.min(end.0 - seq)).await {
            Err(StoreError::Unreadable(_)) => {
                return Ok(Err(AuditFault { seq, what: "what comes after it cannot be read" }));
            }
            lines => lines?,
        };
        for line in &lines {
            if let Err(fault) = reading.take(line) {
                return Ok(Err(fault));
            }
        }
        match lines.last() {
            Some(last) => seq = last.seq,
            None => break,
        }
    }
    // Lines behind the end would be read by the next one who appends.
    let beyond = sqlx::query_scalar!(
        r#"select exists (select from audit_entries where seq > (select entries from audit_head)) as "beyond!""#
    );
    if beyond.fetch_one(pool).await? {
        return Ok(Err(AuditFault { seq: end.0, what: "there are lines behind the end of the log" }));
    }
    Ok(reading.end(end))
}

/// Which requests.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// About something with this id.
    pub object: Option<String>,
    /// Sent with this key.
    pub key: Option<String>,
    /// Opened then or later.
    pub since: Option<OffsetDateTime>,
    /// Opened before.
    pub until: Option<OffsetDateTime>,
    /// Never completed.
    pub open: bool,
    /// Opened before this line: lists run from the newest to the oldest.
    pub before: Option<i64>,
}

/// A request, from both of its lines.
#[derive(Clone, Debug)]
pub struct Audited {
    /// The number of the first line.
    pub seq: i64,
    /// When that was written, in microseconds of Unix time.
    pub at_micros: i64,
    /// Who asked for what.
    pub opening: AuditOpening,
    /// When it was completed, in microseconds of Unix time; none when it was not.
    pub completed_micros: Option<i64>,
    /// The status of the answer.
    pub status: Option<i32>,
    /// Ids of what was made or touched.
    pub touched: Vec<String>,
}

/// Whether every line is about requests and commands on behalf of this tenant.
///
/// # Errors
/// Database faults only.
pub async fn audit_is_of(pool: &PgPool, tenant: &str) -> Result<bool, StoreError> {
    let ends = sqlx::query!("select min(tenant) as least, max(tenant) as most from audit_entries where opened is null");
    let ends = ends.fetch_one(pool).await?;
    Ok([ends.least, ends.most].into_iter().flatten().all(|of| of == tenant))
}

/// Requests from the newest to the oldest, at most `limit`.
///
/// # Errors
/// Database faults only.
pub async fn list_audit(scope: &impl Scope, filter: &AuditFilter, limit: i64) -> Result<Vec<Audited>, StoreError> {
    let micros = |time: Option<OffsetDateTime>| time.map(|t| (t.unix_timestamp_nanos() / 1000) as i64);
    let rows = sqlx::query!(
        r#"select o.seq, o.at_micros, o.request_id as "request_id!", o.key_id, o.role as "role!", o.tenant as "tenant!",
                  o.method as "method!", o.route as "route!", o.objects, c.at_micros as "completed_micros?",
                  c.status as "status?", c.objects as "touched?"
           from audit_entries o left join audit_entries c on c.opened = o.seq
           where o.opened is null
                 and ($1::text is null or o.seq = any (array(
                     select coalesce(e.opened, e.seq) from audit_entries e where e.objects @> array[$1])))
                 and ($2::text is null or o.key_id = $2)
                 and ($3::bigint is null or o.at_micros >= $3)
                 and ($4::bigint is null or o.at_micros < $4)
                 and (not $5 or c.seq is null)
                 and ($6::bigint is null or o.seq < $6)
           order by o.seq desc limit $7"#,
        filter.object,
        filter.key,
        micros(filter.since),
        micros(filter.until),
        filter.open,
        filter.before,
        limit,
    )
    .fetch_all(&mut *scope.begin().await?)
    .await?;
    let view = rows.into_iter().map(|row| Audited {
        seq: row.seq,
        at_micros: row.at_micros,
        opening: AuditOpening {
            request_id: row.request_id,
            key: row.key_id,
            role: row.role,
            tenant: row.tenant,
            method: row.method,
            route: row.route,
            objects: row.objects,
        },
        completed_micros: row.completed_micros,
        status: row.status,
        touched: row.touched.unwrap_or_default(),
    });
    Ok(view.collect())
}
