//! Tables of persons: whose rows they are, how many of each count, and what is said about it.

use std::num::NonZeroU32;

use dp2stage::tabular::{
    Code, Declaration, Mark, Packing, Pseudonym, Rows, RowsError, RowsWriter, Schema, TableError, Upload, UploadError,
    UploadLimits, decode,
};
use proptest::prelude::*;

use super::corpus;

fn schema() -> Schema {
    let json = serde_json::json!({"columns": [{"name": "n", "type": "integer", "min": 0, "max": 9999}]});
    Declaration::from_json(&json).unwrap().schema
}

fn most(rows: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(rows)
}

/// Row i of the table holds i, and is this person's.
fn stored(persons: &[u8], held_out: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut writer = RowsWriter::new(Vec::new(), 1, true).unwrap();
    for (i, &person) in persons.iter().enumerate() {
        let mark = Mark { held_out: held_out(person), person: Some([person; 16]) };
        writer.push(&[i as Code], mark).unwrap();
    }
    writer.into_inner()
}

/// The rows of every person, in the order of the table.
fn by_person(rows: &Rows) -> Vec<Vec<Code>> {
    let groups = rows.persons.as_ref().unwrap();
    (0..groups.len()).map(|i| groups.rows(i).map(|row| rows.train.row(row)[0]).collect()).collect()
}

proptest! {
    #[test]
    fn the_first_rows_of_each_person_count(persons in prop::collection::vec(0u8..12, 0..200), cap in 1u32..6) {
        let rows = decode(&stored(&persons, |_| false)[..], &schema(), most(cap)).unwrap();
        let mut seen = Vec::new();
        persons.iter().for_each(|person| if !seen.contains(person) { seen.push(*person) });
        let of = |who: u8| persons.iter().enumerate().filter(move |(_, p)| **p == who).map(|(i, _)| i as Code);
        let expected: Vec<Vec<Code>> = seen.iter().map(|&who| of(who).take(cap as usize).collect()).collect();
        prop_assert_eq!(by_person(&rows), expected);
        let counted: usize = seen.iter().map(|&who| of(who).count().min(cap as usize)).sum();
        prop_assert_eq!(rows.train.rows(), counted);
    }

    /// The neighbouring relation: without one person everybody else's rows are what they were, and on
    /// the side where they were.
    #[test]
    fn nobody_depends_on_anybody_else(persons in prop::collection::vec(0u8..12, 1..200), cap in 1u32..6, gone in 0u8..12) {
        let held_out = |person: u8| person.is_multiple_of(3);
        let all = decode(&stored(&persons, held_out)[..], &schema(), most(cap)).unwrap();
        // Numbers of rows are kept by writing the other rows of the same table.
        let mut writer = RowsWriter::new(Vec::new(), 1, true).unwrap();
        for (i, &person) in persons.iter().enumerate().filter(|(_, p)| **p != gone) {
            let mark = Mark { held_out: held_out(person), person: Some([person; 16]) };
            writer.push(&[i as Code], mark).unwrap();
        }
        let less = decode(&writer.into_inner()[..], &schema(), most(cap)).unwrap();
        let without = |rows: Vec<Vec<Code>>| -> Vec<Vec<Code>> {
            rows.into_iter().filter(|rows| persons[rows[0] as usize] != gone).collect()
        };
        prop_assert_eq!(by_person(&less), without(by_person(&all)));
        let kept = |row: &&[Code]| persons[row[0] as usize] != gone;
        prop_assert!(less.held_out.iter().eq(all.held_out.iter().filter(kept)));
    }
}

#[test]
fn a_table_of_the_other_kind_is_refused() {
    let of_persons = stored(&[1, 1, 2], |_| false);
    assert_eq!(decode(&of_persons[..], &schema(), None).err(), Some(RowsError::Format));
    let mut writer = RowsWriter::new(Vec::new(), 1, false).unwrap();
    assert!(writer.push(&[1], Mark { held_out: false, person: Some([1; 16]) }).is_err());
    writer.push(&[1], Mark::default()).unwrap();
    assert_eq!(decode(&writer.into_inner()[..], &schema(), most(3)).err(), Some(RowsError::Format));
    let mut writer = RowsWriter::new(Vec::new(), 1, true).unwrap();
    assert!(writer.push(&[1], Mark::default()).is_err());
    let cut = &of_persons[..of_persons.len() - 1];
    assert_eq!(decode(cut, &schema(), most(3)).err(), Some(RowsError::Truncated { row: 3 }));
}

