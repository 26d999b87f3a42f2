//! What "close" means, in one place: `|got − want| ≤ abs + rel·|want|`.

/// How far a value may be from the one wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tol {
    /// Absolute part.
    pub abs: f64,
    /// Part of the wanted value's size.
    pub rel: f64,
}

impl Tol {
    /// Equal.
    pub const EXACT: Tol = Tol { abs: 0.0, rel: 0.0 };

    /// The same closeness of values that are all `factor` times as large.
    pub fn scaled(self, factor: f64) -> Tol {
        Tol { abs: self.abs * factor.abs(), rel: self.rel }
    }

    /// Whether `got` is close to `want`; never, if either is not a number.
    pub fn accepts(self, got: f64, want: f64) -> bool {
        (got - want).abs() <= self.abs + self.rel * want.abs()
    }
}

/// Compares two arrays of rows of `width`; says how many differ, and where and how much the worst one does.
pub fn compare(what: &str, got: &[f64], want: &[f64], width: usize, tol: Tol) -> Result<(), String> {
    if got.len() != want.len() {
        return Err(format!("{what}: {} values, wanted {}", got.len(), want.len()));
    }
    let excess = |i: usize| (got[i] - want[i]).abs() - tol.rel * want[i].abs();
    let off: Vec<usize> = (0..got.len()).filter(|&i| !tol.accepts(got[i], want[i])).collect();
    let Some(&worst) = off.iter().max_by(|&&a, &&b| excess(a).total_cmp(&excess(b))) else { return Ok(()) };
    let (row, column) = (worst / width, worst % width);
    let (g, w) = (got[worst], want[worst]);
    Err(format!(
        "{what}: {} of {} differ, most at [{row}, {column}]: got {g:e}, want {w:e} within {tol:?}",
        off.len(),
        got.len()
    ))
}

/// Fails a test if two arrays are not close.
#[track_caller]
pub fn assert_close(what: &str, got: &[f64], want: &[f64], width: usize, tol: Tol) {
    if let Err(message) = compare(what, got, want, width, tol) {
        panic!("{message}");
    }
}
