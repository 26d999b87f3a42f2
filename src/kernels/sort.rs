//! Twin of `shaders/shared/sort.wgsl`.

const DIGITS: usize = 16;

/// Sorts lines by digits of four bits, the lowest first, to and fro between two places; both end as the shader leaves them.
pub(super) fn sort_lines<L: Copy>(here: &mut [L], there: &mut [L], passes: u32, digit: impl Fn(L, u32) -> u32) {
    let (mut old, mut new) = (here, there);
    for pass in 0..passes {
        let mut next = [0; DIGITS];
        old.iter().for_each(|line| next[digit(*line, pass) as usize] += 1);
        let mut sum = 0;
        for count in &mut next {
            sum += std::mem::replace(count, sum);
        }
        for line in &*old {
            let at = &mut next[digit(*line, pass) as usize];
            new[*at] = *line;
            *at += 1;
        }
        std::mem::swap(&mut old, &mut new);
    }
}
