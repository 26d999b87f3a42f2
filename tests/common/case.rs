//! One run of a layer whose results are known.

use webmoe::config::LayerConfig;
use webmoe::weights::{LayerWeights, shape};

use super::close::{Tol, compare};
use super::got::Got;

/// A layer, what goes in, and what must come out.
#[derive(Clone, Debug)]
pub struct Case {
    /// Family and name of the fixture, and the part of it, if it gives several cases.
    pub id: String,
    /// The layer.
    pub config: LayerConfig,
    /// Its weights.
    pub weights: LayerWeights,
    /// `[T, d]`.
    pub x: Vec<f32>,
    /// `[T, d]`: what goes into backward.
    pub d_output: Vec<f32>,
    /// Whether forward runs as in training.
    pub train: bool,
    /// Recorded random numbers of the router, of the shape of its [`Draws`](webmoe::config::Draws).
    pub draws: Option<Vec<f32>>,
    /// What must come out.
    pub expect: Vec<Expect>,
}

/// One result and the values it must have.
#[derive(Clone, Debug)]
pub struct Expect {
    /// Which result.
    pub what: What,
    /// All its values, row-major, or those `at` some places.
    pub want: Vec<f64>,
    /// The places of `want` in the result, if not all.
    pub at: Option<Vec<usize>>,
    /// `[want, got]`: what the result is multiplied by before it is compared, if by anything.
    pub through: Option<Vec<f64>>,
    /// How close.
    pub tol: Tol,
}

/// The results that a fixture may know.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// `[T, d]`.
    Output,
    /// `[T, E]`; compared only where the implementation shows them.
    Logits,
    /// `[T, E]`: weights in the output.
    Weights,
    /// `[T, k]`: weights of a token, largest first; the same however ties are broken.
    SortedWeights,
    /// `[T, E]`: 1 where an assignment was kept.
    Kept,
    /// `[T, E]`: place in the expert's buffer, -1 = none.
    Positions,
    /// `[1]`: the sum of the logits of all kept pairs; of a layer whose logits are its tokens.
    Total,
    /// `[E]`: assignments before drops.
    Demanded,
    /// `[E]`: assignments kept.
    Load,
    /// A loss, not weighted.
    Loss(&'static str),
    /// A gradient: `x`, or the name of an array of weights.
    Gradient(&'static str),
}

impl Expect {
    /// All values of a result.
    pub fn all(what: What, want: Vec<f64>, tol: Tol) -> Self {
        Expect { what, want, at: None, through: None, tol }
    }

    /// All values of a result of whole numbers.
    pub fn exact(what: What, want: Vec<f64>) -> Self {
        Expect::all(what, want, Tol::EXACT)
    }
}

impl Case {
    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.x.len() / self.config.d_model
    }

    /// Everything in which `got` is not what is known; empty if all is well.
    pub fn check(&self, got: &Got) -> Vec<String> {
        self.expect.iter().filter_map(|expect| self.check_one(got, expect).err()).collect()
    }

    fn check_one(&self, got: &Got, expect: &Expect) -> Result<(), String> {
        let label = format!("{}: {:?}", self.id, expect.what);
        let (d, e) = (self.config.d_model, self.config.experts);
        let (values, width) = match &expect.what {
            What::Output => (got.output.clone(), d),
            What::Logits => match &got.logits {
                Some(logits) => (logits.clone(), e),
                None => return Ok(()),
            },
            What::Weights => (got.routing.dense_weights(), e),
            What::SortedWeights => (sorted_rows(&got.routing.weights, got.routing.slots), got.routing.slots),
            What::Kept => (got.routing.dense_kept(), e),
            What::Positions => (got.routing.dense_positions(), e),
            What::Total => {
                let kept = got.routing.dense_kept();
                (vec![kept.iter().zip(&self.x).map(|(kept, h)| kept * f64::from(*h)).sum()], 1)
            }
            What::Demanded => (got.routing.demanded.iter().map(|&n| f64::from(n)).collect(), e),
            What::Load => (got.routing.load.iter().map(|&n| f64::from(n)).collect(), e),
            What::Loss(name) => match got.losses.get(*name) {
                Some(loss) => (vec![*loss], 1),
                None => return Err(format!("{label} is absent")),
            },
            What::Gradient(name) => match got.gradients.get(*name) {
                Some(values) => (values.clone(), shape(&self.config, name).map_or(d, |shape| shape[shape.len() - 1])),
                None => return Err(format!("{label} is absent")),
            },
        };
        if let Some(matrix) = &expect.through {
            let row = |row: &[f64]| row.iter().zip(&values).map(|(m, v)| m * v).sum();
            let values: Vec<f64> = matrix.chunks_exact(values.len()).map(row).collect();
            return compare(&label, &values, &expect.want, 1, expect.tol);
        }
        match &expect.at {
            None => compare(&label, &values, &expect.want, width, expect.tol),
            Some(places) => {
                let sampled: Vec<f64> = places.iter().map(|&i| values[i]).collect();
                compare(&label, &sampled, &expect.want, 1, expect.tol)
            }
        }
    }
}

/// Each row in descending order.
fn sorted_rows(values: &[f64], width: usize) -> Vec<f64> {
    let mut sorted = values.to_vec();
    for row in sorted.chunks_exact_mut(width) {
        row.sort_by(|a, b| b.total_cmp(a));
    }
    sorted
}