type Read = Vec<(Vec<Code>, Vec<u8>)>;

fn upload(body: &str, piece: usize) -> Result<Read, TableError> {
    let schema = Declaration::from_json(&corpus::schema()).unwrap().schema;
    let mut upload = Upload::new(&schema, Packing::Plain, UploadLimits::default()).of_persons("who");
    let mut read = Vec::new();
    let mut sink = |row: &[Code], person: &[u8]| read.push((row.to_vec(), person.to_vec()));
    let fault = |error| match error {
        UploadError::Csv(error) => error,
        other => panic!("{other}"),
    };
    for bytes in body.as_bytes().chunks(piece) {
        upload.push(bytes, &mut sink).map_err(fault)?;
    }
    upload.finish(&mut sink).map_err(fault)?;
    Ok(read)
}

#[test]
fn the_column_of_persons_may_stand_anywhere_and_is_no_cell() {
    const CELLS: &str = "42,71.5,A,2024-02-29,2024-05-01T13:00:00Z,yes";
    const HEADER: &str = "age,weight,ward,admitted,seen,outcome";
    let first = format!("who,{HEADER}\np1,{CELLS}\n\" p,2 \",{CELLS}\n");
    let last = format!("{HEADER}, who \n{CELLS},p1\n{CELLS},\"p,2\"\n");
    for piece in [1, 7, 4096] {
        let read = upload(&first, piece).unwrap();
        assert_eq!(read, upload(&last, piece).unwrap());
        let persons: Vec<&[u8]> = read.iter().map(|(_, person)| &person[..]).collect();
        assert_eq!(persons, [&b"p1"[..], b"p,2"], "blanks around it do not count");
        assert!(read.iter().all(|(row, _)| row.len() == 6));
    }
    let (row, column) = (|e: &TableError| e.problems[0].row, |e: &TableError| e.problems[0].column.clone());
    let missing = upload(&format!("{HEADER}\n{CELLS}\n"), 100).unwrap_err();
    assert_eq!((row(&missing), column(&missing).as_deref()), (0, Some("who")));
    let twice = upload(&format!("who,{HEADER},who\np1,{CELLS},p2\n"), 100).unwrap_err();
    assert_eq!((row(&twice), column(&twice).as_deref()), (0, Some("who")));
    for nobody in ["", "  ", "\" \""] {
        let error = upload(&format!("who,{HEADER}\np1,{CELLS}\n{nobody},{CELLS}\n"), 100).unwrap_err();
        assert_eq!((row(&error), column(&error).as_deref()), (2, Some("who")));
        assert!(error.problems[0].reason.contains("whose"), "{error:?}");
    }
    let long = upload(&format!("who,{HEADER}\n{},{CELLS}\n", "zq9canary".repeat(1000)), 100).unwrap_err();
    assert!(!format!("{long:?} {long}").contains("zq9canary"));
    assert_eq!((row(&long), column(&long).as_deref()), (1, Some("who")));
    let short = upload(&format!("who,{HEADER}\n{CELLS}\n"), 100).unwrap_err();
    assert!(short.problems[0].reason.contains("6 fields, but 7"), "{short:?}");
    let shifted = upload(&format!("who,{HEADER}\np1,zq9canary,71.5,A,2024-02-29,2024-05-01T13:00:00Z,yes\n"), 100);
    assert_eq!(column(&shifted.unwrap_err()).as_deref(), Some("age"));
}

#[test]
fn pseudonyms_are_stored_as_they_are() {
    let tag: Pseudonym = std::array::from_fn(|i| i as u8);
    let mut writer = RowsWriter::new(Vec::new(), 1, true).unwrap();
    writer.push(&[5], Mark { held_out: true, person: Some(tag) }).unwrap();
    let bytes = writer.into_inner();
    let schema = schema();
    let mut reader = dp2stage::tabular::RowsReader::new(&bytes[..], &schema).unwrap();
    let mut codes = Vec::new();
    assert_eq!(reader.next(&mut codes).unwrap(), Some(Mark { held_out: true, person: Some(tag) }));
    assert_eq!((codes, reader.next(&mut Vec::new()).unwrap()), (vec![5], None));
}
