//! select.wgsl — the n-th largest of many keys, byte by byte, by counting; all threads of a workgroup together. The kernel says
//! which keys there are, `candidate(i)` and `key(i)` for i from 0 to a count, and how many THREADS it has.

var<workgroup> histogram: array<atomic<u32>, 256>;
var<workgroup> threshold: u32;   // the n-th largest key
var<workgroup> equals: u32;      // how many of the keys that are equal to it are among the n largest
var<workgroup> surplus: u32;     // how many of those that begin as it does, as far as it is known, are not
var<workgroup> ties_in: array<u32, THREADS>;   // candidates of a thread's span whose key is the threshold

/// Finds the n largest, n of at least 1, and tells whether some of the keys that are equal to the threshold are not among them; if
/// not, they are all those of at least the threshold. Where it need not be `exact`, which must be uniform, it may then be any number
/// above the other keys. With fewer candidates it is 0, below every key. Ends with a barrier.
fn select_nth(lane: u32, count: u32, n: u32, exact: bool) -> bool {
    if (lane == 0u) {
        threshold = 0u;
        equals = n;
    }
    var splits = false;
    for (var byte = 4u; byte > 0u; byte--) {
        let shift = 8u * (byte - 1u);
        for (var i = lane; i < 256u; i += THREADS) { atomicStore(&histogram[i], 0u); }
        workgroupBarrier();
        let above = threshold;
        for (var i = lane; i < count; i += THREADS) {
            if (!candidate(i)) { continue; }
            let k = key(i);
            // the bytes above this one are the threshold's, of which there are none at first
            if (byte == 4u || ((k ^ above) >> (shift + 8u)) == 0u) { atomicAdd(&histogram[(k >> shift) & 255u], 1u); }
        }
        workgroupBarrier();
        if (lane == 0u) {
            var left = equals;
            var value = 255u;
            var here = atomicLoad(&histogram[value]);
            while (value > 0u && here < left) {
                left -= here;
                value--;
                here = atomicLoad(&histogram[value]);
            }
            equals = left;
            threshold |= value << shift;
            surplus = here - min(here, left);
        }
        splits = workgroupUniformLoad(&surplus) > 0u;
        // all keys that begin as the threshold does are among the largest
        if (!exact && !splits) { break; }
    }
    return splits;
}

/// The keys that a thread looks at after `select_nth`, so that equal ones can be told apart by their order: from, to.
fn span_of(lane: u32, count: u32) -> vec2u {
    let span = (count + THREADS - 1u) / THREADS;
    let begin = min(lane * span, count);
    return vec2u(begin, min(begin + span, count));
}

/// How many candidates whose key is the threshold come before the thread's span. Has a barrier.
fn ties_before(lane: u32, span: vec2u) -> u32 {
    var ties = 0u;
    for (var i = span.x; i < span.y; i++) { ties += u32(candidate(i) && key(i) == threshold); }
    ties_in[lane] = ties;
    workgroupBarrier();
    var before = 0u;
    for (var i = 0u; i < lane; i++) { before += ties_in[i]; }
    return before;
}
