//! Ids that mean alike: k-means.

use super::{TABLES_STREAM, invalid};
use crate::error::Error;
use crate::rng::uniform_f32;

/// Rounds after which the clusters are taken as they are.
const MOST_ROUNDS: usize = 100;

/// What each id means to a model: `f32[V, width]`, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// `f32[V · width]`.
    pub values: Vec<f32>,
    /// Numbers of an id.
    pub width: usize,
}

impl Embeddings {
    /// `V`.
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// Checks that these are whole rows of finite numbers.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a width of 0, [`Error::WrongLength`] for half a row, [`Error::NonFinite`].
    pub fn check(&self) -> Result<(), Error> {
        let (what, got, width) = ("embeddings".to_owned(), self.values.len(), self.width);
        if width == 0 {
            return Err(invalid("width", width, "at least 1, the numbers of each embedding".into()));
        }
        if !got.is_multiple_of(width) {
            let rows = got.div_ceil(width);
            return Err(Error::WrongLength { what, got, wanted: rows * width, shape: format!("[{rows}, {width}]") });
        }
        match self.values.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(Error::NonFinite { what, index, value: self.values[index].to_string() }),
            None => Ok(()),
        }
    }

    fn row(&self, id: usize) -> &[f32] {
        &self.values[id * self.width..(id + 1) * self.width]
    }
}

/// The cluster, below `count`, of every id: `u32[V]`, by k-means.
///
/// The first centres are drawn far from each other (k-means++); then ids go to the nearest centre, the lower of equal ones, and
/// centres to the mean of their ids, until no id moves. A centre that loses its last id stays where it is. Where there are fewer
/// different embeddings than clusters, some clusters are empty.
///
/// # Source
/// Lloyd 1982, "Least squares quantization in PCM"; Arthur and Vassilvitskii 2007, "k-means++".
pub fn clusters(embeddings: &Embeddings, count: usize, seed: u64) -> Vec<u32> {
    let mut centres = first_centres(embeddings, count, seed);
    let mut of_id = assign(embeddings, &centres);
    for _ in 0..MOST_ROUNDS {
        move_centres(embeddings, &of_id, &mut centres);
        let moved = assign(embeddings, &centres);
        if moved == of_id {
            break;
        }
        of_id = moved;
    }
    of_id
}

/// Centres `f64[count][width]`: the first is any id, each further one an id that is drawn by its squared distance from those there
/// are.
fn first_centres(embeddings: &Embeddings, count: usize, seed: u64) -> Vec<Vec<f64>> {
    let wide = |id: usize| embeddings.row(id).iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
    let draw = |turn: usize| f64::from(uniform_f32(seed, TABLES_STREAM, 1, turn as u32, 0));
    let rows = embeddings.rows();
    let mut centres = vec![wide((draw(0) * rows as f64) as usize)];
    let mut distances: Vec<f64> = (0..rows).map(|id| distance(embeddings.row(id), &centres[0])).collect();
    while centres.len() < count {
        let mut left = draw(centres.len()) * distances.iter().sum::<f64>();
        let reached = |distance: &f64| {
            left -= distance;
            left < 0.0
        };
        // rounding may leave a little over; then, as where all ids are centres already, any will do
        let next = distances.iter().position(reached).unwrap_or(0);
        let centre = wide(next);
        for (id, nearest) in distances.iter_mut().enumerate() {
            *nearest = nearest.min(distance(embeddings.row(id), &centre));
        }
        centres.push(centre);
    }
    centres
}

/// The nearest centre of every id.
fn assign(embeddings: &Embeddings, centres: &[Vec<f64>]) -> Vec<u32> {
    let nearest = |id: usize| {
        let of = |(centre, at): (u32, &Vec<f64>)| (centre, distance(embeddings.row(id), at));
        let nearer = |a: (u32, f64), b: (u32, f64)| if b.1 < a.1 { b } else { a };
        (0..).zip(centres).map(of).reduce(nearer).map_or(0, |(centre, _)| centre)
    };
    (0..embeddings.rows()).map(nearest).collect()
}

fn move_centres(embeddings: &Embeddings, of_id: &[u32], centres: &mut [Vec<f64>]) {
    let mut sums = vec![(0_u32, vec![0.0; embeddings.width]); centres.len()];
    for (id, centre) in of_id.iter().enumerate() {
        let (members, sum) = &mut sums[*centre as usize];
        *members += 1;
        sum.iter_mut().zip(embeddings.row(id)).for_each(|(sum, v)| *sum += f64::from(*v));
    }
    for (centre, (members, sum)) in centres.iter_mut().zip(sums).filter(|(_, (members, _))| *members > 0) {
        centre.iter_mut().zip(sum).for_each(|(at, sum)| *at = sum / f64::from(members));
    }
}

/// Squared.
fn distance(row: &[f32], centre: &[f64]) -> f64 {
    row.iter().zip(centre).map(|(v, at)| (f64::from(*v) - at).powi(2)).sum()
}
