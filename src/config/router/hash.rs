//! Hash layers.

use serde::{Serialize, Serializer};

use super::{Chooses, Gate, Router};
use crate::config::LayerConfig;
use crate::config::check::invalid;
use crate::config::raw::Node;
use crate::config::read::Fields;
use crate::error::Error;

/// The expert of a token is looked up in a table, by its id: nothing is learned, nothing is weighed.
///
/// With several tables (MultiHash) the experts are cut into as many equal runs, one a table: choice `j` of a token is expert
/// `j·E/n + tables[j][id]`. Widths are those of a segment: the hidden layer of a token is put together from one segment of each run,
/// with the parameters and the work of one expert of the paper's, and `(E/n)ⁿ` combinations.
///
/// The paper also cuts the second product by its outputs, each of which reads all hidden segments; here it is cut by the hidden
/// units, and the segments' outputs are added. So a segment is an expert of its own, and what crosses between devices are tokens,
/// never hidden layers.
///
/// # Source
/// Roller et al. 2021, "Hash Layers for Large Sparse Models".
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hash {
    /// `[vocabulary]` each, all of the same length: the expert of every id.
    #[serde(rename = "table", serialize_with = "as_given")]
    pub tables: Vec<Vec<u32>>,
    /// What is looked up.
    pub of: Hashed,
}

/// The id that stands for a token in the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Hashed {
    /// Its own.
    Token,
    /// That of the token before it; the first of a sequence stands for itself.
    Previous,
    /// A hash of both, within the table.
    Bigram,
    /// Its place in its sequence, modulo the table's length.
    Position,
    /// That of the token after it, which a language model does not know: an upper bound.
    Next,
}

/// As a description has them: one table by itself, or a list of several.
fn as_given<S: Serializer>(tables: &[Vec<u32>], s: S) -> Result<S::Ok, S::Error> {
    match tables {
        [one] => one.serialize(s),
        several => several.serialize(s),
    }
}

impl Hash {
    /// Looks each token's own id up in one table.
    pub fn new(table: Vec<u32>) -> Self {
        Hash { tables: vec![table], of: Hashed::Token }
    }

    /// Ids that the tables know.
    pub fn vocabulary(&self) -> usize {
        self.tables.first().map_or(0, Vec::len)
    }

    pub(super) fn read(mut f: Fields) -> Result<Self, Error> {
        let kinds = [
            ("token", Hashed::Token),
            ("previous", Hashed::Previous),
            ("bigram", Hashed::Bigram),
            ("position", Hashed::Position),
            ("next", Hashed::Next),
        ];
        let router = Hash { tables: f.tables("table")?, of: f.choice("of", &kinds)?.unwrap_or(Hashed::Token) };
        f.finish()?;
        Ok(router)
    }
}

impl Router for Hash {
    fn choices(&self, _experts: usize) -> usize {
        self.tables.len()
    }

    fn gate(&self) -> Option<Gate> {
        None
    }

    fn chooses(&self) -> Chooses {
        Chooses::Labels
    }

    fn check(&self, layer: &LayerConfig) -> Result<(), Error> {
        let (n, vocabulary) = (self.tables.len(), self.vocabulary());
        if vocabulary == 0 {
            return Err(invalid("router.table", Node::List(Vec::new()), "a table with an expert for every token id"));
        }
        if !layer.experts.is_multiple_of(n) {
            return Err(invalid(
                "router.table",
                format!("{n} tables"),
                &format!("as many as divide experts = {}", layer.experts),
            ));
        }
        let buckets = layer.experts / n;
        for (i, table) in self.tables.iter().enumerate() {
            let field = if n == 1 { "router.table".to_owned() } else { format!("router.table[{i}]") };
            if table.len() != vocabulary {
                return Err(invalid(
                    &field,
                    format!("{} long", table.len()),
                    &format!("as long as the first, {vocabulary}"),
                ));
            }
            if let Some(id) = table.iter().position(|expert| *expert as usize >= buckets) {
                return Err(invalid(
                    &format!("{field}[{id}]"),
                    table[id],
                    &format!("below {buckets}, an expert of this table"),
                ));
            }
        }
        Ok(())
    }
}
