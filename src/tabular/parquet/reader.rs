//! A Parquet file to rows of codes.

use std::io;

use super::cursor::Cursor;
use super::footer::{self, DAMAGED, Footer};
use super::limits;
use super::pages::{Pages, Trouble, allowed};
use super::source::Source;
use crate::tabular::header::unknown;
use crate::tabular::judge::Judge;
use crate::tabular::{Code, Schema, Summary, TableProblem, UploadError, UploadLimits};

const MAGIC: &[u8; 4] = b"PAR1";
/// How files begin and end whose footer is encrypted.
const ENCRYPTED: &[u8; 4] = b"PARE";
/// Columns that are not declared and are told one by one.
const MOST_UNKNOWN: usize = 10;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ParquetError {
    /// It is not what was declared, or damaged, or larger than allowed.
    #[error(transparent)]
    Refused(#[from] UploadError),
    /// What keeps it is at fault.
    #[error("a file could not be read: {0}")]
    Source(io::Error),
}

/// A reader of a file that is there as a whole. It holds the pages at hand of all columns and the footer, within limits of
/// its own.
pub struct ParquetReader<S> {
    pages: Pages<S>,
    footer: Footer,
    judge: Judge,
    /// For each column, which one of the file it is.
    places: Vec<usize>,
    group: usize,
    person: Vec<u8>,
}

impl<S: Source> ParquetReader<S> {
    /// Begins with the footer: its columns must be those of the schema, in any order, and that of persons, if there is one.
    ///
    /// # Errors
    /// [`ParquetError`].
    pub fn open(
        source: S,
        (schema, person): (&Schema, Option<&str>),
        limits: UploadLimits,
    ) -> Result<Self, ParquetError> {
        let (mut pages, mut judge) = (Pages::new(source, &limits), Judge::new(schema, limits));
        if let Some(person) = person {
            judge.of_persons(person);
        }
        let footer = match read_footer(pages.source()) {
            Ok(footer) => footer,
            Err(Trouble::Source(error)) => return Err(ParquetError::Source(error)),
            Err(Trouble::Words(words)) => return Err(refused(&mut judge, vec![TableProblem::of_row(0, words)])),
        };
        let places = match places(&footer, &judge.names()) {
            Ok(places) => places,
            Err(problems) => return Err(refused(&mut judge, problems)),
        };
        if let Some(reason) = too_many(&footer, pages.source().length(), &limits) {
            return Err(refused(&mut judge, vec![TableProblem::of_row(0, reason)]));
        }
        Ok(Self { pages, footer, judge, places, group: 0, person: Vec::new() })
    }

    /// Reads the next rows, some thousands usually, and gives each to `sink`, in schema order, with the text of its person's
    /// cell, or with nothing where there is none; none after a problem. Says whether there may be more.
    ///
    /// # Errors
    /// [`ParquetError`] as soon as nothing can mend the upload. The reader is of no use afterwards.
    pub fn next_rows(&mut self, sink: &mut impl FnMut(&[Code], &[u8])) -> Result<bool, ParquetError> {
        let Some(group) = self.footer.groups.get(self.group) else { return Ok(false) };
        self.group += 1;
        let (rows, mut cursors) = (group.rows, Vec::with_capacity(self.places.len()));
        for (column, &place) in self.places.iter().enumerate() {
            let cursor = Cursor::new(column, &self.footer.leaves[place], &group.chunks[place]);
            match cursor {
                Ok(cursor) => cursors.push(cursor),
                Err(words) => return Err(self.trouble(column, words.into())),
            }
        }
        for _ in 0..rows {
            self.judge.begin_row().map_err(UploadError::Parquet)?;
            self.person.clear();
            for cursor in &mut cursors {
                match cursor.next(&mut self.pages, &mut self.judge, &mut self.person) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(trouble) => return Err(self.trouble(cursor.column(), trouble)),
                }
            }
            self.judge.end_row(&self.person, sink).map_err(UploadError::Parquet)?;
        }
        for cursor in cursors {
            let column = cursor.column();
            cursor.finish(&mut self.pages).map_err(|trouble| self.trouble(column, trouble))?;
        }
        Ok(self.group < self.footer.groups.len())
    }

    /// Ends the table.
    ///
    /// # Errors
    /// [`ParquetError::Refused`] with every problem, among them a table without rows.
    pub fn finish(self) -> Result<Summary, ParquetError> {
        Ok(self.judge.finish("the file has no rows").map_err(UploadError::Parquet)?)
    }

    fn trouble(&mut self, column: usize, trouble: Trouble) -> ParquetError {
        match trouble {
            Trouble::Source(error) => ParquetError::Source(error),
            Trouble::Words(words) => {
                let problem = TableProblem::of_cell(self.judge.rows(), self.judge.name_of(column), words);
                UploadError::Parquet(self.judge.stop(problem)).into()
            }
        }
    }
}

