//! The values of a column with few of them, as a tree of tokens.

use std::collections::BTreeMap;

use super::sets::Sets;
use crate::tabular::column::{Code, MISSING};

/// A tree of tokens; every value is the path to a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Trie {
    nodes: Vec<Node>,
    /// The tokens of each code; those of a missing cell come last.
    paths: Vec<Vec<u32>>,
    /// Values that are not missing.
    count: usize,
    /// Written after a value that another one goes on from.
    closing: u32,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Node {
    /// Ascending by token.
    children: BTreeMap<u32, usize>,
    code: Option<Code>,
    /// The number of the set of its options, where there are several.
    choice: Option<u32>,
    /// The option that leads to a missing cell and nowhere else.
    barred: Option<u32>,
}

impl Trie {
    /// A tree of the values' tokens, by code, and of a missing cell's. `None` when two values have the same
    /// tokens, or one has none.
    pub fn new(values: Vec<Vec<u32>>, missing: Option<Vec<u32>>) -> Option<Self> {
        let count = values.len();
        let paths: Vec<Vec<u32>> = values.into_iter().chain(missing).collect();
        let mut trie = Self { nodes: vec![Node::default()], paths: Vec::new(), count, closing: 0 };
        for (i, path) in paths.iter().enumerate() {
            let end = path.iter().fold(0, |node, &token| trie.child_or_new(node, token));
            let code = if i < count { i as Code } else { MISSING };
            if path.is_empty() || trie.nodes[end].code.replace(code).is_some() {
                return None;
            }
        }
        Some(Self { paths, ..trie })
    }

    fn child_or_new(&mut self, node: usize, token: u32) -> usize {
        if let Some(&child) = self.nodes[node].children.get(&token) {
            return child;
        }
        self.nodes.push(Node::default());
        let child = self.nodes.len() - 1;
        self.nodes[node].children.insert(token, child);
        child
    }

    /// Whether a token may follow a whole value, as part of a longer one.
    pub fn goes_on_with(&self, token: u32) -> bool {
        self.nodes.iter().any(|node| node.code.is_some() && node.children.contains_key(&token))
    }

    /// Says which token closes a value that another one goes on from, and numbers the sets of options.
    pub fn close(&mut self, closing: u32, sets: &mut Sets) {
        self.closing = closing;
        for node in &mut self.nodes {
            let closes = node.code.is_some() && !node.children.is_empty();
            let mut options: Vec<u32> = node.children.keys().copied().chain(closes.then_some(closing)).collect();
            options.sort_unstable();
            node.choice = (options.len() > 1).then(|| sets.number(options));
        }
        let Some(path) = self.paths.get(self.count) else { return };
        // The last node on the way to a missing cell from which other values can be reached too.
        let mut way = vec![0];
        way.extend(path.iter().scan(0, |node, token| {
            *node = self.nodes[*node].children[token];
            Some(*node)
        }));
        if let Some(depth) = (0..way.len()).rev().find(|&depth| self.nodes[way[depth]].choice.is_some()) {
            self.nodes[way[depth]].barred = Some(path.get(depth).copied().unwrap_or(closing));
        }
    }

    /// The most tokens of a value, and of what closes it if that is `own`, a token of its own.
    pub fn longest(&self, own: bool) -> usize {
        self.paths.iter().map(|path| path.len() + usize::from(own && self.is_open(path))).max().unwrap_or(0)
    }

    fn is_open(&self, path: &[u32]) -> bool {
        let end = path.iter().try_fold(0, |node, token| self.nodes[node].children.get(token).copied());
        end.is_some_and(|end| !self.nodes[end].children.is_empty())
    }

    /// The one option of a node (`Err`), or the number of its set of options (`Ok`).
    pub fn options(&self, node: usize) -> Result<u32, u32> {
        let Node { children, choice, .. } = &self.nodes[node];
        choice.ok_or_else(|| children.keys().next().copied().unwrap_or(self.closing))
    }

    /// The option of a node that leads to a missing cell and nowhere else.
    pub fn barred(&self, node: usize) -> Option<u32> {
        self.nodes[node].barred
    }

    /// The option that leads on to a code, so many tokens deep.
    pub fn toward(&self, depth: usize, code: Code) -> u32 {
        self.path(code).get(depth).copied().unwrap_or(self.closing)
    }

    /// The tokens of a code. Total: a code that is none counts as the last one.
    pub fn path(&self, code: Code) -> &[u32] {
        let i = (code as usize).min(self.paths.len() - 1);
        &self.paths[i]
    }

    /// Whether a code's value is closed by a token.
    pub fn closes(&self, code: Code) -> bool {
        self.is_open(self.path(code))
    }

    /// Follows an option of a node: to another node, or to the value that ends there. Total: a token that
    /// is no option counts as the first one.
    pub fn follow(&self, node: usize, token: u32) -> Step {
        let Node { children, code, .. } = &self.nodes[node];
        if let (Some(code), true) = (*code, token == self.closing) {
            return Step::Closed(code);
        }
        let Some(&child) = children.get(&token).or_else(|| children.values().next()) else {
            return Step::Closed(code.unwrap_or(MISSING));
        };
        match &self.nodes[child] {
            Node { children, code: Some(code), .. } if children.is_empty() => Step::Value(*code),
            _ => Step::Node(child),
        }
    }
}

/// Where an option leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// On.
    Node(usize),
    /// To a whole value.
    Value(Code),
    /// To a value that the token closes, without being a part of it.
    Closed(Code),
}
