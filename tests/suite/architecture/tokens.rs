//! Rust as a list of tokens, without comments, text and test code. Knows just enough of the language for the rules.

/// A word, `::` or a single sign, and the line it is on (from 1). A literal text is the token `""`.
#[derive(Clone, Debug)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

/// The tokens of `source`, items marked `#[cfg(test)]` left out.
pub fn read(source: &str) -> Vec<Token> {
    let mut reader = Reader { rest: source.chars().collect(), at: 0, line: 1, tokens: Vec::new() };
    while reader.at < reader.rest.len() {
        reader.step();
    }
    without_tests(reader.tokens)
}

struct Reader {
    rest: Vec<char>,
    at: usize,
    line: usize,
    tokens: Vec<Token>,
}

impl Reader {
    fn peek(&self, ahead: usize) -> char {
        self.rest.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn next(&mut self) -> char {
        let sign = self.peek(0);
        self.line += usize::from(sign == '\n');
        self.at += 1;
        sign
    }

    fn push(&mut self, text: impl Into<String>) {
        self.tokens.push(Token { text: text.into(), line: self.line });
    }

    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => self.skip_while(|sign| sign != '\n'),
            ('/', '*') => self.skip_block_comment(),
            ('"', _) => self.skip_text(),
            ('\'', _) => self.skip_quote(),
            (':', ':') => {
                self.push("::");
                self.at += 2;
            }
            (sign, _) if sign.is_alphanumeric() || sign == '_' => self.word(),
            (sign, _) if sign.is_whitespace() => {
                self.next();
            }
            (sign, _) => {
                self.push(sign);
                self.at += 1;
            }
        }
    }

    fn skip_while(&mut self, keep: impl Fn(char) -> bool) {
        while self.at < self.rest.len() && keep(self.peek(0)) {
            self.next();
        }
    }

    /// Block comments nest.
    fn skip_block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.rest.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => {
                    depth += 1;
                    self.at += 2;
                }
                ('*', '/') => {
                    depth -= 1;
                    self.at += 2;
                }
                _ => {
                    self.next();
                }
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn skip_text(&mut self) {
        self.push("\"\"");
        self.next();
        while self.at < self.rest.len() {
            match self.next() {
                '\\' => {
                    self.next();
                }
                '"' => return,
                _ => {}
            }
        }
    }

    /// A character, or the mark of a lifetime, whose name follows as a word.
    fn skip_quote(&mut self) {
        self.next();
        if self.peek(0) == '\\' {
            self.at += 2;
            self.skip_while(|sign| sign != '\'');
            self.next();
        } else if self.peek(1) == '\'' {
            self.next();
            self.next();
        }
    }

    fn word(&mut self) {
        let start = self.at;
        self.skip_while(|sign| sign.is_alphanumeric() || sign == '_');
        let word: String = self.rest[start..self.at].iter().collect();
        if ["r", "br", "cr"].contains(&word.as_str()) {
            let hashes = (0..).take_while(|ahead| self.peek(*ahead) == '#').count();
            if self.peek(hashes) == '"' {
                return self.skip_raw_text(hashes);
            }
        }
        self.push(word);
    }

    fn skip_raw_text(&mut self, hashes: usize) {
        self.push("\"\"");
        self.at += hashes + 1;
        while self.at < self.rest.len() {
            if self.next() == '"' && (0..hashes).all(|ahead| self.peek(ahead) == '#') {
                self.at += hashes;
                return;
            }
        }
    }
}

/// True when the tokens from `at` on are `words`.
pub fn matches(tokens: &[Token], at: usize, words: &[&str]) -> bool {
    words.iter().enumerate().all(|(ahead, word)| tokens.get(at + ahead).is_some_and(|token| token.text == *word))
}

/// The index of the bracket that closes the one at `open`, or the end.
pub fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index;
        }
    }
    tokens.len()
}

/// The index after any attributes at `at`.
pub fn after_attributes(tokens: &[Token], mut at: usize) -> usize {
    loop {
        if matches(tokens, at, &["#", "["]) {
            at = closing(tokens, at + 1) + 1;
        } else if matches(tokens, at, &["#", "!", "["]) {
            at = closing(tokens, at + 2) + 1;
        } else {
            return at;
        }
    }
}

/// The index of the token that ends the item at `at`: its `;`, or the end of its block.
pub fn end_of_item(tokens: &[Token], mut at: usize) -> usize {
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            ";" => return at,
            "{" => return closing(tokens, at),
            "(" | "[" => at = closing(tokens, at) + 1,
            _ => at += 1,
        }
    }
    at
}

fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if matches(&tokens, at, &["#", "[", "cfg", "(", "test", ")", "]"]) {
            at = end_of_item(&tokens, after_attributes(&tokens, at)) + 1;
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}
