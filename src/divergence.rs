//! How far two passes disagree about what comes next: a loss that a layer cannot compute, since it has no vocabulary.

use crate::error::Error;

/// The symmetric Kullback-Leibler divergence of two predictions, `½·[KL(p‖q) + KL(q‖p)]` with `p` the softmax of a row of `a`
/// and `q` that of `b`, with gradients for both.
#[derive(Clone, Debug, PartialEq)]
pub struct SymmetricKl {
    /// `f32[rows]`: of each row, in nats, at least 0.
    pub rows: Vec<f32>,
    /// `f32[rows, classes]`: gradient of the rows' sum by `a`.
    pub d_a: Vec<f32>,
    /// `f32[rows, classes]`: gradient of the rows' sum by `b`.
    pub d_b: Vec<f32>,
}

/// Compares logits row by row.
///
/// - `a`, `b`: `f32[rows, classes]`, of the two passes
/// - rows of padding are the caller's to leave out
///
/// # Errors
/// [`Error::InvalidArgument`] without classes, [`Error::WrongLength`] if `a` is not whole rows or `b` is not as long.
///
/// # Source
/// Zuo et al. 2021 (THOR): `α` times this is added to the cross-entropies of both passes.
pub fn symmetric_kl(a: &[f32], b: &[f32], classes: usize) -> Result<SymmetricKl, Error> {
    if classes == 0 {
        let (what, got, wanted) = ("classes".into(), "0".into(), "at least 1".into());
        return Err(Error::InvalidArgument { what, got, wanted });
    }
    let rows = a.len().div_ceil(classes);
    for (what, got) in [("a", a.len()), ("b", b.len())] {
        let (wanted, shape) = (rows * classes, format!("[{rows}, {classes}]"));
        if got != wanted {
            return Err(Error::WrongLength { what: what.into(), got, wanted, shape });
        }
    }
    let mut out = SymmetricKl { rows: Vec::with_capacity(rows), d_a: Vec::new(), d_b: Vec::new() };
    for (a, b) in a.chunks_exact(classes).zip(b.chunks_exact(classes)) {
        let (log_p, log_q) = (log_softmax(a), log_softmax(b));
        let all = || log_p.iter().zip(&log_q).map(|(&log_p, &log_q)| (log_p.exp(), log_q.exp(), log_p - log_q));
        out.rows.push(all().map(|(p, q, apart)| 0.5 * (p - q) * apart).sum());
        let p_to_q: f32 = all().map(|(p, _, apart)| p * apart).sum();
        let q_to_p: f32 = all().map(|(_, q, apart)| -q * apart).sum();
        out.d_a.extend(all().map(|(p, q, apart)| 0.5 * (p * (apart - p_to_q) + (p - q))));
        out.d_b.extend(all().map(|(p, q, apart)| 0.5 * (q * (-apart - q_to_p) + (q - p))));
    }
    Ok(out)
}

fn log_softmax(h: &[f32]) -> Vec<f32> {
    let top = h.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let over = h.iter().map(|h| (h - top).exp()).sum::<f32>().ln();
    h.iter().map(|h| h - top - over).collect()
}
