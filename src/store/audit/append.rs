//! Appending lines: many at a time, under the lock of the log's end.

use sqlx::{Connection, PgConnection};

use super::entry::{AuditCompletion, AuditEntry, AuditLine, AuditOpening};
use crate::privacy::Digest;
use crate::store::edges::commit;
use crate::store::error::StoreError;

/// Appends lines in one transaction and gives their numbers, in the same order.
///
/// # Errors
/// Database faults only; then nothing was written, unless the answer to the commit was lost.
pub async fn append_audit(connection: &mut PgConnection, lines: Vec<AuditLine>) -> Result<Vec<i64>, StoreError> {
    let mut tx = connection.begin().await?;
    let numbers = append_lines(&mut tx, lines).await?;
    commit(tx, "audit").await?;
    Ok(numbers)
}

/// Appends lines within a transaction of somebody's, who ends it soon: the end of the log is locked until then.
pub(in crate::store) async fn append_lines(
    tx: &mut PgConnection,
    lines: Vec<AuditLine>,
) -> Result<Vec<i64>, StoreError> {
    let end = sqlx::query!(
        r#"select entries, head, (extract(epoch from clock_timestamp()) * 1000000)::bigint as "micros!"
           from audit_head for update"#
    )
    .fetch_one(&mut *tx)
    .await?;
    let mut head: Digest = end.head.try_into().map_err(|_| StoreError::Unreadable("the audit log"))?;
    let mut entries = Vec::with_capacity(lines.len());
    for (line, seq) in lines.into_iter().zip(end.entries + 1..) {
        let entry = AuditEntry::after(&head, (seq, end.micros), line);
        head = entry.digest;
        entries.push(entry);
    }
    insert(&mut *tx, end.micros, &entries).await?;
    let last = end.entries + entries.len() as i64;
    sqlx::query!("update audit_head set entries = $1, head = $2", last, head.as_slice()).execute(&mut *tx).await?;
    Ok(entries.iter().map(|entry| entry.seq).collect())
}

/// Lines column by column, as one statement takes them.
#[derive(Default)]
struct Columns {
    seq: Vec<i64>,
    opened: Vec<Option<i64>>,
    /// Request, key, role, tenant, method, route.
    who: [Vec<Option<String>>; 6],
    objects: Vec<String>,
    status: Vec<Option<i32>>,
    digest: Vec<Vec<u8>>,
}

impl Columns {
    fn push(&mut self, entry: &AuditEntry) {
        self.seq.push(entry.seq);
        self.digest.push(entry.digest.to_vec());
        let (who, objects) = match &entry.line {
            AuditLine::Opened(AuditOpening { request_id, key, role, tenant, method, route, objects }) => {
                self.opened.push(None);
                self.status.push(None);
                (Some([Some(request_id), key.as_ref(), Some(role), Some(tenant), Some(method), Some(route)]), objects)
            }
            AuditLine::Completed(AuditCompletion { opened, status, objects }) => {
                self.opened.push(Some(*opened));
                self.status.push(status.map(i32::from));
                (None, objects)
            }
        };
        for (column, text) in self.who.iter_mut().zip(who.unwrap_or_default()) {
            column.push(text.cloned());
        }
        self.objects.push(objects.join(" "));
    }
}

async fn insert(tx: &mut PgConnection, micros: i64, entries: &[AuditEntry]) -> Result<(), StoreError> {
    let mut columns = Columns::default();
    entries.iter().for_each(|entry| columns.push(entry));
    let Columns { seq, opened, who: [request, key, role, tenant, method, route], objects, status, digest } = columns;
    sqlx::query!(
        "insert into audit_entries (seq, opened, at_micros, request_id, key_id, role, tenant, method, route, objects,
                                    status, digest)
         select line.seq, line.opened, $12::bigint, line.request_id, line.key_id, line.role, line.tenant, line.method,
                line.route, string_to_array(line.objects, ' '), line.status, line.digest
         from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::text[], $10::integer[], $11::bytea[])
              as line (seq, opened, request_id, key_id, role, tenant, method, route, objects, status, digest)",
        &seq[..],
        &opened as &[Option<i64>],
        &request as &[Option<String>],
        &key as &[Option<String>],
        &role as &[Option<String>],
        &tenant as &[Option<String>],
        &method as &[Option<String>],
        &route as &[Option<String>],
        &objects[..],
        &status as &[Option<i32>],
        &digest[..],
        micros,
    )
    .execute(tx)
    .await?;
    Ok(())
}