fn refused(judge: &mut Judge, problems: Vec<TableProblem>) -> ParquetError {
    UploadError::Parquet(judge.stop_for(problems)).into()
}

fn read_footer<S: Source>(source: &mut S) -> Result<Footer, Trouble> {
    let length = source.length();
    let (mut head, mut tail) = ([0; 4], [0; 8]);
    if length < 12 {
        return Err("the file is too short to be Parquet".into());
    }
    source.read_at(0, &mut head)?;
    source.read_at(length - 8, &mut tail)?;
    let (size, magic) = tail.split_at(4);
    if &head == ENCRYPTED || magic == ENCRYPTED {
        let words = "the file is encrypted in the way of Parquet: write it without encryption, the service encrypts what it stores";
        return Err(words.into());
    }
    if &head != MAGIC {
        return Err("the file is not Parquet, which begins with PAR1: send it with the Content-Type that it has".into());
    }
    if magic != MAGIC {
        return Err("the file is cut short, or not written to its end: a Parquet file ends with PAR1".into());
    }
    let size = size.iter().rev().fold(0, |all, &byte| all << 8 | u64::from(byte));
    let before = (length - 8).checked_sub(size).filter(|&before| before >= 4).ok_or(DAMAGED)?;
    if size > limits::FOOTER {
        return Err("the footer of the file is longer than 8 MiB: write fewer and larger row groups".into());
    }
    let mut bytes = vec![0; size as usize];
    source.read_at(before, &mut bytes)?;
    Ok(footer::read(&bytes, before)?)
}

/// For each name, which column of the file it is.
fn places(footer: &Footer, names: &[&str]) -> Result<Vec<usize>, Vec<TableProblem>> {
    let (mut places, mut problems, mut strangers) = (vec![None; names.len()], Vec::new(), Vec::new());
    for (i, leaf) in footer.leaves.iter().enumerate() {
        let found = names.iter().position(|name| name.as_bytes() == leaf.name);
        let found = found.or_else(|| names.iter().position(|name| name.as_bytes() == leaf.name.trim_ascii()));
        match found {
            None => strangers.push((i, &leaf.name)),
            Some(j) if places[j].is_some() => {
                problems.push(TableProblem::of_cell(0, names[j], "is in the file twice"));
            }
            Some(j) => {
                places[j] = Some(i);
                if let Err(words) = leaf.kind {
                    problems.push(TableProblem::of_cell(0, names[j], words));
                }
            }
        }
    }
    if places.iter().all(Option::is_none) {
        return Err(vec![TableProblem::of_row(0, "the file holds none of the declared columns")]);
    }
    let missing = || names.iter().zip(&places).filter(|(_, place)| place.is_none()).map(|(name, _)| *name);
    for (i, name) in strangers.iter().take(MOST_UNKNOWN) {
        let (place, name) = (format!("column {} of the file", i + 1), String::from_utf8_lossy(name));
        problems.push(TableProblem::of_row(0, unknown(&place, &name, missing())));
    }
    if strangers.len() > MOST_UNKNOWN {
        let more = strangers.len() - MOST_UNKNOWN;
        problems.push(TableProblem::of_row(0, format!("{more} further columns of the file are not declared")));
    }
    problems.extend(missing().map(|name| TableProblem::of_cell(0, name, "is declared but missing from the file")));
    if problems.is_empty() { Ok(places.into_iter().flatten().collect()) } else { Err(problems) }
}

/// Why a file that says that it holds so much is not read at all.
fn too_many(footer: &Footer, length: u64, limits: &UploadLimits) -> Option<String> {
    if footer.rows > limits.rows {
        return Some(format!("more than {} rows", limits.rows));
    }
    let cells = footer.rows.saturating_mul(footer.leaves.len() as u64);
    let reason =
        "the file holds more cells than the allowed ratio for its size: write it with less compression, or send CSV";
    (cells > allowed(length, limits)).then(|| reason.to_owned())
}
