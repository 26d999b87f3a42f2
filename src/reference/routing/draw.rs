//! Experts at random, several different ones at a time.
//!
//! # Source
//! Floyd's algorithm, in Bentley 1987, "Programming Pearls: A Sample of Brilliance": every set is equally likely.

/// `k` different experts of `experts`, all of them in order if `k` is their number.
///
/// `bits(j)`: 32 random bits for the `j`-th. A remainder of them favours the lower experts by less than `experts / 2³²`.
pub fn distinct(experts: usize, k: usize, bits: impl Fn(usize) -> u32) -> Vec<usize> {
    let mut drawn: Vec<usize> = Vec::with_capacity(k);
    for (j, last) in (experts - k..experts).enumerate() {
        let one = bits(j) as usize % (last + 1);
        drawn.push(if drawn.contains(&one) { last } else { one });
    }
    drawn
}
