//! The range of an auction's scores.

use super::auction::finite;
use super::pairs::sortable;
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// The highest and the lowest score of every group, of those that are numbers.
///
/// - 1 logits: `f32[2, T, stride]`
/// - 2 `bounds`: `u32[G, 2]`, cleared by the caller: bits that order as floats do, of the highest, and inverted of the lowest
pub static AUCTION_BOUNDS: Kernel = Kernel {
    name: "auction_bounds",
    source: include_str!("../../shaders/auction_bounds.wgsl"),
    parts: &[&shader::DIMS, &shader::PAIRS, &shader::AUCTION],
    product: None,
    bindings: &[Read, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, bounds] = bound(slices);
    let dims = call.dims;
    let bounds = bounds.u32_mut();
    for t in 0..dims.tokens as usize {
        let g = t / dims.group_tokens as usize;
        let row = &router.f32()[t * dims.stride as usize..][..dims.experts as usize];
        for bits in row.iter().filter_map(|h| finite(*h)).map(sortable) {
            bounds[2 * g] = bounds[2 * g].max(bits);
            bounds[2 * g + 1] = bounds[2 * g + 1].max(!bits);
        }
    }
}
