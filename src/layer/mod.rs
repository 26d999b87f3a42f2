//! The sparse layer: gate → route → dispatch → experts → combine, forward and backward, as recordings over its buffers.

mod backward;
mod batch;
mod forward;
mod pack;
mod parameters;
mod sizes;
mod traffic;

pub use backward::{Gradient, record as record_backward, record_sgd, record_sum};
pub use batch::{Auction, Backward, Batch, Caller, Choice, Exchange, Noisy};
pub use forward::{Pass as ForwardPass, record as record_forward, record_losses, record_routing};
pub use pack::{Packed, pack, unpack, unpack_gradients};
pub use parameters::Parameters;
pub use sizes::{Sizes, widths};
pub use traffic::{Op, Pass, PayloadKind, Traffic, backward_traffic, forward_traffic};
