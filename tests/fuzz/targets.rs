//! Eight ways in for hostile bytes, each with laws besides that nothing panics. The fuzzer calls them (`make fuzz`), and the
//! suite replays the corpus and mutations of it.

use dp2stage::privacy::{Certificate, Envelope, SigningKey};
use dp2stage::tabular::{
    Codec, Compact, Cursor, Declaration, Form, Mark, Next, Packing, ParquetReader, RowsReader, RowsWriter, Schema,
    Table, TableWriter, Text, Upload, UploadLimits, decode,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

/// Columns of every kind.
pub fn every_kind() -> Schema {
    let declared = json!({"columns": [
        {"name": "age", "type": "integer", "min": -5, "max": 120},
        {"name": "dose", "type": "number", "min": -1.5, "max": 10, "step": 0.25, "nullable": true},
        {"name": "ward", "type": "categorical", "categories": ["a", "b, \"c\"", "ä\nö"], "nullable": true},
        {"name": "day", "type": "datetime", "min": "2020-01-01", "max": "2026-12-31"},
        {"name": "ill", "type": "categorical", "categories": ["no", "yes"]},
    ], "target": "ill", "positive": "yes"});
    Declaration::from_json(&declared).expect("a schema").schema
}

/// What became of an upload: the rows that were handed on, and what was said in the end.
fn uploaded(
    schema: &Schema,
    (form, packing, persons): (Form, Packing, bool),
    pieces: &mut dyn Iterator<Item = &[u8]>,
) -> String {
    let limits = UploadLimits { table_bytes: 1 << 20, ..UploadLimits::default() };
    let mut upload = match form {
        Form::JsonLines => Upload::of_json_lines(schema, packing, limits),
        _ => Upload::new(schema, packing, limits),
    };
    if persons {
        upload = upload.of_persons("person");
    }
    let (mut rows, mut fit) = (0u64, true);
    let mut sink = |row: &[u32], _: &[u8]| {
        rows += 1;
        fit &=
            row.len() == schema.width() && schema.columns().iter().zip(row).all(|(column, &code)| column.holds(code));
    };
    let mut pushed = Ok(());
    for piece in pieces {
        pushed = upload.push(piece, &mut sink);
        if pushed.is_err() {
            break;
        }
    }
    let said = match pushed {
        Ok(()) => format!("{:?}", upload.finish(&mut sink)),
        Err(error) => format!("{error:?}"),
    };
    assert!(fit, "a row that does not fit the schema");
    said
}

/// A table, perhaps packed and of persons: how it is cut into pieces changes nothing that is said of it, but for which fault is
/// told of a packed one that is broken in two ways.
pub fn csv(bytes: &[u8]) {
    let packed = |how: u8| if how & 1 == 0 { Packing::Plain } else { Packing::Gzip };
    text(bytes, Form::Csv, packed);
}

/// A table of JSON Lines, likewise.
pub fn jsonl(bytes: &[u8]) {
    text(bytes, Form::JsonLines, |_| Packing::Plain);
}

/// A CSV that is packed by zstd, likewise.
pub fn zstd(bytes: &[u8]) {
    text(bytes, Form::Csv, |_| Packing::Zstd);
}

fn text(bytes: &[u8], form: Form, packing: impl Fn(u8) -> Packing) {
    let Some((&[how, cut], table)) = bytes.split_first_chunk::<2>() else { return };
    let schema = every_kind();
    let kind = (form, packing(how), how & 2 != 0);
    let whole = uploaded(&schema, kind, &mut std::iter::once(table));
    let pieces = uploaded(&schema, kind, &mut table.chunks(usize::from(cut) + 1));
    if kind.1 == Packing::Plain || whole.starts_with("Ok") || pieces.starts_with("Ok") {
        assert_eq!(whole, pieces, "pieces of {}", usize::from(cut) + 1);
    }
}

/// A Parquet file: what is read of it fits the schema, and comes back from a file of our own.
pub fn parquet(bytes: &[u8]) {
    let schema = every_kind();
    let Some(rows) = of_parquet(&schema, bytes) else { return };
    let mut writer = TableWriter::new(&schema, Form::Parquet, false);
    let mut file = writer.push(&Table::new(schema.width(), rows.concat())).expect("memory");
    file.append(&mut writer.finish().expect("memory"));
    assert!(of_parquet(&schema, &file).as_ref() == Some(&rows), "what was written reads otherwise");
}

/// The rows of a Parquet file, if all of it is right.
pub fn of_parquet(schema: &Schema, bytes: &[u8]) -> Option<Vec<Vec<u32>>> {
    let limits = UploadLimits { table_bytes: 1 << 24, rows: 100_000, ..UploadLimits::default() };
    let (mut reader, mut rows) = (ParquetReader::open(bytes, (schema, None), limits).ok()?, Vec::new());
    while reader.next_rows(&mut |row, _| rows.push(row.to_vec())).ok()? {}
    let summary = reader.finish().ok()?;
    assert_eq!(summary.rows, rows.len() as u64);
    let fits = |row: &Vec<u32>| schema.columns().iter().zip(row).all(|(column, &code)| column.holds(code));
    assert!(rows.iter().all(fits), "a row that does not fit the schema");
    Some(rows)
}

/// A schema as it is declared: what is taken comes back from JSON as it was.
pub fn schema(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice(bytes) else { return };
    let Ok(declaration) = Declaration::from_json(&value) else { return };
    let told = declaration.schema.to_json();
    let again = Declaration::from_json(&told).expect("what the service says of a schema");
    assert_eq!(again.schema.to_json(), told);
}

/// Stored rows: what is read is written again byte for byte.
pub fn rows(bytes: &[u8]) {
    let schema = every_kind();
    let whole = decode(bytes, &schema, None).is_ok();
    let Ok(mut reader) = RowsReader::new(bytes, &schema) else { return assert!(!whole) };
    let of_persons = bytes.get(8) == Some(&2);
    let mut writer = RowsWriter::new(Vec::new(), schema.width(), of_persons).expect("memory");
    let mut row = Vec::new();
    loop {
        match reader.next(&mut row) {
            Ok(Some(Mark { held_out, person })) => {
                writer.push(&row, Mark { held_out, person }).expect("memory");
            }
            Ok(None) => break,
            Err(_) => return assert!(!whole),
        }
    }
    assert_eq!(writer.into_inner(), bytes);
}

/// A row, written token by token as the bytes choose among what is offered: it ends, and fits the schema; one token that was
/// not offered changes nothing about that.
pub fn codec(bytes: &[u8]) {
    let schema = every_kind();
    let words = |text: &str| text.bytes().map(u32::from).collect::<Vec<u32>>();
    let text = Text::new(&schema, &words, 256, 257).expect("a codec");
    for codec in [Codec::Compact(Compact::new(&schema)), Codec::Text(text)] {
        let (mut cursor, mut rng): (Cursor, _) = (codec.start(), ChaCha8Rng::seed_from_u64(1));
        let mut choices = bytes.iter().copied().chain(std::iter::repeat(0));
        let mut tokens = 0;
        while codec.next(&cursor) != Next::End {
            tokens += 1;
            assert!(tokens <= 100_000, "a row without an end");
            let token = match codec.next(&cursor) {
                Next::Forced(token) => token,
                Next::Choice(_) => {
                    // Towards some value of the column.
                    let column = codec.column(&cursor).expect("a column");
                    let domain = &schema.columns()[column].domain;
                    let wanted = choices.by_ref().take(2).fold(0, |sum, byte| 256 * sum + u32::from(byte));
                    codec.toward(&cursor, wanted % domain.len() as u32)
                }
                Next::End => break,
            };
            codec.take(&mut cursor, token, &mut rng);
        }
        let fits = schema.columns().iter().zip(cursor.codes()).all(|(column, &code)| column.holds(code));
        assert!(fits, "{:?}", cursor.codes());
    }
}

/// An envelope of a certificate, and the certificate in one that was rightly signed.
pub fn certificate(bytes: &[u8]) {
    let key = SigningKey::from_seed(&[7; 32]);
    if let Ok(envelope) = serde_json::from_slice::<Envelope>(bytes) {
        let _ = Certificate::named_key(&envelope);
        assert!(Certificate::open(&envelope, &[key.public()]).is_err(), "nobody signed it");
    }
    if let Ok(certificate) = Certificate::open(&Envelope::sign(bytes, &key), &[key.public()]) {
        let _ = certificate.check();
    }
}
