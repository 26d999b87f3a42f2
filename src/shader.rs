//! WGSL text: the parts a kernel names, then a tile of a matrix product if it needs one, then the kernel, joined.

use std::fmt::Write as _;

/// A file of `shaders/shared/` that kernels are joined with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// File name without ending.
    pub name: &'static str,
    /// WGSL text.
    pub source: &'static str,
}

macro_rules! part {
    ($(#[$doc:meta])* $id:ident, $name:literal) => {
        $(#[$doc])*
        pub static $id: Part = Part { name: $name, source: include_str!(concat!("../shaders/shared/", $name, ".wgsl")) };
    };
}

part!(
    /// The sizes and settings every kernel gets.
    DIMS, "dims");
part!(
    /// One index over a long grid.
    LINEAR, "linear");
part!(
    /// Nonlinearities and their derivatives.
    ACTIVATION, "activation");
part!(
    /// Counter-based random numbers.
    RNG, "rng");
part!(
    /// Pairs of tokens and experts while experts choose.
    PAIRS, "pairs");
part!(
    /// Scores and places of an auction.
    AUCTION, "auction");
part!(
    /// Grids of later dispatches.
    GRIDS, "grids");
part!(
    /// The n-th largest of many keys.
    SELECT, "select");
part!(
    /// A stable sort of short lines.
    SORT, "sort");
part!(
    /// Jitter and dropout of the router's input.
    INPUT_NOISE, "input_noise");
part!(
    /// Draws from a softmax.
    GUMBEL, "gumbel");
part!(
    /// Numbers that can be ordered and subtracted.
    FINITE, "finite");
part!(
    /// The standard normal distribution.
    NORMAL, "normal");
part!(
    /// Noise on a logit: its width, and the logit's lead.
    NOISY, "noisy");
part!(
    /// Softmaxes of experts in branches.
    BRANCHES, "branches");
part!(
    /// What a token's logits compete for.
    CONTESTS, "contests");
part!(
    /// Logits in units of the entropy's weight.
    SINKHORN, "sinkhorn");
part!(
    /// What the logarithm of a sum of exponentials is made of.
    LOG_SUM_EXP, "log_sum_exp");

/// Which matrix product a kernel is built around.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Product {
    /// `A·Bᵀ`: forward products, weights as `[out, in]`.
    Nt,
    /// `A·B`: gradients of inputs.
    Nn,
    /// `Aᵀ·B`: gradients of weights.
    Tn,
}

/// A way to compute a tile of a product: which part, and how much of the result a workgroup covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// The WGSL.
    pub part: Part,
    /// Rows of the result that a workgroup covers.
    pub rows: u32,
    /// Columns of the result that a workgroup covers.
    pub columns: u32,
}

macro_rules! tile {
    ($id:ident, $name:literal, $rows:literal, $columns:literal) => {
        static $id: Tile = Tile {
            part: Part { name: $name, source: include_str!(concat!("../shaders/shared/", $name, ".wgsl")) },
            rows: $rows,
            columns: $columns,
        };
    };
}

tile!(NT_DIRECT, "nt_direct", 16, 64);
tile!(NN_DIRECT, "nn_direct", 16, 64);
tile!(TN_DIRECT, "tn_direct", 16, 64);
tile!(NT_ROW, "nt_row", 1, 64);
tile!(NN_ROW, "nn_row", 1, 64);
tile!(NT_WORKGROUP, "nt_workgroup", 64, 64);
tile!(NN_WORKGROUP, "nn_workgroup", 64, 64);
tile!(TN_WORKGROUP, "tn_workgroup", 64, 128);

/// How an adapter likes its matrix products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tiling {
    /// Large register blocks without barriers: software adapters.
    Direct,
    /// One row at a time: a batch of few tokens.
    Row,
    /// Tiles staged in workgroup memory: real GPUs.
    Workgroup,
}

impl Tiling {
    /// Every way there is.
    pub const ALL: [Tiling; 3] = [Tiling::Direct, Tiling::Row, Tiling::Workgroup];

    /// Rows of a tile of the experts' products.
    pub fn rows(self) -> u32 {
        self.tile(Product::Nt).rows
    }

    /// The tile for `product`.
    pub fn tile(self, product: Product) -> &'static Tile {
        match (self, product) {
            (Tiling::Direct, Product::Nt) => &NT_DIRECT,
            (Tiling::Direct, Product::Nn) => &NN_DIRECT,
            (Tiling::Row, Product::Nt) => &NT_ROW,
            (Tiling::Row, Product::Nn) => &NN_ROW,
            (Tiling::Direct | Tiling::Row, Product::Tn) => &TN_DIRECT,
            (Tiling::Workgroup, Product::Nt) => &NT_WORKGROUP,
            (Tiling::Workgroup, Product::Nn) => &NN_WORKGROUP,
            (Tiling::Workgroup, Product::Tn) => &TN_WORKGROUP,
        }
    }
}

/// Joins `parts`, `tile` and `kernel` into one WGSL module.
pub fn compose(parts: &[&Part], tile: Option<&Tile>, kernel: &str) -> String {
    let mut text = String::new();
    for part in parts.iter().copied().chain(tile.map(|t| &t.part)) {
        let _ = writeln!(text, "{}", part.source);
    }
    text + kernel
}
