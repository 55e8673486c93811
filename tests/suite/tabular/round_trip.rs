//! What goes out comes in again: CSV text, stored rows, declarations.

use std::sync::Arc;

use dp2stage::tabular::{
    Code, CsvText, Declaration, Mark, Packing, RowsError, RowsWriter, Schema, Table, Upload, UploadLimits, decode,
};
use proptest::prelude::*;

use super::strategies;

fn codes(table: &Table) -> Vec<Vec<Code>> {
    table.iter().map(<[Code]>::to_vec).collect()
}

fn stored(schema: &Schema, table: &Table, held_out: impl Fn(usize) -> bool) -> Vec<u8> {
    let mut writer = RowsWriter::new(Vec::new(), schema.width(), false).unwrap();
    for (i, row) in table.iter().enumerate() {
        writer.push(row, Mark { held_out: held_out(i), person: None }).unwrap();
    }
    writer.into_inner()
}

proptest! {
    #[test]
    fn exported_text_reads_as_the_same_codes((schema, rows) in strategies::rows(1), piece in 1usize..5000) {
        let table = strategies::table(&schema, &rows);
        let text: String = CsvText::new(&schema, &table, None).raw(true).collect();
        let (mut upload, mut read) = (Upload::new(&schema, Packing::Plain, UploadLimits::default()), Vec::new());
        let mut sink = |row: &[Code], _: &[u8]| read.push(row.to_vec());
        for bytes in text.as_bytes().chunks(piece) {
            upload.push(bytes, &mut sink).unwrap();
        }
        prop_assert_eq!(upload.finish(&mut sink).unwrap().rows as usize, table.rows());
        prop_assert_eq!(read, rows);
    }

    #[test]
    fn stored_rows_read_as_the_same_codes((schema, rows) in strategies::rows(0), split in any::<u32>()) {
        let held_out = |i: usize| split >> (i % 32) & 1 == 1;
        let bytes = stored(&schema, &strategies::table(&schema, &rows), held_out);
        let read = decode(&bytes[..], &schema, None).unwrap();
        let part = |side: bool| -> Vec<Vec<Code>> {
            rows.iter().enumerate().filter(|(i, _)| held_out(*i) == side).map(|(_, row)| row.clone()).collect()
        };
        prop_assert_eq!(codes(&read.train), part(false));
        prop_assert_eq!(codes(&read.held_out), part(true));
    }

    #[test]
    fn stored_rows_never_decode_to_what_the_schema_does_not_hold(
        (schema, rows) in strategies::rows(1),
        at in any::<prop::sample::Index>(),
        change in 1u8..,
    ) {
        let mut bytes = stored(&schema, &strategies::table(&schema, &rows), |_| false);
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        if let Ok(rows) = decode(&bytes[..], &schema, None) {
            let held = |row: &[Code]| schema.columns().iter().zip(row).all(|(column, &code)| column.holds(code));
            prop_assert!(rows.train.iter().chain(rows.held_out.iter()).all(held));
            prop_assert!(at >= 16, "a changed header was accepted");
        }
        bytes.truncate(bytes.len() - 1);
        prop_assert!(decode(&bytes[..], &schema, None).is_err());
    }

    #[test]
    fn a_schema_is_what_its_json_declares(schema in strategies::schema()) {
        let json: serde_json::Value = serde_json::from_str(&schema.to_json().to_string()).unwrap();
        let declaration = Declaration::from_json(&json).unwrap();
        prop_assert_eq!(&declaration.schema, &schema);
        prop_assert!(declaration.ignored.is_empty());
        prop_assert_eq!(declaration.schema.to_json(), schema.to_json());
    }
}

fn clinic() -> (Schema, Table) {
    let schema = Declaration::from_json(&super::corpus::schema()).unwrap().schema;
    let mut table = Table::new(schema.width(), Vec::new());
    for i in 0..5000 {
        table.push(&[i % 74, i % 3001, if i % 5 == 0 { u32::MAX } else { i % 3 }, i % 2557, i, i % 2]);
    }
    (schema, table)
}

#[test]
fn export_gives_whole_lines_in_chunks_and_as_many_rows_as_asked() {
    let (schema, table) = clinic();
    let chunks: Vec<String> = CsvText::new(Arc::new(schema.clone()), Arc::new(table.clone()), None).collect();
    assert!(chunks.len() > 1 && chunks.iter().all(|chunk| chunk.ends_with('\n') && chunk.len() < 128 * 1024));
    assert_eq!(chunks.concat().lines().count(), 5001);
    for (asked, lines) in [(0, 1), (3, 4), (9999, 5001)] {
        let text: String = CsvText::new(&schema, &table, Some(asked)).collect();
        assert_eq!(text.lines().count(), lines);
        assert!(chunks.concat().starts_with(&text));
    }
    let head: String = CsvText::new(&schema, &table, Some(3)).collect();
    let expected = "age,weight,ward,admitted,seen,outcome\n17,0.0,,2020-01-01,2024-01-01T00:00:00Z,yes\n\
                    18,0.1,B,2020-01-02,2024-01-01T01:00:00Z,no\n\
                    19,0.2,\"St. John, \"\"east\"\"\",2020-01-03,2024-01-01T02:00:00Z,yes\n";
    assert_eq!(head, expected);
}

#[test]
fn stored_rows_of_another_kind_are_refused() {
    let (schema, table) = clinic();
    let bytes = stored(&schema, &table, |_| false);
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        decode(&bytes[..], &schema, None).err().unwrap()
    };
    assert_eq!(refused(&|b| b.truncate(15)), RowsError::Format);
    assert_eq!(refused(&|b| b[0] = b'D'), RowsError::Format);
    assert_eq!(refused(&|b| b[8] = 2), RowsError::Format);
    assert_eq!(refused(&|b| b[8] = 3), RowsError::Format);
    assert_eq!(refused(&|b| b[12] = 7), RowsError::Width { stored: 7, declared: 6 });
    assert_eq!(refused(&|b| b[16 + 28 + 3] = 1), RowsError::Row { row: 2 });
    assert_eq!(refused(&|b| b[16 + 24] = 2), RowsError::Row { row: 1 });
    assert_eq!(refused(&|b| b.truncate(b.len() - 1)), RowsError::Truncated { row: 5000 });
    // A missing cell in a column that has none.
    assert_eq!(refused(&|b| b[16..20].fill(0xff)), RowsError::Row { row: 1 });
    assert!(RowsWriter::new(Vec::new(), 6, false).unwrap().push(&[0; 5], Mark::default()).is_err());
}
