//! sort.wgsl — a stable sort by digits of four bits, all threads of a workgroup together. The kernel declares `lines`, which are
//! sorted to and fro between two places, and says what the `digit(line, pass)` of a line is, from the lowest on.

/// Few, since there are four barriers a pass and each thread counts for itself.
const THREADS = 32u;
const DIGITS = 16u;
/// Lines of a thread at least: a few threads with some each take fewer steps than many that count sixteen digits for hardly a line.
const SHARE = 8u;

var<workgroup> counters: array<u32, THREADS * DIGITS>;   // by digit, then by thread with lines
var<workgroup> sums: array<u32, THREADS>;

/// Of what each thread has `own` of: how many come before the thread's, and how many there are. Has a barrier.
fn before_and_all(lane: u32, own: u32) -> vec2u {
    sums[lane] = own;
    workgroupBarrier();
    var before = 0u;
    var all = 0u;
    for (var i = 0u; i < THREADS; i++) {
        before += select(0u, sums[i], i < lane);
        all += sums[i];
    }
    return vec2u(before, all);
}

/// Sorts `count` lines from `here` on, with as many at `there` for every second pass. Begins and ends with a barrier.
fn sort_lines(lane: u32, count: u32, here: u32, there: u32, passes: u32) {
    let share = max((count + THREADS - 1u) / THREADS, SHARE);
    let threads = (count + share - 1u) / share;
    let begin = min(lane * share, count);
    let end = min(begin + share, count);
    storageBarrier();
    for (var pass_number = 0u; pass_number < passes; pass_number++) {
        let odd = (pass_number & 1u) == 1u;
        let source_at = select(here, there, odd);
        let target_at = select(there, here, odd);
        var sum = 0u;
        if (lane < threads) {
            for (var d = 0u; d < DIGITS; d++) { counters[d * threads + lane] = 0u; }
            for (var i = begin; i < end; i++) { counters[digit(lines[source_at + i], pass_number) * threads + lane]++; }
        }
        workgroupBarrier();
        // each counter becomes the sum of those before it
        if (lane < threads) {
            for (var i = DIGITS * lane; i < DIGITS * (lane + 1u); i++) {
                let counted = counters[i];
                counters[i] = sum;
                sum += counted;
            }
            sums[lane] = sum;
        }
        workgroupBarrier();
        if (lane < threads) {
            var before = 0u;
            for (var i = 0u; i < lane; i++) { before += sums[i]; }
            for (var i = DIGITS * lane; i < DIGITS * (lane + 1u); i++) { counters[i] += before; }
        }
        workgroupBarrier();
        for (var i = begin; i < end; i++) {
            let line = lines[source_at + i];
            let at = digit(line, pass_number) * threads + lane;
            lines[target_at + counters[at]] = line;
            counters[at]++;
        }
        storageBarrier();
    }
}
