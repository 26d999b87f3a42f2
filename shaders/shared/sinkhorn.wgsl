//! sinkhorn.wgsl — logits in units of ε, as both halves of an iteration read them.

const LARGEST = 1e30;   // beyond it a logit is as good as infinite

fn scaled(h: f32) -> f32 {
    let nan = (bitcast<u32>(h) & 0x7fffffffu) > 0x7f800000u;
    return clamp(select(h, -LARGEST, nan) / dims.epsilon, -LARGEST, LARGEST);
}
