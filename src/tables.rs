//! Tables for hash layers: an expert for every id of a vocabulary, made before training and never changed.
//!
//! `V` ids, `E` experts. The same input gives the same table on every machine.
//!
//! # Source
//! Roller et al. 2021, "Hash Layers for Large Sparse Models".

mod clusters;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

pub use clusters::{Embeddings, clusters};

use crate::error::Error;
use crate::rng::hash_u32;

/// Ids that a table may have.
const MOST_IDS: usize = 1 << 24;

/// Takes the place of a layer's number in the random numbers of tables, so that no other use shares them.
const TABLES_STREAM: u32 = 0x7461_626c;

/// What a table is made from.
#[derive(Clone, Debug, PartialEq)]
pub enum Recipe {
    /// Nothing but a seed: each id gets any expert.
    Random {
        /// `V`.
        vocabulary: usize,
        /// Another seed gives another table.
        seed: u64,
    },
    /// How often each id comes in a corpus: see [`balanced`].
    Balanced {
        /// `u32[V]`, as [`counts`] finds them.
        counts: Vec<u32>,
    },
    /// What the ids mean: ids that mean alike share an expert, which is the number of their cluster.
    Clustered {
        /// Those of a trained model.
        embeddings: Embeddings,
        /// Of the clusters' first centres.
        seed: u64,
    },
    /// The same clusters, but ids that mean alike are kept apart: see [`dispersed`].
    Dispersed {
        /// Those of a trained model.
        embeddings: Embeddings,
        /// Of the clusters' first centres.
        seed: u64,
    },
}

impl Recipe {
    /// The table, `u32[V]`: the expert, below `experts`, of every id.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for no experts, no ids or too many of them; those of [`Embeddings::check`].
    pub fn table(&self, experts: usize) -> Result<Vec<u32>, Error> {
        let (what, ids) = match self {
            Recipe::Random { vocabulary, .. } => ("vocabulary", *vocabulary),
            Recipe::Balanced { counts } => ("counts", counts.len()),
            Recipe::Clustered { embeddings, .. } | Recipe::Dispersed { embeddings, .. } => {
                embeddings.check()?;
                ("embeddings", embeddings.rows())
            }
        };
        if u32::try_from(experts).is_err() || experts == 0 {
            return Err(invalid("experts", experts, "at least 1, and a u32".into()));
        }
        check_ids(what, ids)?;
        Ok(match self {
            Recipe::Random { vocabulary, seed } => random(*vocabulary, experts, *seed),
            Recipe::Balanced { counts } => balanced(counts, experts),
            Recipe::Clustered { embeddings, seed } => clusters(embeddings, experts, *seed),
            Recipe::Dispersed { embeddings, seed } => dispersed(&clusters(embeddings, experts, *seed), experts),
        })
    }
}

/// How often each of `vocabulary` ids comes in a corpus, `u32[V]`.
///
/// # Errors
/// [`Error::InvalidArgument`] for the first id beyond the vocabulary, for no ids in it or too many.
pub fn counts(corpus: &[u32], vocabulary: usize) -> Result<Vec<u32>, Error> {
    check_ids("vocabulary", vocabulary)?;
    let mut counts = vec![0; vocabulary];
    for (t, id) in corpus.iter().enumerate() {
        match counts.get_mut(*id as usize) {
            Some(count) => *count += 1,
            None => return Err(invalid(&format!("tokenIds[{t}]"), id, format!("below vocabulary = {vocabulary}"))),
        }
    }
    Ok(counts)
}

fn check_ids(what: &str, ids: usize) -> Result<(), Error> {
    match ids {
        1..=MOST_IDS => Ok(()),
        _ => Err(invalid(what, format!("of {ids} ids"), format!("of 1 to {MOST_IDS} ids"))),
    }
}

fn invalid(what: &str, got: impl ToString, wanted: String) -> Error {
    Error::InvalidArgument { what: what.to_owned(), got: got.to_string(), wanted }
}

/// Any expert for each of `vocabulary` ids, all equally likely.
fn random(vocabulary: usize, experts: usize, seed: u64) -> Vec<u32> {
    // the high word of a product is below `experts`, with a bias of at most E / 2³²
    let below = |bits: u32| ((u64::from(bits) * experts as u64) >> 32) as u32;
    (0..vocabulary as u32).map(|id| below(hash_u32(seed, TABLES_STREAM, 0, id, 0))).collect()
}

/// The commonest ids first, each to the expert that has had the fewest occurrences so far; of equal ids and of equal experts the
/// lower first.
///
/// Once an expert is above `1/E` of all occurrences it is not the lightest and gets no more: none has more than `1/E` and those
/// of one id. An id commoner than that overloads its expert all the same.
fn balanced(counts: &[u32], experts: usize) -> Vec<u32> {
    let mut ids: Vec<usize> = (0..counts.len()).collect();
    ids.sort_by_key(|id| Reverse(counts[*id]));
    let mut loads: BinaryHeap<Reverse<(u64, u32)>> = (0..experts as u32).map(|e| Reverse((0, e))).collect();
    let mut table = vec![0; counts.len()];
    for id in ids {
        let Some(mut lightest) = loads.peek_mut() else { continue };
        let Reverse((load, expert)) = &mut *lightest;
        table[id] = *expert;
        *load += u64::from(counts[id]);
    }
    table
}

/// Deals the members of each cluster out to the experts in turn, one cluster after another: `s` members have `min(s, E)` experts,
/// and no expert has two ids more than another.
///
/// `clusters`: `u32[V]`, the cluster of every id.
pub fn dispersed(clusters: &[u32], experts: usize) -> Vec<u32> {
    let mut ids: Vec<usize> = (0..clusters.len()).collect();
    ids.sort_by_key(|id| clusters[*id]);
    let mut table = vec![0; clusters.len()];
    ids.into_iter().enumerate().for_each(|(turn, id)| table[id] = (turn % experts) as u32);
    table
}
