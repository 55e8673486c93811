//! Text behind a closing quote: RFC 4180 has none, and parsers read it in different ways.

/// Where in a field the last byte was.
#[derive(Clone, Copy, Debug)]
enum At {
    Begin,
    Text,
    Quoted,
    /// Behind a quote that closes, unless another one follows.
    Closed,
    /// Behind a blank that follows a closing quote.
    After,
}

/// Follows the quotes of a table through its bytes.
#[derive(Debug)]
pub(super) struct Quotes {
    at: At,
    fields: usize,
}

impl Quotes {
    /// At the beginning of a table.
    pub(super) fn new() -> Self {
        Self { at: At::Begin, fields: 0 }
    }

    /// Looks at the next bytes. Where text follows a closing quote for the first time, gives how many fields of the line are
    /// before it. As parsers do, it takes the rest of such a field for text.
    pub(super) fn look(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut fault = None;
        for &byte in bytes {
            self.at = match (self.at, byte) {
                (At::Quoted, b'"') => At::Closed,
                (At::Quoted, _) | (At::Closed | At::Begin, b'"') => At::Quoted,
                (_, b',') => {
                    self.fields += 1;
                    At::Begin
                }
                (_, b'\n' | b'\r') => {
                    self.fields = 0;
                    At::Begin
                }
                (At::Closed | At::After, b' ' | b'\t') => At::After,
                (At::Closed | At::After, _) => {
                    fault = fault.or(Some(self.fields));
                    At::Text
                }
                (At::Begin | At::Text, _) => At::Text,
            };
        }
        fault
    }
}
