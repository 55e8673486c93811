//! Parquet files put together by hand, so that they can lie.

/// A column of the schema.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub physical: i64,
    pub repetition: i64,
    pub children: i64,
    pub converted: Option<i64>,
}

/// A column of a row group.
#[derive(Clone, Debug)]
pub struct Chunk {
    pub physical: i64,
    pub values: i64,
    pub codec: i64,
    pub pages: Vec<Page>,
    /// In place of where it is, and of how long.
    pub start: Option<i64>,
    pub length: Option<i64>,
    pub encrypted: bool,
}

/// A page.
#[derive(Clone, Debug)]
pub struct Page {
    pub kind: i64,
    pub unpacked: i64,
    pub values: i64,
    pub encoding: i64,
    pub body: Vec<u8>,
}

impl Column {
    /// Whole numbers of 64 bits, none missing.
    pub fn numbers(name: &str) -> Self {
        Self { name: name.to_owned(), physical: 2, repetition: 0, children: 0, converted: None }
    }
}

impl Chunk {
    pub fn of(values: i64, codec: i64, pages: Vec<Page>) -> Self {
        Self { physical: 2, values, codec, pages, start: None, length: None, encrypted: false }
    }
}

impl Page {
    /// Plain values.
    pub fn data(values: i64, body: Vec<u8>) -> Self {
        Self { kind: 0, unpacked: body.len() as i64, values, encoding: 0, body }
    }

    /// Eight values in an encoding.
    pub fn encoded(encoding: i64, body: Vec<u8>) -> Self {
        Self { encoding, ..Self::data(8, body) }
    }

    fn bytes(&self) -> Vec<u8> {
        let about = [int(1, self.values), int(1, self.encoding), int(1, 3), int(1, 3), vec![0]].concat();
        let skipped = match self.kind {
            2 => 4,
            3 => 5,
            _ => 2,
        };
        let body = [vec![skipped << 4 | 12], about].concat();
        let head = [int(1, self.kind), int(1, self.unpacked), int(1, self.body.len() as i64), body, vec![0]];
        [head.concat(), self.body.clone()].concat()
    }
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A field, so many numbers behind the one before, of a whole number.
fn int(delta: u8, value: i64) -> Vec<u8> {
    [vec![delta << 4 | 6], varint((value << 1 ^ value >> 63) as u64)].concat()
}

fn text(delta: u8, text: &str) -> Vec<u8> {
    [vec![delta << 4 | 8], varint(text.len() as u64), text.as_bytes().to_vec()].concat()
}

fn list(delta: u8, elements: &[Vec<u8>]) -> Vec<u8> {
    [vec![delta << 4 | 9, 0xfc], varint(elements.len() as u64), elements.concat()].concat()
}

/// A file of row groups, each with how many rows it says that it has.
pub fn file(columns: &[Column], groups: &[(i64, Vec<Chunk>)]) -> Vec<u8> {
    let mut bytes = b"PAR1".to_vec();
    let mut told = Vec::new();
    for (rows, chunks) in groups {
        let mut list_of = Vec::new();
        for chunk in chunks {
            let start = bytes.len() as i64;
            chunk.pages.iter().for_each(|page| bytes.extend(page.bytes()));
            let (length, start) = (chunk.length.unwrap_or(bytes.len() as i64 - start), chunk.start.unwrap_or(start));
            let about = [
                int(1, chunk.physical),
                int(3, chunk.codec),
                int(1, chunk.values),
                int(2, length),
                int(2, start),
                vec![0],
            ];
            let locked = if chunk.encrypted { vec![5 << 4 | 12, 0] } else { Vec::new() };
            list_of.push([vec![3 << 4 | 12], about.concat(), locked, vec![0]].concat());
        }
        told.push([list(1, &list_of), int(2, *rows), vec![0]].concat());
    }
    let mut schema = vec![[text(4, "schema"), int(1, columns.len() as i64), vec![0]].concat()];
    for column in columns {
        let children = if column.children > 0 { int(1, column.children) } else { Vec::new() };
        let gap = if column.children > 0 { 1 } else { 2 };
        let converted = column.converted.map_or_else(Vec::new, |number| int(gap, number));
        let head = [int(1, column.physical), int(2, column.repetition), text(1, &column.name)].concat();
        schema.push([head, children, converted, vec![0]].concat());
    }
    let rows = groups.iter().fold(0i64, |sum, (rows, _)| sum.wrapping_add(*rows));
    let footer = [int(1, 1), list(1, &schema), int(1, rows), list(1, &told), vec![0]].concat();
    bytes.extend(&footer);
    bytes.extend((footer.len() as u32).to_le_bytes());
    bytes.extend(b"PAR1");
    bytes
}
