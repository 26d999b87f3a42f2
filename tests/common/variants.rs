//! The forms in which a kernel may be compiled.

use webmoe::kernels::{Constants, Kernel};
use webmoe::shader::{Tile, Tiling};

/// The values that the layer gives an override.
pub fn values(constant: &str) -> &'static [u32] {
    match constant {
        "ACTIVATION" => &[0, 1, 2, 3],
        "POLICY" => &[0, 1, 2, 3, 4, 5, 6, 7],
        "PRIORITY" => &[1, 2, 3],
        "RENORMALIZE" => &[0, 1, 2],
        "AGAIN" | "BASELINE" | "BIASED" | "FINAL" | "GROUPED" | "UNCHOSEN" => &[0, 1, 2],
        "EXPLORE" | "NOISE" => &[0, 1, 2, 3],
        "KEY" => &[0, 1, 2, 3, 4],
        "SHARES" => &[1, 2],
        "BLOCK" => &[128, u32::MAX],
        "TILE" => &[1, 16, 64],
        _ => &[0, 1],
    }
}

/// Every combination of a kernel's overrides.
pub fn combinations(kernel: &Kernel) -> Vec<Constants> {
    kernel.constants.iter().fold(vec![Constants::default()], |all, name| {
        let with = |constants: &Constants, value| Constants([&constants.0[..], &[(*name, value)]].concat());
        all.iter().flat_map(|constants| values(name).iter().map(move |value| with(constants, *value))).collect()
    })
}

/// Combinations that give every override its lowest and its highest value.
pub fn extremes(kernel: &Kernel) -> Vec<Constants> {
    let pick = |last: bool| {
        let value = |name: &&'static str| {
            let values = values(name);
            (*name, values[if last { values.len() - 1 } else { 0 }])
        };
        Constants(kernel.constants.iter().map(value).collect())
    };
    if kernel.constants.is_empty() { vec![Constants::default()] } else { vec![pick(false), pick(true)] }
}

/// The tilings in which a kernel differs, with their tiles.
pub fn tilings(kernel: &Kernel) -> Vec<(Tiling, Option<&'static Tile>)> {
    let Some(product) = kernel.product else { return vec![(Tiling::Direct, None)] };
    let mut all: Vec<(Tiling, Option<&'static Tile>)> = Vec::new();
    for tiling in Tiling::ALL {
        let tile = tiling.tile(product);
        if all.iter().all(|(_, known)| known.is_none_or(|known| known.part != tile.part)) {
            all.push((tiling, Some(tile)));
        }
    }
    all
}
