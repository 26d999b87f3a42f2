//! Typed reading of one object of a description; every refusal names the field by its path.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::raw::Node;
use crate::error::Error;

/// The fields of one object, each taken once; what is left at the end is unknown.
pub(super) struct Fields {
    path: String,
    left: BTreeMap<String, Node>,
    known: Vec<&'static str>,
}

impl Fields {
    /// The fields of the object at `path` (empty for the outermost one).
    pub(super) fn new(path: &str, fields: BTreeMap<String, Node>) -> Self {
        Fields { path: path.to_owned(), left: fields, known: Vec::new() }
    }

    /// The full path of a field of this object.
    pub(super) fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Whether a field was given and not yet taken.
    pub(super) fn has(&self, name: &str) -> bool {
        self.left.get(name).is_some_and(|node| *node != Node::Absent)
    }

    /// The value of a field, whatever its type; `Node::Absent` if not given.
    pub(super) fn take(&mut self, name: &'static str) -> Node {
        self.known.push(name);
        self.left.remove(name).unwrap_or(Node::Absent)
    }

    /// The error that `name` is `got` where `wanted` was wanted.
    pub(super) fn invalid(&self, name: &str, got: &Node, wanted: &str) -> Error {
        Error::InvalidConfig { field: self.at(name), got: got.to_string(), wanted: wanted.to_owned() }
    }

    /// A whole number within `range`.
    pub(super) fn whole(&mut self, name: &'static str, range: RangeInclusive<usize>) -> Result<Option<usize>, Error> {
        match self.take(name) {
            Node::Absent => Ok(None),
            Node::Number(n) if fits(n, &range) => Ok(Some(n as usize)),
            got => Err(self.invalid(name, &got, &whole_wanted(&range))),
        }
    }

    /// A list of whole numbers, each within `range`.
    pub(super) fn wholes(
        &mut self,
        name: &'static str,
        range: RangeInclusive<usize>,
    ) -> Result<Option<Vec<usize>>, Error> {
        let nodes = match self.take(name) {
            Node::Absent => return Ok(None),
            Node::List(nodes) => nodes,
            got => return Err(self.invalid(name, &got, "a list of whole numbers")),
        };
        let one = |(i, node): (usize, &Node)| match node {
            Node::Number(n) if fits(*n, &range) => Ok(*n as usize),
            got => Err(self.invalid(&format!("{name}[{i}]"), got, &whole_wanted(&range))),
        };
        nodes.iter().enumerate().map(one).collect::<Result<_, _>>().map(Some)
    }

    /// A whole number within `range` that must be given.
    pub(super) fn required(&mut self, name: &'static str, range: RangeInclusive<usize>) -> Result<usize, Error> {
        let wanted = whole_wanted(&range);
        self.whole(name, range)?.ok_or_else(|| self.invalid(name, &Node::Absent, &wanted))
    }

    /// A number; its range is checked with the finished description.
    pub(super) fn number(&mut self, name: &'static str) -> Result<Option<f64>, Error> {
        match self.take(name) {
            Node::Absent => Ok(None),
            Node::Number(n) => Ok(Some(n)),
            got => Err(self.invalid(name, &got, "a number")),
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<Option<bool>, Error> {
        match self.take(name) {
            Node::Absent => Ok(None),
            Node::Bool(flag) => Ok(Some(flag)),
            got => Err(self.invalid(name, &got, "true or false")),
        }
    }

    /// One of several names.
    pub(super) fn choice<T: Copy>(&mut self, name: &'static str, choices: &[(&str, T)]) -> Result<Option<T>, Error> {
        let got = self.take(name);
        if got == Node::Absent {
            return Ok(None);
        }
        let chosen = choices.iter().find(|(word, _)| matches!(&got, Node::Text(text) if text == word));
        match chosen {
            Some((_, value)) => Ok(Some(*value)),
            None => {
                let words: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
                Err(self.invalid(name, &got, &words.join(" or ")))
            }
        }
    }

    /// A list of numbers, as f32.
    pub(super) fn numbers(&mut self, name: &'static str) -> Result<Option<Vec<f32>>, Error> {
        let wanted = "a list of numbers";
        match self.take(name) {
            Node::Absent => Ok(None),
            Node::List(nodes) => nodes
                .iter()
                .enumerate()
                .map(|(i, node)| match node {
                    Node::Number(n) => Ok(*n as f32),
                    got => Err(self.invalid(&format!("{name}[{i}]"), got, "a number")),
                })
                .collect::<Result<_, _>>()
                .map(Some),
            got => Err(self.invalid(name, &got, wanted)),
        }
    }

    /// A list of whole numbers, or several such lists.
    pub(super) fn tables(&mut self, name: &'static str) -> Result<Vec<Vec<u32>>, Error> {
        let wanted = "a list of experts, or several such lists";
        let Node::List(nodes) = self.take(name) else { return Err(self.invalid(name, &Node::Absent, wanted)) };
        let whole = |place: String, node: &Node| match node {
            Node::Number(n) if n.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(n) => Ok(*n as u32),
            got => Err(self.invalid(&place, got, "a whole number")),
        };
        if nodes.iter().all(|node| matches!(node, Node::List(_))) && !nodes.is_empty() {
            let lists = nodes.iter().enumerate().map(|(i, node)| match node {
                Node::List(nodes) => {
                    (0..).zip(nodes).map(|(j, node)| whole(format!("{name}[{i}][{j}]"), node)).collect()
                }
                got => Err(self.invalid(name, got, wanted)),
            });
            return lists.collect();
        }
        let one: Result<_, _> = nodes.iter().enumerate().map(|(i, node)| whole(format!("{name}[{i}]"), node)).collect();
        Ok(vec![one?])
    }

    /// The fields of an object within this one.
    pub(super) fn object(&mut self, name: &'static str) -> Result<Option<Fields>, Error> {
        match self.take(name) {
            Node::Absent => Ok(None),
            Node::Object(fields) => Ok(Some(Fields::new(&self.at(name), fields))),
            got => Err(self.invalid(name, &got, "an object")),
        }
    }

    /// All fields that are left, as numbers by name.
    pub(super) fn all_numbers(mut self) -> Result<BTreeMap<String, f32>, Error> {
        let mut numbers = BTreeMap::new();
        for (name, node) in std::mem::take(&mut self.left) {
            match node {
                Node::Absent => {}
                Node::Number(n) => {
                    numbers.insert(name, n as f32);
                }
                got => return Err(self.invalid(&name, &got, "a number")),
            }
        }
        Ok(numbers)
    }

    /// Refuses what nobody took.
    pub(super) fn finish(self) -> Result<(), Error> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(name) => Err(Error::UnknownField { field: self.at(name), known: self.known.join(", ") }),
        }
    }
}

fn fits(n: f64, range: &RangeInclusive<usize>) -> bool {
    n.fract() == 0.0 && *range.start() as f64 <= n && n <= *range.end() as f64
}

/// "a whole number from 1 to 64", in words for an error.
pub(super) fn whole_wanted(range: &RangeInclusive<usize>) -> String {
    format!("a whole number from {} to {}", range.start(), range.end())
}
