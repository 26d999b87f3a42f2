//! Domain experts at inference: how much each should count for the next token, from how well each foresaw those before it.
//!
//! `T` tokens, `D` domains. A model that was run once for each domain, with that domain's experts in all layers, says how likely
//! each next token is: `p_j(x_t | x_<t)`. The mixture is `p(x_t | x_<t) = Σ_j w_tj · p_j(x_t | x_<t)`, where `w_tj` is the
//! posterior of domain `j` after the tokens before `t`: `w_tj ∝ P(x_<t | j) · π_j`.
//!
//! # Source
//! Gururangan et al. 2021, "DEMix Layers: Disentangling Domains for Modular Language Modeling", section 5.

mod domains;

pub use domains::{Domains, add_domain, remove_domain};

use crate::error::Error;

/// Weight of a sequence's mean posterior in the prior of the next.
const RENEWAL: f64 = 0.3;

/// Where the weights come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One domain has all the weight.
    Single(usize),
    /// All domains have the same.
    Uniform,
    /// The posterior, whose prior follows the text: after each sequence it moves to that sequence's mean posterior by 0.3 of the way
    /// (all the way after the first, if no prior was given).
    UpdatingPrior,
    /// The posterior, with the prior as it was given.
    CachedPrior,
}

/// What a posterior is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// All tokens of the sequence so far.
    Exact,
    /// The last token alone, as in the paper's code; equal weights for the first token.
    LastToken,
}

/// How to mix.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixer {
    /// `D`.
    pub domains: usize,
    /// Where the weights come from.
    pub mode: Mode,
    /// What the posterior is made of.
    pub evidence: Evidence,
    /// `f64[D]`, not negative, of any sum above 0; `None`: nothing was seen so far, and all domains are equal.
    pub prior: Option<Vec<f64>>,
}

/// What mixing gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    /// `f64[T, D]`: each row adds up to 1, and depends on the tokens before its own only.
    pub weights: Vec<f64>,
    /// `f64[D]`: weights for the token after the last.
    pub next: Vec<f64>,
    /// `f64[T]`: `ln p(x_t | x_<t)`.
    pub log_probabilities: Vec<f64>,
    /// `f64[D]`: the prior for the next sequence.
    pub prior: Option<Vec<f64>>,
}

impl Mixer {
    /// Mixes for a text of sequences of `sequence` tokens, the last one perhaps shorter.
    ///
    /// - `log_probabilities`: `f64[T, D]`, `ln p_j(x_t | x_<t)` of the tokens that came
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for no domains, one that is not there, a prior that is none or a sequence of no tokens,
    /// [`Error::WrongLength`], [`Error::NonFinite`].
    pub fn mix(&self, log_probabilities: &[f64], sequence: usize) -> Result<Mixture, Error> {
        self.check(log_probabilities, sequence)?;
        let d = self.domains;
        let uniform = vec![1.0 / d as f64; d];
        let mut prior = self.prior.as_deref().map(normalized);
        let mut mixture = Mixture { weights: Vec::new(), next: Vec::new(), log_probabilities: Vec::new(), prior: None };
        mixture.next = self.weights(None, prior.as_ref().unwrap_or(&uniform));
        for log_probabilities in log_probabilities.chunks(sequence * d) {
            let first = mixture.weights.len();
            let own = prior.clone().unwrap_or_else(|| uniform.clone());
            let mut seen: Option<Vec<f64>> = None;
            for here in log_probabilities.chunks_exact(d) {
                let weights = self.weights(seen.as_deref(), &own);
                let weighed: Vec<f64> = weights.iter().zip(here).map(|(w, l)| libm::log(*w) + l).collect();
                mixture.log_probabilities.push(log_sum_exp(&weighed));
                mixture.weights.extend(weights);
                seen = Some(match (self.evidence, seen) {
                    (Evidence::Exact, Some(seen)) => seen.iter().zip(here).map(|(seen, l)| seen + l).collect(),
                    _ => here.to_vec(),
                });
            }
            mixture.next = self.weights(seen.as_deref(), &own);
            if self.mode == Mode::UpdatingPrior {
                let mean = mean_row(&mixture.weights[first..], d);
                prior = Some(match prior {
                    None => mean,
                    Some(prior) => prior.iter().zip(mean).map(|(p, m)| (1.0 - RENEWAL) * p + RENEWAL * m).collect(),
                });
            }
        }
        mixture.prior = prior;
        Ok(mixture)
    }

    /// `f64[D]`: weights of the next token; `seen`: `f64[D]`, how likely each domain found what speaks for it, if anything does.
    fn weights(&self, seen: Option<&[f64]>, prior: &[f64]) -> Vec<f64> {
        let d = self.domains;
        match (self.mode, self.evidence, seen) {
            (Mode::Single(domain), ..) => (0..d).map(|j| f64::from(u8::from(j == domain))).collect(),
            (Mode::Uniform, ..) | (_, Evidence::LastToken, None) => vec![1.0 / d as f64; d],
            (_, Evidence::Exact, None) => prior.to_vec(),
            (_, _, Some(seen)) => softmax(&prior.iter().zip(seen).map(|(p, l)| libm::log(*p) + l).collect::<Vec<_>>()),
        }
    }

    fn check(&self, log_probabilities: &[f64], sequence: usize) -> Result<(), Error> {
        let d = self.domains;
        if d == 0 {
            return Err(invalid("domains", d, "at least 1"));
        }
        if sequence == 0 {
            return Err(invalid("sequence", sequence, "at least 1 token"));
        }
        if let Mode::Single(domain) = self.mode
            && domain >= d
        {
            return Err(invalid("domain", domain, &format!("below domains = {d}")));
        }
        let got = log_probabilities.len();
        if !got.is_multiple_of(d) {
            let (what, rows) = ("logProbabilities".to_owned(), got.div_ceil(d));
            return Err(Error::WrongLength { what, got, wanted: rows * d, shape: format!("[{rows}, {d}]") });
        }
        finite("logProbabilities", log_probabilities)?;
        self.prior.as_ref().map_or(Ok(()), |prior| check_prior(prior, d))
    }
}

/// Checks that a prior has `domains` shares, none negative and not all 0.
fn check_prior(prior: &[f64], domains: usize) -> Result<(), Error> {
    let (got, wanted) = (prior.len(), domains);
    if got != wanted {
        return Err(Error::WrongLength { what: "prior".to_owned(), got, wanted, shape: format!("[{wanted}]") });
    }
    finite("prior", prior)?;
    if let Some(j) = prior.iter().position(|share| *share < 0.0) {
        return Err(invalid(&format!("prior[{j}]"), prior[j], "at least 0"));
    }
    match prior.iter().sum::<f64>() > 0.0 {
        true => Ok(()),
        false => Err(invalid("prior", "all zeros", "above 0 for one domain at least")),
    }
}

fn finite(what: &str, values: &[f64]) -> Result<(), Error> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(Error::NonFinite { what: what.to_owned(), index, value: values[index].to_string() }),
        None => Ok(()),
    }
}

fn invalid(what: &str, got: impl ToString, wanted: &str) -> Error {
    Error::InvalidArgument { what: what.to_owned(), got: got.to_string(), wanted: wanted.to_owned() }
}

/// Shares that add up to 1.
fn normalized(prior: &[f64]) -> Vec<f64> {
    let sum: f64 = prior.iter().sum();
    prior.iter().map(|share| share / sum).collect()
}

fn mean_row(rows: &[f64], width: usize) -> Vec<f64> {
    let count = (rows.len() / width) as f64;
    (0..width).map(|j| rows.iter().skip(j).step_by(width).sum::<f64>() / count).collect()
}

fn log_sum_exp(values: &[f64]) -> f64 {
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + libm::log(values.iter().map(|value| libm::exp(value - most)).sum::<f64>())
}

fn softmax(values: &[f64]) -> Vec<f64> {
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    normalized(&values.iter().map(|value| libm::exp(value - most)).collect::<Vec<_>>())
}
